"""The type of a module's inputs, floats or whole numbers, as its calls on the `meta` device tell."""

from typing import Any

import torch
from torch import Tensor, nn

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import ModelError
from cutlayer.models.meta import meta_outputs
from cutlayer.models.traced.failures import (
    ValuesNeededError,
    ValuesUnknown,
    explained,
    failed_submodule,
)


def input_types(
    name: str, module: nn.Module, input_shape: Shape, classes: int
) -> tuple[torch.dtype, ...]:
    """Return the types of inputs that a module may take, the likeliest first.

    More than one type is left only for a module that depends on the values of its input. Raises
    ModelError if it accepts none, or if its output does not fit the classes.
    """
    reasons: list[str] = []
    undecided: list[torch.dtype] = []
    for dtype in (torch.float32, torch.int64):
        x = torch.empty(2, *input_shape, device="meta", dtype=dtype)
        try:
            with ValuesUnknown():
                output = meta_outputs(module.eval(), x)
        except ValuesNeededError:
            undecided.append(dtype)
        except Exception as error:  # a user's forward pass may raise anything
            reasons.append(f"{explained(error)}{failed_submodule(module, error)}")
        else:
            check_output(name, output, 2, input_shape, classes)
            return (dtype,)
    if not undecided:
        raise ModelError(
            f"model {name!r} does not accept an input of shape {input_shape} ({reasons[0]})"
        )
    return tuple(undecided)


def check_output(name: str, output: Any, batch: int, input_shape: Shape, classes: int) -> None:
    """Raise ModelError unless an output has a value for each class, or for each token and class."""
    if not isinstance(output, Tensor):
        kind = type(output).__name__
        raise ModelError(f"model {name!r} returns a {kind}, expected one tensor of class scores")
    if tuple(output.shape) not in ((batch, classes), (batch, input_shape[0], classes)):
        raise ModelError(
            f"model {name!r} must give one value for each of {classes} classes, for a batch of {batch} "
            f"inputs of shape {input_shape} it gives {tuple(output.shape)}"
        )
