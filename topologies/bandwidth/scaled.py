"""A rate that varies as another does, so many times as high."""

from dataclasses import dataclass

from cutlayer.topologies.bandwidth.profile import Profile, Varying


class Multiplied(Profile):
    """`factor` times another profile."""

    def __init__(self, base: Profile, factor: float) -> None:
        self._base = base
        self._factor = factor

    @property
    def mean(self) -> float:
        """The other's mean, multiplied."""
        return self._base.mean * self._factor

    def piece(self, t: float) -> tuple[float, float]:
        """Return the value at `t`, and when it may change."""
        value, end = self._base.piece(t)
        return value * self._factor, end


@dataclass(frozen=True)
class Scaled(Varying):
    """`factor` times what `base` is."""

    base: Varying
    factor: float

    @property
    def mean_bytes_per_s(self) -> float:
        """The other's mean, multiplied."""
        return self.base.mean_bytes_per_s * self.factor

    def profile(self, seed: int, key: str, connection: str) -> Profile:
        """Return the other's draw, multiplied."""
        return Multiplied(self.base.profile(seed, key, connection), self.factor)
