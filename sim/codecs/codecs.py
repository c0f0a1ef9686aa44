"""The codecs of a method's run: what its activations, gradients and weights become."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal

from cutlayer.sim.codecs.codec import Codec, Costs, Field, Shape, first_costs
from cutlayer.sim.codecs.registry import codec_of

Direction = Literal["up", "down", "weights_up", "weights_down"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("up", "down")  # activations go up, gradients down
OF_WEIGHTS: Final[tuple[Direction, ...]] = ("weights_up", "weights_down")


@dataclass(frozen=True, eq=False)
class Coding:
    """An encoded tensor: the parts of its message, scales in the framing, costs at both ends."""

    fields: tuple[Field, ...]
    scales: int
    encoding: Costs
    decoding: Costs


class Codecs:
    """The codecs of the messages that a method `sends`; None for one that changes nothing."""

    def __init__(self, section: Any = None, sends: tuple[Direction, ...] = DIRECTIONS) -> None:
        up = None if section is None else codec_of(section.up)
        self._of: dict[Direction, Codec] = {}
        for direction in (*DIRECTIONS, *OF_WEIGHTS) if section is not None else ():
            codec = up if direction == "up" else codec_of(getattr(section, direction), up)
            if direction in sends and codec is not None and not codec.lossless:
                self._of[direction] = codec
        self.coding = lru_cache(maxsize=None)(self._coding)
        self.coding_of_weights = lru_cache(maxsize=None)(self._coding_of_weights)

    def of(self, direction: Direction) -> Codec | None:
        """Return the codec of a direction; None for messages that are sent as they are."""
        return self._of.get(direction)

    @property
    def spec(self) -> dict[str, Any]:
        """The codecs as plain data by direction, without those that change nothing."""
        return {name: codec.spec for name, codec in self._of.items()}

    @property
    def cached(self) -> tuple[Direction, ...]:
        """The directions whose codec keeps values between messages."""
        return tuple(d for d, codec in self._of.items() if codec.cached != "nothing")

    def cached_bytes(self, end: Literal["device", "server"], shape: Shape, samples: int) -> int:
        """Return the bytes that the device or the server keeps of these samples."""
        sends: Direction = "up" if end == "device" else "down"
        return sum(
            codec.cached_bytes(shape, samples)
            for direction, codec in self._of.items()
            if codec.cached == "both" or (codec.cached == "sender" and direction == sends)
        )

    def _coding_of_weights(self, direction: Direction, parameters: int, tensors: int) -> Coding:
        """Return encoded weights: `parameters` values in `tensors` tensors, each with its own scale."""
        coding = self.coding(direction, (parameters,), 1, False)
        return replace(coding, scales=coding.scales * tensors)

    def _coding(self, direction: Direction, shape: Shape, batch: int, full: bool) -> Coding:
        """Return an encoded tensor of a batch of `shape` per sample; `full` if it is not encoded."""
        codec = self._of[direction]
        if not full:
            return Coding(
                codec.fields(shape, batch),
                codec.scales(shape, batch),
                codec.encoding(shape, batch),
                codec.decoding(shape, batch),
            )
        (values,) = codec.first_fields(shape, batch)
        stored = first_costs(codec.name, values.values) if codec.cached == "both" else ()
        return Coding((values,), 0, stored, stored)
