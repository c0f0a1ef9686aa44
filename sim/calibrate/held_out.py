"""The held-out cases that test a profile: catalogue models, whole and in parts, by batch size.

The list is fixed before anything is measured. None of these models is a probe.
"""

from dataclasses import dataclass
from typing import Final, Literal

Part = Literal["whole", "front", "back"]


@dataclass(frozen=True)
class Case:
    """One training iteration of a whole model, or of its blocks before or behind a cut.

    The front part receives a gradient; the back part computes the loss and returns a gradient.
    """

    model: str
    part: Part
    batch_size: int
    cut: int = 0

    def __str__(self) -> str:
        where = "" if self.part == "whole" else f" {self.part} at cut {self.cut}"
        return f"{self.model}{where}, batch {self.batch_size}"


HELD_OUT: Final = (
    Case("vgg5", "whole", 10),
    Case("vgg5", "whole", 100),
    Case("vgg5", "front", 20, 1),
    Case("vgg5", "back", 100, 1),
    Case("vgg11", "whole", 10),
    Case("vgg11", "whole", 32),
    Case("vgg11", "front", 10, 2),
    Case("vgg11", "back", 10, 2),
    Case("resnet9", "whole", 10),
    Case("resnet9", "whole", 64),
    Case("resnet9", "back", 20, 2),
    Case("resnet12", "whole", 20),
    Case("resnet12", "whole", 128),
    Case("resnet12", "front", 20, 1),
    Case("alexnet", "whole", 10),
    Case("alexnet", "whole", 128),
    Case("lenet", "whole", 32),
    Case("mobilenetv2", "whole", 10),
    Case("mobilenetv2", "whole", 32),
    Case("mobilenetv2", "front", 20, 3),
    Case("mobilenetv2", "back", 20, 3),
)
