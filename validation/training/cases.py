"""The cases of real training between two processes, fixed before the measurements."""

from dataclasses import dataclass

MBIT = 1e6
METHODS = ("classic_fl", "splitfed", "ecofed")
PERIOD = 2  # EcoFed uploads in every second round
BITS = 8


@dataclass(frozen=True)
class Case:
    """A model, its cut, the batches of a client in a round, and the rates of its link in bit/s."""

    model: str
    cut: int
    batch_size: int
    batches: int
    up: float
    down: float

    def __str__(self) -> str:
        link = f"{self.up / MBIT:g}/{self.down / MBIT:g} Mbit/s"
        return f"{self.model}, cut {self.cut}, {self.batches} x {self.batch_size}, {link}"


CASES = (
    Case("vgg5", 1, 20, 12, 50 * MBIT, 50 * MBIT),
    Case("vgg5", 2, 100, 5, 20 * MBIT, 100 * MBIT),
    Case("vgg11", 2, 10, 12, 200 * MBIT, 200 * MBIT),
    Case("resnet9", 2, 10, 12, 100 * MBIT, 100 * MBIT),
    Case("mobilenetv2", 3, 10, 12, 50 * MBIT, 50 * MBIT),
)
QUICK = (Case("vgg5", 2, 10, 3, 50 * MBIT, 50 * MBIT),)
