"""Which tensors of a model are trained, as plain data that needs no torch."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters of linear layers (Hu et al., ICLR 2022, arXiv 2106.09685).

    `targets` are shell patterns of names of layers. A layer's output grows by
    alpha / rank * dropout(x) @ a.T @ b.T, with a of [rank, inputs] and b of [outputs, rank].
    """

    rank: int
    alpha: float
    targets: tuple[str, ...]
    dropout: float = 0.0


@dataclass(frozen=True)
class Tuning:
    """Which tensors of a model are trained; by default all of them.

    `trainable` and `frozen` are shell patterns of names of tensors; at most one of them is given. With
    `trainable` or `lora`, all tensors that they do not name are frozen. Frozen tensors are kept in
    `frozen_type`: with `bfloat16`, their values are rounded once, and they take half the bytes.
    """

    trainable: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    lora: Lora | None = None
    frozen_type: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        assert not (self.frozen and (self.trainable or self.lora)), "schema forbids both"

    @property
    def freezes(self) -> bool:
        """Whether any tensor may be frozen."""
        return bool(self.trainable or self.frozen or self.lora)


FULL: Final = Tuning()
