"""What a model is built from, apart from its weights' seed."""

from dataclasses import dataclass

from cutlayer.models.block_cost import Shape
from cutlayer.models.tuning.tuning import FULL, Tuning


@dataclass(frozen=True)
class ModelSpec:
    """A model by name, for data with this number of classes and this shape of a sample's input.

    `vocabulary` is the number of different tokens in the data, None for inputs that are numbers. A model
    that brings weights keeps them if it is `pretrained`; all others are drawn from the seed. `tuning`
    says which tensors are trained.
    """

    name: str
    classes: int
    input_shape: Shape = (3, 32, 32)
    vocabulary: int | None = None
    pretrained: bool = True
    tuning: Tuning = FULL
