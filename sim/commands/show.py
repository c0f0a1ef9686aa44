"""`cutlayer show`: the details of anything that `list` names, and the topology of a scenario."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cutlayer.errors import UserError
from cutlayer.models.outline import outline
from cutlayer.models.packages.names import package_of
from cutlayer.scenarios.aliases import canonical, canonical_method
from cutlayer.scenarios.fields import is_object_path
from cutlayer.scenarios.shipped import shipped_names, shipped_path, study_path
from cutlayer.sim.build.checks import topology_checked
from cutlayer.sim.build.client_rates import client_rates
from cutlayer.sim.codecs.registry import BY_SECTION, CODECS
from cutlayer.sim.commands.catalogue import (
    KINDS,
    dataset_summary,
    device_summary,
    is_scenario,
    link_summary,
    listed_spec,
    model_summary,
)
from cutlayer.sim.commands.console import CommandConsole, make_console, print_as_it_is
from cutlayer.sim.commands.show_data import show_data_command
from cutlayer.sim.commands.show_model import show_model_command
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.files.atomic import check_output_file
from cutlayer.sim.methods import registry
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views import topology_lines, write_topology
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.quantities import significant
from cutlayer.sim.views.topology_text import limited
from cutlayer.suggestion import suggestion
from cutlayer.topologies import Topology, catalogue
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.stack import Stack
from cutlayer.topologies.units import format_duration, format_rate, format_size

FORMATS = (".png", ".svg", ".pdf")


def show_words(
    words: Sequence[str],
    plot: Path | None,
    *,
    of_data: Mapping[str, Any],
    of_model: Mapping[str, Any],
    force: bool,
) -> None:
    """Show what a name, `data` and a name, or `model` and a name refer to.

    `of_data` and `of_model` are the options of the latter two by name, None if not given.
    """
    if len(words) == 1 and (is_object_path(words[0]) or package_of(words[0]) is not None):
        words = ["model", *words]
    kind = words[0] if len(words) == 2 and words[0] in ("data", "model") else ""
    if len(words) > 1 and not kind:
        given = " ".join(words)
        raise UserError(
            f"show: expected one name, data and a scenario, or model and its name, got {given}"
        )
    for of_kind, options, what in (("data", of_data, "SCENARIO"), ("model", of_model, "NAME")):
        for option, value in options.items():
            if value and kind != of_kind and not (option == "--set" and kind == "model"):
                raise UserError(f"{option} is for `show {of_kind} {what}`")
    if kind == "data":
        _show_data(words[1], plot, of_data, force)
    elif kind == "model":
        if plot is not None:
            raise UserError(f"--plot: {words[1]} is a model; only scenarios have a topology")
        show_model_command(words[1], of_data["--set"] or [], of_model)
    else:
        show_command(words[0], plot, force=force)


def _show_data(name: str, plot: Path | None, options: Mapping[str, Any], force: bool) -> None:
    if plot is not None:
        raise UserError("--plot draws a topology; the picture of data is drawn with --out")
    out = options["--out"]
    if (dataset := canonical(name, DATASETS)) is None:
        overrides = options["--set"] or []
        show_data_command(name, overrides, out=out, data_dir=options["--data-dir"], force=force)
    elif out is not None:
        raise UserError(f"--out: {dataset} is a data set; clients hold samples in a scenario")
    else:
        _show_dataset(dataset)


def show_command(name: str, plot: Path | None = None, *, force: bool = False) -> None:
    """Print the details of what `name` names; draw the topology of a scenario if `plot` is given.

    The topology of a shipped scenario follows its text as comments, so that the output is still a
    scenario. A file is a scenario of the user's own.
    """
    shown = {
        "studies": _show_study,
        "methods": _show_method,
        "codecs": _show_codec,
        "models": _show_model,
        "datasets": _show_dataset,
        "devices": _show_device,
        "stacks": _show_stack,
        "links": _show_link,
    }
    if plot is not None and plot.suffix not in FORMATS:
        raise UserError(f"--plot: {plot} must end in .png, .svg or .pdf")
    if plot is not None:
        check_output_file(plot, "--plot", force=force)
    if not is_scenario(name):
        for kind, show in shown.items():
            find = canonical_method if kind == "methods" else canonical
            if (found := find(name, KINDS[kind][0]())) is not None:
                if plot is not None:
                    rule = "is not a scenario; only scenarios have a topology"
                    raise UserError(f"--plot: {name} {rule}")
                show(found)
                return
        if not _is_file(name):
            everything = [n for names, _ in KINDS.values() for n in names()]
            raise UserError(f"show: unknown name {name}{suggestion(name, everything)}")
    _show_scenario(name, plot, force)


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
    for line in [*topology_lines(topology), "", *rate_lines(topology)]:
        print_as_it_is(f"# {line}".rstrip() if shipped else line)
    if plot is not None:
        write_topology(topology, plot, replace=force)


def rate_lines(topology: Topology) -> list[str]:
    """Return a table of the rates that the clients of a topology get, as lines."""
    heading = ("", "delay", "alone", "limited by", "all at once", "limited by")
    rows = [heading]
    owners: list[str] = []
    for share in client_rates(topology):
        for label, direction in (("up", share.up), ("down", share.down)):
            alone, together = (format_rate(rate) for rate in (direction.alone, direction.together))
            by, all_by = (
                _holder(x, share.client) for x in (direction.alone_by, direction.together_by)
            )
            rows.append((label, format_duration(direction.delay_s), alone, by, together, all_by))
            owners.append(f"{share.count} like {share.client}" if share.count > 1 else share.client)
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    lines = ["rates of clients (all at once: while all send, or all receive)"]
    for owner, row in zip(["", *owners], rows, strict=True):
        if row[0] == "up":
            lines.append(owner)
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return limited(lines)


def _holder(resource: str | None, client: str) -> str:
    if resource is None:
        return "nothing"
    own = resource.startswith((f"{client}.", f"{client}->")) or resource.endswith(f"->{client}")
    return "own link" if own else resource


def _show_study(name: str) -> None:
    print_as_it_is(study_path(name).read_text(encoding="utf-8"))


def _show_method(name: str) -> None:
    found = registry.method(name)
    console = make_console()
    console.print(f"{name}: {found.summary}")
    rows = [
        (option, _default(field), field.description or "")
        for option, field in found.Options.model_fields.items()
    ]
    if rows:
        print_grid(console, ("option", "default", "meaning"), rows)


def _show_codec(name: str) -> None:
    kind = CODECS[name]
    console = make_console()
    console.print(f"{name}: {kind.summary}")
    section = next(section for section, codec in BY_SECTION.items() if codec is kind)
    text = " ".join((section.__doc__ or "").split())
    console.print(text)
    rows = [(option, _default(field)) for option, field in section.model_fields.items()]
    if rows:
        print_grid(console, ("field", "default"), rows)


def _default(field: FieldInfo) -> str:
    """Return the default of an option as a scenario writes it, or that it has none."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):  # a choice with fields of its own
        name, fields = type(value).__name__.lower(), value.model_dump()
        value = {name: fields} if fields else name
    text = json.dumps(value)
    return text.replace('"', "")


def _show_model(name: str) -> None:
    blocks = outline(listed_spec(name)).blocks
    rows = [
        (
            str(cut),
            block.name,
            f"{block.parameters:,}",
            f"{significant(block.forward_flops / 1e6, 4)} MFLOP",
            f"{significant(block.backward_flops / 1e6, 4)} MFLOP",
            format_size(block.output_bytes),
            "x".join(map(str, block.output_shape)),
        )
        for cut, block in enumerate(blocks, start=1)
    ]
    console = make_console()
    console.print(f"{name}: {model_summary(name)}. Figures per sample; cut after a block:")
    headings = ("cut", "block", "parameters", "forward", "backward", "activation", "shape")
    print_grid(console, headings, rows)


def _show_dataset(name: str) -> None:
    info = DATASETS[name]
    console = make_console()
    console.print(f"{name}: {dataset_summary(name)}")
    counts = zip(info.class_names, info.train_counts, info.test_counts, strict=True)
    rows = [(label, f"{train:,}", f"{test:,}") for label, train, test in counts]
    print_grid(console, ("class", "training images", "test images"), rows)
    if not info.has_test:
        console.print("It has no test split: set data.test_fraction.")


def _show_device(name: str) -> None:
    profile = catalogue.device(name)
    console = make_console()
    console.print(f"{name}: {device_summary(name)}")
    rows = [
        (op_class, *(f"{rate / 1e9:.3g}" for rate in rates))
        for op_class, rates in profile.rates.items()
    ]
    print_grid(console, ("operation class", "GFLOP/s forward", "GFLOP/s backward"), rows)
    _print_sources(profile, console)


def _show_stack(name: str) -> None:
    stack = catalogue.stack(name)
    console = make_console()
    console.print(f"{name}: {stack.description}")
    console.print(
        f"times of matrix products x{stack.gemm_forward:.3g} forward, x{stack.gemm_backward:.3g}"
        f" backward; everything else x{stack.other:.3g}; loader"
        f" {format_duration(stack.loader_s_per_sample)} a sample, loop"
        f" {format_duration(stack.loop_s_per_iteration)} an iteration on a Raspberry Pi 4B"
    )
    _print_sources(stack, console)


def _show_link(name: str) -> None:
    link = catalogue.link(name)
    console = make_console()
    console.print(f"{name}: {link.description}")
    console.print(link_summary(name))
    _print_sources(link, console)


def _print_sources(entry: DeviceProfile | Stack | AccessLink, console: CommandConsole) -> None:
    for figure, status in entry.status.items():
        console.print(f"{figure}: {status}. {entry.notes.get(figure, '')}".rstrip())
    for source in entry.sources:
        console.print(f"source: {source}")
