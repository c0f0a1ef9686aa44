"""The base of codecs: the fields of a message, and the costs of encoding and decoding, from shapes.

A codec encodes the tensor of a batch, [n, *shape]. Nothing here needs tensors: their twins, which
compute on them, are in `cutlayer.sim.learning.codecs`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, Final, Literal, NamedTuple

from cutlayer.models.block_cost import FLOAT_BYTES, LayerCost
from cutlayer.models.quantise_cost import packed_bytes
from cutlayer.scenarios.fields import Section

Shape = tuple[int, ...]
Costs = tuple[LayerCost, ...]
Cached = Literal["nothing", "sender", "both"]  # the ends that keep values of every sample
EXACT: Final = 1e-9  # for rounding a share of a count: 0.29 of 100 are 29


class Field(NamedTuple):
    """A part of a message: `values` of `bits` bits, packed and rounded up to whole bytes."""

    values: int
    bits: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return packed_bytes(self.values, self.bits)


class Step(NamedTuple):
    """A pass over `values`: the FLOPs for each, and the bytes read and written for each."""

    name: str
    values: int
    flops: int = 1
    read: int = FLOAT_BYTES
    written: int = FLOAT_BYTES
    op_class: str = "elementwise"


class Codec(ABC):
    """A codec with the settings of its section.

    `cached` says which ends keep the values of every sample between its messages. A codec of which both
    ends keep them sends a sample's first values in full. `masks`: the gradient of values that were
    not sent is zero; otherwise it passes unchanged (straight-through), or by `corrects` with a term for
    the error. A tensor with a scale of its own has this in the framing of its message, as in EcoFed's
    code: `scales` counts them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    masks: ClassVar[bool] = False
    cached: Cached = "nothing"
    corrects: bool = False

    def __init__(self, section: Any) -> None:
        self.section: Section = section

    @property
    def spec(self) -> dict[str, Any]:
        """The name and the settings as plain data."""
        return {"name": self.name, **self.section.model_dump(mode="json")}

    @property
    def lossless(self) -> bool:
        """Whether the receiver has the same bits."""
        return False

    def problem(self, shape: Shape) -> str | None:  # noqa: ARG002
        """Return why tensors of this shape per sample cannot be encoded, or None if they can."""
        return None

    @abstractmethod
    def fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the parts of the message of a batch."""

    def scales(self, shape: Shape, batch: int) -> int:  # noqa: ARG002
        """Return the number of scales in the framing."""
        return 0

    @abstractmethod
    def encoding(self, shape: Shape, batch: int) -> Costs:
        """Return the costs of encoding a batch."""

    @abstractmethod
    def decoding(self, shape: Shape, batch: int) -> Costs:
        """Return the costs of decoding a batch."""

    def first_fields(self, shape: Shape, batch: int) -> tuple[Field, ...]:
        """Return the parts of a message that is sent in full."""
        return (Field(batch * prod(shape), 8 * FLOAT_BYTES),)

    def kept_values(self, shape: Shape, batch: int) -> int:
        """Return the number of values that are sent of a batch, for a codec that `masks`."""
        return batch * prod(shape)

    def cached_bytes(self, shape: Shape, samples: int) -> int:
        """Return the bytes that an end keeps of these samples, if it keeps any."""
        return FLOAT_BYTES * prod(shape) * samples


def bytes_of(fields: Sequence[Field]) -> int:
    """Return the bytes of the parts of a message."""
    return sum(field.bytes for field in fields)


def costs_of(codec: str, *steps: Step) -> Costs:
    """Return the costs of passes over the values of a whole batch, which count as one sample."""
    return tuple(
        LayerCost(
            name=f"{codec}: {step.name}",
            op_class=step.op_class,
            forward_flops=step.values * step.flops,
            backward_flops=0,
            weight_bytes=0,
            input_bytes=step.values * step.read,
            output_bytes=step.values * step.written,
            parameters=0,
        )
        for step in steps
        if step.values
    )


def rows(shape: Shape, batch: int, per: str) -> tuple[int, int]:
    """Return how often values are chosen in a batch, in each sample or row, and among how many."""
    values = prod(shape)
    each = shape[-1] if per == "row" else values
    return batch * values // each, each


def index_bits(count: int) -> int:
    """Return the bits of an index below `count`: ceil(log2 count)."""
    return (count - 1).bit_length()


STORE = FLOAT_BYTES  # bytes of a cached value


def first_costs(codec: str, values: int) -> Costs:
    """Return the costs of storing values that are sent in full."""
    return costs_of(codec, Step("store", values, 1, FLOAT_BYTES, STORE))
