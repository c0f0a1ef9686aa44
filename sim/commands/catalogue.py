"""`cutlayer list`, `show` and `schema`: what a scenario can name."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from models.catalogue import NETWORKS
from scenarios.export import json_schema
from scenarios.problems import suggestion
from scenarios.shipped import shipped_names, shipped_path
from sim.commands.errors import UsageError
from sim.learning.catalogue import DATASETS
from sim.methods import registry
from topologies import catalogue
from topologies.units import format_duration, format_rate, format_size


def _scenario_summary(name: str) -> str:
    document: dict[str, Any] = yaml.safe_load(shipped_path(name).read_text())
    return str(document.get("description", "")).strip()


def _method_summary(name: str) -> str:
    return registry.method(name).summary


def _network_summary(name: str) -> str:
    import models.cost

    blocks = models.cost.network_cost(name, 10, (3, 32, 32))
    parameters = sum(block.parameters for block in blocks)
    return f"{parameters:,} parameters for 10 classes, {len(blocks)} blocks"


def _dataset_summary(name: str) -> str:
    info = DATASETS[name]
    shape = "x".join(map(str, info.input_shape))
    return (
        f"{info.train_samples:,} + {info.test_samples:,} images of {shape}, {info.classes} classes"
    )


def _device_summary(name: str) -> str:
    profile = catalogue.device(name)
    return profile.description + (" (coarse)" if profile.coarse else "")


def _link_summary(name: str) -> str:
    link = catalogue.link(name)
    delay = "delay unknown" if link.delay_s is None else format_duration(link.delay_s)
    sharing = ", half duplex" if link.duplex == "half" else ""
    sharing += ", one medium for all stations" if link.shared else ""
    up, down = format_rate(link.up_bytes_per_s), format_rate(link.down_bytes_per_s)
    return f"{up} up, {down} down, {delay}{sharing}"


Summary = Callable[[str], str]

KINDS: dict[str, tuple[Callable[[], tuple[str, ...]], Summary]] = {
    "scenarios": (shipped_names, _scenario_summary),
    "methods": (lambda: tuple(registry.METHODS), _method_summary),
    "networks": (lambda: tuple(NETWORKS), _network_summary),
    "datasets": (lambda: tuple(DATASETS), _dataset_summary),
    "devices": (catalogue.device_names, _device_summary),
    "links": (catalogue.link_names, _link_summary),
}


def list_command(what: str | None) -> None:
    """Print the names of one kind, or of all, each with a line about it."""
    if what is not None and what not in KINDS:
        raise UsageError(f"list: there is no kind {what}{suggestion(what, KINDS)}")
    console = Console()
    for kind in KINDS if what is None else [what]:
        names, summary = KINDS[kind]
        table = Table("name", "", title=kind, title_justify="left", show_header=False, box=None)
        for name in names():
            table.add_row(name, summary(name))
        console.print(table)
        console.print()


def show_command(name: str) -> None:
    """Print everything that is known of a thing, whatever its kind."""
    shown = {
        "scenarios": _show_scenario,
        "methods": _show_method,
        "networks": _show_network,
        "datasets": _show_dataset,
        "devices": _show_device,
        "links": _show_link,
    }
    for kind, (names, _) in KINDS.items():
        if name in names():
            shown[kind](name)
            return
    everything = [n for names, _ in KINDS.values() for n in names()]
    raise UsageError(f"show: there is nothing called {name}{suggestion(name, everything)}")


def schema_command() -> None:
    """Print the JSON Schema of a scenario file."""
    models = {name: registry.method(name).Options for name in registry.METHODS}
    print(json.dumps(json_schema(models, list(NETWORKS), list(DATASETS)), indent=2))


def _show_scenario(name: str) -> None:
    print(shipped_path(name).read_text(), end="")


def _show_method(name: str) -> None:
    found = registry.method(name)
    console = Console()
    console.print(f"{name}: {found.summary}", soft_wrap=True)
    table = Table("option", "default", "meaning")
    for option, field in found.Options.model_fields.items():
        table.add_row(option, str(field.default), field.description or "")
    if found.Options.model_fields:
        console.print(table)


def _show_network(name: str) -> None:
    import models.cost

    table = Table("cut", "block", "parameters", "forward", "backward", "activation", "shape")
    blocks = models.cost.network_cost(name, 10, (3, 32, 32))
    for cut, block in enumerate(blocks, start=1):
        table.add_row(
            str(cut),
            block.name,
            f"{block.parameters:,}",
            f"{block.forward_flops / 1e6:.4g} MFLOP",
            f"{block.backward_flops / 1e6:.4g} MFLOP",
            format_size(block.output_bytes),
            "x".join(map(str, block.output_shape)),
        )
    console = Console()
    console.print(f"{name}: {_network_summary(name)}. Figures per sample; cut after a block:")
    console.print(table)


def _show_dataset(name: str) -> None:
    info = DATASETS[name]
    console = Console()
    console.print(f"{name}: {_dataset_summary(name)}", soft_wrap=True, highlight=False)
    table = Table("class", "training images", "test images")
    for label, train, test in zip(
        info.class_names, info.train_counts, info.test_counts, strict=True
    ):
        table.add_row(label, f"{train:,}", f"{test:,}")
    console.print(table)
    if not info.has_test:
        console.print("No test split of its own: give data.test_fraction.", highlight=False)


def _rates(by_map: Mapping[int, float]) -> str:
    """Return GFLOP/s by map size; a single entry stands for every size."""
    if len(by_map) == 1:
        (rate,) = by_map.values()
        return f"any: {rate / 1e9:.3g}"
    return ", ".join(f"{size}: {rate / 1e9:.3g}" for size, rate in sorted(by_map.items()))


def _show_device(name: str) -> None:
    profile = catalogue.device(name)
    console = Console()
    console.print(f"{name}: {_device_summary(name)}", soft_wrap=True)
    table = Table("class", "pass", "map side: GFLOP/s")
    for op_class, rates in profile.rates.items():
        for pass_ in ("forward", "backward"):
            table.add_row(op_class, pass_, _rates(rates.of(pass_)))
    console.print(table)
    for figure, status in profile.status.items():
        note = profile.notes.get(figure, "")
        console.print(f"{figure}: {status}. {note}", soft_wrap=True, highlight=False)
    for source in profile.sources:
        console.print(f"source: {source}", soft_wrap=True, highlight=False)


def _show_link(name: str) -> None:
    link = catalogue.link(name)
    console = Console()
    console.print(f"{name}: {link.description}", soft_wrap=True)
    console.print(_link_summary(name), soft_wrap=True)
    for figure, status in link.status.items():
        note = link.notes.get(figure, "")
        console.print(f"{figure}: {status}. {note}", soft_wrap=True, highlight=False)
    for source in link.sources:
        console.print(f"source: {source}", soft_wrap=True, highlight=False)
