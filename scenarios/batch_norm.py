"""The choices of `model.batch_norm`: what happens to BatchNorm's tensors between clients."""

from typing import Final, Literal

BatchNorm = Literal["averaged", "frozen", "local_statistics", "local"]

STAYS: Final[tuple[BatchNorm, ...]] = ("local_statistics", "local")  # of which tensors stay
