"""Timed iterations as rows of a fit: how much of each figure of a device an iteration needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from cutlayer.models.block_cost import FLOAT_BYTES, BlockCost, LayerCost
from cutlayer.models.features import PASSES, Pass, features
from cutlayer.sim.compute.stage import READS_AND_WRITES
from cutlayer.topologies.layer_time import terms

Part = Literal["step", "forward", "backward", "finetune"]
PARTS: Final[tuple[Part, ...]] = ("step", "forward", "backward", "finetune")


@dataclass(frozen=True)
class TimedRow:
    """A measured time and the `amounts` of work, by figure of a device, that it took.

    `batch_size` is that of the loader and `iterations` the number of loops: both 0 for a pass alone.
    Rows of one `network` are left out together. `weight` multiplies the row's error in a fit.
    """

    network: str
    stack: str
    what: str
    seconds: float
    amounts: Mapping[str, float]
    batch_size: int = 0
    iterations: int = 0
    weight: float = 1.0

    def __hash__(self) -> int:
        return hash((self.network, self.stack, self.what, self.batch_size))


def amounts_of(
    layers: Iterable[LayerCost], passes: Sequence[Pass], batch_size: int
) -> dict[str, float]:
    """Return the amounts of passes over layers, for each figure of a device."""
    amounts: dict[str, float] = {}
    for layer in layers:
        for pass_ in passes:
            if found := features(layer, pass_):
                for figure, fixed, per_sample in terms(found, found.op_class):
                    more = fixed + per_sample * batch_size
                    amounts[figure] = amounts.get(figure, 0.0) + more
    return amounts


def step_amounts(layers: Iterable[LayerCost], state_slots: int) -> dict[str, float]:
    """Return the amounts of an optimizer step."""
    trained = [layer for layer in layers if layer.parameters]
    words = READS_AND_WRITES + 2 * state_slots
    return {
        "optimizer_bandwidth": FLOAT_BYTES * words * sum(layer.parameters for layer in trained),
        "optimizer_overhead": sum(layer.parameter_tensors for layer in trained),
    }


def iteration_amounts(
    blocks: Sequence[BlockCost], part: Part, batch_size: int, state_slots: int
) -> dict[str, float]:
    """Return the amounts of an iteration, or of one pass, over a run of blocks.

    `finetune` runs everything forward, and backward and step only in the last linear layer.
    """
    layers = [layer for block in blocks for layer in block.layers]
    if part in PASSES:
        return amounts_of(layers, [part], batch_size)
    if part == "step":
        return added(
            amounts_of(layers, PASSES, batch_size),
            step_amounts(layers, state_slots),
        )
    last = [layer for layer in layers if layer.op_class == "linear" and layer.parameters][-1:]
    weights_only = [replace(layer, backward_flops=layer.forward_flops) for layer in last]
    return added(
        amounts_of(layers, ["forward"], batch_size),
        amounts_of(weights_only, ["backward"], batch_size),
        step_amounts(last, state_slots),
    )


def added(*some: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of amounts."""
    total: dict[str, float] = {}
    for amounts in some:
        for figure, amount in amounts.items():
            total[figure] = total.get(figure, 0.0) + amount
    return total
