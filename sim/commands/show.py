"""`cutlayer show`: everything that is known of a thing, and the topology of a scenario."""

from collections.abc import Mapping
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.models.outline import outline
from cutlayer.scenarios.aliases import canonical, canonical_method
from cutlayer.scenarios.shipped import shipped_names, shipped_path
from cutlayer.scenarios.study.shipped import study_path
from cutlayer.sim.build.checks import topology_checked
from cutlayer.sim.commands.catalogue import (
    KINDS,
    dataset_summary,
    device_summary,
    link_summary,
    model_summary,
)
from cutlayer.sim.commands.console import make_console, print_as_it_is
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.files.atomic import check_output_file
from cutlayer.sim.methods import registry
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views import topology_lines, write_topology
from cutlayer.sim.views.columns import print_columns, print_grid, text_columns
from cutlayer.suggestion import suggestion
from cutlayer.topologies import catalogue
from cutlayer.topologies.units import format_size

FORMATS = (".png", ".svg", ".pdf")


def show_command(name: str, plot: Path | None = None, *, force: bool = False) -> None:
    """Print everything that is known of a thing, whatever its kind; draw a scenario's topology.

    The text of a shipped scenario is followed by its topology as comments, so that it is a scenario
    still. A file is a scenario of the user's own.
    """
    shown = {
        "studies": _show_study,
        "methods": _show_method,
        "models": _show_model,
        "datasets": _show_dataset,
        "devices": _show_device,
        "links": _show_link,
    }
    if plot is not None and plot.suffix not in FORMATS:
        raise UserError(f"--plot: {plot} must end in .png, .svg or .pdf")
    if plot is not None:
        check_output_file(plot, "--plot", force=force)
    if name in shipped_names() or Path(name).suffix in (".yaml", ".yml"):
        _show_scenario(name, plot, force)
        return
    for kind, (names, _) in KINDS.items():
        find = canonical_method if kind == "methods" else canonical
        if kind in shown and (found := find(name, names())) is not None:
            if plot is not None:
                raise UserError(f"--plot: {name} is no scenario, and only these have a topology")
            shown[kind](found)
            return
    if _is_file(name):
        _show_scenario(name, plot, force)
        return
    everything = [n for names, _ in KINDS.values() for n in names()]
    raise UserError(f"show: there is nothing called {name}{suggestion(name, everything)}")


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # a name that is too long for one
        return False


def _show_scenario(name: str, plot: Path | None, force: bool) -> None:
    topology = topology_checked(load_scenario(name))
    shipped = name in shipped_names()
    if shipped:
        print_as_it_is(shipped_path(name).read_text(encoding="utf-8"))
    for line in topology_lines(topology):
        print_as_it_is(f"# {line}".rstrip() if shipped else line)
    if plot is not None:
        write_topology(topology, plot, replace=force)


def _show_study(name: str) -> None:
    print_as_it_is(study_path(name).read_text(encoding="utf-8"))


def _show_method(name: str) -> None:
    found = registry.method(name)
    console = make_console()
    console.say(f"{name}: {found.summary}")
    rows = [
        (option, str(field.default), field.description or "")
        for option, field in found.Options.model_fields.items()
    ]
    if rows:
        print_grid(console, ("option", "default", "meaning"), rows)


def _show_model(name: str) -> None:
    blocks = outline(name, classes=10, input_shape=(3, 32, 32)).blocks
    rows = [
        (
            str(cut),
            block.name,
            f"{block.parameters:,}",
            f"{block.forward_flops / 1e6:.4g} MFLOP",
            f"{block.backward_flops / 1e6:.4g} MFLOP",
            format_size(block.output_bytes),
            "x".join(map(str, block.output_shape)),
        )
        for cut, block in enumerate(blocks, start=1)
    ]
    console = make_console()
    console.print(f"{name}: {model_summary(name)}. Figures per sample; cut after a block:")
    headings = ("cut", "block", "parameters", "forward", "backward", "activation", "shape")
    names, *columns = text_columns(headings, rows)
    print_columns(console, names, columns)


def _show_dataset(name: str) -> None:
    info = DATASETS[name]
    console = make_console()
    console.say(f"{name}: {dataset_summary(name)}")
    counts = zip(info.class_names, info.train_counts, info.test_counts, strict=True)
    rows = [(label, f"{train:,}", f"{test:,}") for label, train, test in counts]
    print_grid(console, ("class", "training images", "test images"), rows)
    if not info.has_test:
        console.print("No test split of its own: give data.test_fraction.")


def _rates(by_map: Mapping[int, float]) -> str:
    """Return GFLOP/s by map size; a single entry stands for every size."""
    if len(by_map) == 1:
        (rate,) = by_map.values()
        return f"any: {rate / 1e9:.3g}"
    return ", ".join(f"{size}: {rate / 1e9:.3g}" for size, rate in sorted(by_map.items()))


def _show_device(name: str) -> None:
    profile = catalogue.device(name)
    console = make_console()
    console.say(f"{name}: {device_summary(name)}")
    rows = [
        (op_class, pass_, _rates(rates.of(pass_)))
        for op_class, rates in profile.rates.items()
        for pass_ in ("forward", "backward")
    ]
    print_grid(console, ("class", "pass", "map side: GFLOP/s"), rows)
    for figure, status in profile.status.items():
        note = profile.notes.get(figure, "")
        console.say(f"{figure}: {status}. {note}")
    for source in profile.sources:
        console.say(f"source: {source}")


def _show_link(name: str) -> None:
    link = catalogue.link(name)
    console = make_console()
    console.say(f"{name}: {link.description}")
    console.say(link_summary(name))
    for figure, status in link.status.items():
        note = link.notes.get(figure, "")
        console.say(f"{figure}: {status}. {note}")
    for source in link.sources:
        console.say(f"source: {source}")
