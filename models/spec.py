"""What a model is built from, apart from its weights' seed."""

from dataclasses import dataclass

from cutlayer.models.block_cost import Shape
from cutlayer.models.tuning.tuning import FULL, Tuning


@dataclass(frozen=True)
class ModelSpec:
    """A model by name, for data with this number of classes and this shape of a sample's input.

    `vocabulary` is the number of different tokens in the data, None for inputs that are numbers, and
    `padding` the token that fills short texts, if there is one.
    `pretrained` says whether weights that the model brings are kept or drawn from the seed; by default
    those of a folder or repository of transformers are kept. `tuning` says which tensors are trained.
    """

    name: str
    classes: int
    input_shape: Shape = (3, 32, 32)
    vocabulary: int | None = None
    pretrained: bool | None = None
    tuning: Tuning = FULL
    padding: int | None = None
