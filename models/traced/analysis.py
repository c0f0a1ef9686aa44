"""The blocks of a traced module, and the cuts that it allows."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import ModelError
from cutlayer.models.traced.blocks import BlockCode, Segment
from cutlayer.models.traced.boundaries import Boundaries, Leaf, NoCut, agreed, crossing_of_modes
from cutlayer.models.traced.failures import TracingError, Untraceable
from cutlayer.models.traced.graphs import graphs_of
from cutlayer.models.traced.input_type import check_output, input_types
from cutlayer.models.traced.packing import Crossing, Pack
from cutlayer.models.traced.proxies import BATCH
from cutlayer.models.traced.tree import block_ends, insides, submodules
from cutlayer.models.traced.values import Run, run_graph

OUTPUT: Final = "output"  # the name of a last block that ends after all submodules


@dataclass(frozen=True)
class Analysis:
    """The blocks of a module for an input shape, and where it can be cut.

    `cuts` has the cut after each submodule that a block ends with, `inner` the submodules within blocks
    after which the model can be cut too, and `refused` why it cannot be cut after the others. `kept` are
    the buffers of the module's state.
    """

    names: tuple[str, ...]
    codes: tuple[BlockCode, ...]
    cuts: Mapping[str, int]
    inner: tuple[str, ...]
    refused: Mapping[str, str]
    feature_blocks: int
    kept: tuple[str, ...]
    input_dtype: torch.dtype


def analyse(
    name: str, module: nn.Module, input_shape: Shape, classes: int, also: Sequence[str] = ()
) -> Analysis:
    """Trace a module on `meta` and find its blocks; a block also ends after each submodule of `also`.

    Raises ModelError if the module does not map one input of this shape to one value per class, or
    cannot be traced.
    """
    _check_inputs(name, module)
    failure = None
    for dtype in input_types(name, module, input_shape, classes):
        try:
            return _traced(name, module, input_shape, classes, tuple(also), dtype)
        except (Untraceable, TracingError) as found:
            failure = failure or found
    assert failure is not None
    where = "its forward pass: "
    if isinstance(failure, TracingError):
        raise ModelError(f"model {name!r} cannot be split: {failure}") from None
    if failure.path:
        where = f"submodule {failure.path!r} ({failure.kind.__name__}): "
    raise ModelError(f"model {name!r} cannot be split: {where}{failure.reason}") from None


def _traced(
    name: str,
    module: nn.Module,
    input_shape: Shape,
    classes: int,
    also: Sequence[str],
    dtype: torch.dtype,
) -> Analysis:
    example = torch.empty(BATCH, *input_shape, device="meta", dtype=dtype)
    graphs, whole = graphs_of(module, example)
    runs = {
        mode: run_graph(graph, module.train(mode), input_shape, dtype)
        for mode, graph in graphs.items()
    }
    check_output(name, runs[False].values[0][runs[False].output], BATCH, input_shape, classes)
    return _blocks(module, runs, whole, also, dtype)


def _check_inputs(name: str, module: nn.Module) -> None:
    needed = [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1:
        raise ModelError(
            f"model {name!r}: a model has one input, and its forward pass needs {len(needed)}: "
            f"{', '.join(needed)}; give the others defaults, or pack them into one tensor"
        )


def _blocks(
    module: nn.Module,
    runs: Mapping[bool, Run],
    whole: Mapping[type[nn.Module], str],
    also: Sequence[str],
    dtype: torch.dtype,
) -> Analysis:
    of_modes = {mode: Boundaries(run) for mode, run in runs.items()}
    last = {mode: found.last for mode, found in of_modes.items()}
    paths = [path for path in submodules(module) if path]
    ends: dict[str, dict[bool, int]] = {}
    crossings: dict[str, tuple[dict[bool, list[Leaf]], tuple[Crossing, ...]]] = {}
    refused: dict[str, str] = {}
    inside = insides(module, whole)
    for path in paths:
        try:
            if path in inside:
                raise NoCut(inside[path])
            ends[path] = agreed(of_modes, path)
            if ends[path] != last:
                crossings[path] = crossing_of_modes(of_modes, ends[path])
        except NoCut as reason:
            refused[path] = str(reason)
            ends.pop(path, None)
    wanted = [*block_ends(module), *also]
    chosen: dict[tuple[int, int], str] = {}
    for path in wanted:
        if path in crossings:
            chosen.setdefault((ends[path][True], ends[path][False]), path)
    final = next((path for path in wanted if ends.get(path) == last), OUTPUT)
    order = sorted(chosen)
    codes: list[BlockCode] = []
    before: dict[bool, list[Leaf]] = {mode: [(run.inputs, ())] for mode, run in runs.items()}
    entry: tuple[Crossing, ...] = ()
    start = {True: 0, False: 0}
    for end in [*order, (last[True], last[False])]:
        stop = {True: end[0] + 1, False: end[1] + 1}
        if end in chosen:
            after, crossing = crossings[chosen[end]]
        else:
            after, crossing = {mode: [(run.output, ())] for mode, run in runs.items()}, ()
        segments = {
            mode: Segment(run, before[mode], run.nodes[start[mode] : stop[mode]], after[mode])
            for mode, run in runs.items()
        }
        if not codes and not dtype.is_floating_point:
            for segment in segments.values():
                segment.as_whole_numbers()
        codes.append(_code(module, segments, entry, crossing))
        before, entry, start = after, crossing, stop
    names = (*(chosen[end] for end in order), final)
    places = {end: number for number, end in enumerate(order, start=1)}
    places[last[True], last[False]] = len(codes)
    cuts, inner = {}, []
    for path, end_of in ends.items():
        place = places.get((end_of[True], end_of[False]))
        if place is None:
            inner.append(path)
        else:
            cuts[path] = place
    with_weights = [number for number, code in enumerate(codes) if _has_weights(module, code)]
    return Analysis(
        names=names,
        codes=tuple(codes),
        cuts=cuts,
        inner=tuple(inner),
        refused=refused,
        feature_blocks=with_weights[-1] if with_weights else 0,
        kept=_kept(module, codes),
        input_dtype=dtype,
    )


def _code(
    module: nn.Module,
    segments: Mapping[bool, Segment],
    entry: tuple[Crossing, ...],
    crossing: tuple[Crossing, ...],
) -> BlockCode:
    def targets(operation: str) -> tuple[str, ...]:
        found = [target for segment in segments.values() for target in segment.targets(operation)]
        return tuple(dict.fromkeys(found))

    plain = len(crossing) == 1 and crossing[0].plain
    return BlockCode(
        forwards={mode: segment.forward(module) for mode, segment in segments.items()},
        entry=entry,
        exit=Pack(crossing) if crossing and not plain else None,
        modules=targets("call_module"),
        tensors=targets("get_attr"),
        quiet=not any(segment.drawing for segment in segments.values()),
    )


def _has_weights(module: nn.Module, code: BlockCode) -> bool:
    layers = (module.get_submodule(path) for path in code.modules)
    own = (path for path, _ in module.named_parameters() if path in code.tensors)
    return any(True for _ in own) or any(True for layer in layers for _ in layer.parameters())


def _kept(module: nn.Module, codes: Sequence[BlockCode]) -> tuple[str, ...]:
    """Return the buffers that one block alone has; others are constants of several blocks."""
    state = module.state_dict(keep_vars=True)
    used = [path for code in codes for path in code.tensors]
    return tuple(path for path in dict.fromkeys(used) if path in state and used.count(path) == 1)
