"""`cutlayer show model`: where a model can be cut, and what each cut costs on both sides."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.models.block_cost import BlockCost, Shape
from cutlayer.models.catalogue import MODELS
from cutlayer.models.outline import ModelOutline, outline
from cutlayer.models.own_object import beside, looking_in
from cutlayer.models.spec import ModelSpec
from cutlayer.scenarios.aliases import canonical
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.plan_problems import examine
from cutlayer.sim.commands.catalogue import is_scenario, listed_spec, outputs_of
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.commands.show_tensors import print_tensors
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views.columns import print_grid, print_text
from cutlayer.sim.views.quantities import significant
from cutlayer.topologies.units import format_size

SIZES: Final = ("--classes", "--input-shape", "--vocabulary")
BATCH: Final = 32  # of the memory that is shown
LISTED: Final = 12  # names in a line of text

HEADINGS: Final = (
    "cut",
    "after",
    "sends",
    "KB per sample",
    "MFLOP on the device",
    "MFLOP on the server",
    "memory of the device",
    "memory of the server",
)


PARAMETERS: Final = ("trained_parameters", "parameters")
FIGURES: Final = (*PARAMETERS[::-1], "trained_tensors", "trained_bytes", "frozen_bytes")
OF_TUNING: Final = (
    "block",
    "parameters",
    "trained",
    "trained tensors",
    "trained bytes",
    "frozen bytes",
)


def show_model_command(name: str, overrides: Sequence[str], options: Mapping[str, Any]) -> None:
    """Print the cuts of a model, with sizes, FLOPs and memory; recommended ones have a star.

    It is the model of a scenario, with `overrides`, and what of it is trained; or one by its name, with
    the `options` of the command line. Raises ScenarioError or UserError.
    """
    sizes = {option: options[option] for option in SIZES}
    if is_scenario(name):
        for option, value in sizes.items():
            if value is not None:
                raise UserError(f"{option}: {name} is a scenario, whose data set decides this")
        loaded = load_scenario(name, overrides)
        with looking_in(beside(loaded.document.source)):
            _show(_of_scenario(loaded), tensors=options["--tensors"])
        return
    if overrides:
        raise UserError(f"--set: {name} is a model; only a scenario has fields")
    model = canonical(name, MODELS) or name
    _show(outline(_spec(model, *sizes.values())), tensors=options["--tensors"])


def _of_scenario(loaded: Loaded) -> ModelOutline:
    plan, problems = examine(loaded, loaded.scenario.all_seeds[0])
    if plan is None:
        raise ScenarioError(problems)
    return plan.model


def _show(found: ModelOutline, *, tensors: bool) -> None:
    console = make_console()
    parameters = sum(block.parameters for block in found.blocks)
    print_text(
        console,
        f"{found.name}: {parameters:,} parameters for {outputs_of(found.spec)}, {len(found)} blocks. "
        "Figures of a training step, per sample; memory is weights and saved activations of a batch of "
        f"{BATCH}:",
    )
    starred = recommended(found)
    rows = [_row(found, cut, cut in starred) for cut in range(len(found) + 1)]
    print_grid(console, HEADINGS, rows)
    tokens = " after a block" if found.takes_tokens else ""
    legend = f"* recommended: less is sent than at any earlier cut{tokens}"
    none = "no cut is recommended: none sends less than the input itself"
    print_text(console, legend if starred else none)
    _print_others(console, found)
    if found.spec.tuning.freezes:
        _print_tuning(console, found)
    if tensors:
        print_tensors(console, found.spec)


def _print_tuning(console: CommandConsole, found: ModelOutline) -> None:
    """Print what each block trains, and the bytes of it and of what is frozen."""
    trained, whole = (sum(getattr(block, name) for block in found.blocks) for name in PARAMETERS)
    print_text(
        console,
        f"Trained are {trained:,} of {whole:,} parameters. A round sends the trained tensors of a part, "
        "without framing, each way:",
    )
    rows = [
        (
            block.name,
            f"{block.parameters:,}",
            f"{block.trained_parameters:,}",
            str(block.trained_tensors),
            f"{block.trained_bytes:,}",
            f"{block.frozen_bytes:,}",
        )
        for block in found.blocks
    ]
    sums = [sum(getattr(block, name) for block in found.blocks) for name in FIGURES]
    print_grid(console, OF_TUNING, [*rows, ("all", *(f"{number:,}" for number in sums))])


def _spec(
    name: str, classes: int | None, input_shape: str | None, vocabulary: int | None
) -> ModelSpec:
    listed = listed_spec(name)
    words = vocabulary or listed.vocabulary
    shape = listed.input_shape if input_shape is None else _shape(input_shape)
    outputs = words if words and listed.classes == listed.vocabulary else listed.classes
    return replace(listed, classes=classes or outputs, input_shape=shape, vocabulary=words)


def recommended(found: ModelOutline) -> list[int]:
    """Return the cuts at which less is sent than at any earlier one, and some work stays elsewhere.

    Tokens are smaller than what any block makes of them, so that their own size does not count.
    """
    least, cuts = inf if found.takes_tokens else sent_bytes(found, 0), []
    for cut in range(1, len(found)):
        size, work = sent_bytes(found, cut), _flops(found.blocks[cut:])
        if size < least and work and _flops(found.blocks[:cut]):
            cuts.append(cut)
        least = min(least, size)
    return cuts


def sent_bytes(found: ModelOutline, cut: int) -> int:
    """Return the size of what is sent at a cut, per sample."""
    return found.blocks[cut - 1].output_bytes if cut else found.blocks[0].input_bytes


def memory(found: ModelOutline, start: int, stop: int) -> int:
    """Return the bytes of the weights of blocks, and of the activations that a batch keeps."""
    blocks = found.blocks[start:stop]
    if not blocks:
        return 0
    saved = blocks[0].input_bytes + sum(block.saved_activation_bytes for block in blocks)
    return sum(block.state_bytes for block in blocks) + BATCH * saved


def _row(found: ModelOutline, cut: int, star: bool) -> tuple[str, ...]:
    names = found.blocks[cut - 1].name if cut else "(the input)"
    last = len(found)
    tensors = found.tensors[cut] if found.tensors else 1
    shape = "x".join(map(str, found.activation_shape(cut)))
    return (
        f"{cut}{'*' if star else ''}",
        names,
        shape if tensors == 1 else f"{shape} in {tensors} tensors",
        significant(sent_bytes(found, cut) / 1e3, 4),
        significant(_flops(found.blocks[:cut]) / 1e6, 4),
        significant(_flops(found.blocks[cut:]) / 1e6, 4),
        format_size(memory(found, 0, cut)),
        format_size(memory(found, cut, last)),
    )


def _print_others(console: CommandConsole, found: ModelOutline) -> None:
    if found.inner:
        print_text(console, f"It can also be cut, by name, after {_listed(found.inner)}.")
    reasons: dict[str, list[str]] = {}
    for path, reason in found.refused.items():
        reasons.setdefault(reason, []).append(path)
    for reason, paths in reasons.items():
        print_text(console, f"It cannot be cut after {_listed(paths)}: {reason}.")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def _flops(blocks: Sequence[BlockCost]) -> int:
    return sum(block.forward_flops + block.backward_flops for block in blocks)


def _shape(text: str) -> Shape:
    """Return a shape such as 3x32x32. Raises UserError."""
    if re.fullmatch(r"[1-9]\d*([x,][1-9]\d*)*", text) is None:
        raise UserError(f"--input-shape: must be sizes such as 3x32x32 (got {text})")
    return tuple(int(size) for size in re.split("[x,]", text))
