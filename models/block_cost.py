"""What a layer and a block of layers cost: figures only, so that reading them needs no torch."""

from dataclasses import dataclass
from typing import Final

from cutlayer.models.errors import CostError

Shape = tuple[int, ...]
FLOAT_BYTES: Final = 4  # of a float32 value


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Cost of one kernel: FLOPs and bytes per sample, weights once; float32 as the module has it.

    `op_class` is conv_input (a convolution of at most 4 channels), conv_wide (one whose weights are
    more than `WIDE_BYTES`), pointwise (1x1), conv, depthwise, linear, norm, pool or elementwise.
    `map_size` is the side of the input feature map, 1 where there is none.
    `backward_flops` are those for the gradients with respect to weights and to the input, the
    latter only where a gradient is needed. `parameters` and `parameter_tensors` count each parameter
    in the layer that uses it first.
    """

    name: str
    op_class: str
    map_size: int
    forward_flops: int
    backward_flops: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    parameters: int
    parameter_tensors: int = 0


@dataclass(frozen=True)
class BlockCost:
    """Cost of a block of layers; FLOPs, activation bytes and shapes are per sample.

    `saved_activation_bytes` is what forward through the block leaves in memory until backward: the
    tensors made in the block that autograd keeps, and the block's output. A part of the model
    then holds (part's input + sum over its blocks) x batch, beside weights, gradients and optimizer
    state. `parameter_tensors` and `state_bytes` are those of the state dict, `buffer_bytes` those of
    its tensors that are not parameters, such as BatchNorm's running statistics.
    """

    name: str
    layers: tuple[LayerCost, ...]
    parameters: int
    parameter_tensors: int
    state_bytes: int
    input_shape: Shape
    output_shape: Shape
    input_bytes: int
    output_bytes: int
    saved_activation_bytes: int
    buffer_bytes: int = 0

    @property
    def forward_flops(self) -> int:
        """FLOPs of the forward pass."""
        return sum(layer.forward_flops for layer in self.layers)

    @property
    def backward_flops(self) -> int:
        """FLOPs of the backward pass."""
        return sum(layer.backward_flops for layer in self.layers)

    def optimizer_bytes(self, name: str, *, momentum: bool = False) -> int:
        """Bytes of optimizer state: "sgd" (one copy with momentum, else none), "adam", "adamw".

        Raises CostError for another optimizer.
        """
        copies = {"sgd": int(momentum), "adam": 2, "adamw": 2}
        if name not in copies:
            known = ", ".join(copies)
            raise CostError(f"no optimizer state is known for {name!r}, expected one of {known}")
        return FLOAT_BYTES * self.parameters * copies[name]
