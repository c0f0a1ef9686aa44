"""Costs of a layer and of a block of layers, as plain figures that need no torch."""

from dataclasses import dataclass
from typing import Final, Literal

Shape = tuple[int, ...]
Unpriced = Literal["error", "bytes"]  # what becomes of an operation without a cost rule
FLOAT_BYTES: Final = 4  # of a float32 value


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Cost of one kernel: FLOPs and activation bytes per sample, and the bytes of its weights.

    `op_class` is conv_input (a convolution of at most 4 input channels), pointwise (1x1), conv,
    depthwise, linear, norm, pool or elementwise.
    `backward_flops` cover the gradient of the weights, and that of the input if it needs one.
    `parameters` and `parameter_tensors` count each parameter that is trained in the first layer that
    uses it.
    `column_bytes`, per sample, is the size of a convolution's input unfolded for a matrix product
    (im2col): 4 bytes x inputs x kernel area x output positions; 0 for 1x1 and depthwise ones.
    `table_bytes`, per batch, is the gradient of the table that a layer looks rows up in: a tensor of the
    table's size, filled with zeros before the rows of the batch are added.
    """

    name: str
    op_class: str
    forward_flops: int
    backward_flops: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    parameters: int
    parameter_tensors: int = 0
    column_bytes: int = 0
    table_bytes: int = 0


@dataclass(frozen=True)
class BlockCost:
    """Cost of a block of layers; FLOPs, activation bytes and shapes are per sample.

    `saved_activation_bytes` stay in memory from the forward to the backward pass: the tensors computed
    in the block that autograd saves, and the block's output. A part of the model therefore holds
    (its input + the sum over its blocks) x batch size, in addition to weights, gradients and optimizer
    state. A block that no gradient reaches saves nothing, but its output if the next block is trained.
    `parameter_tensors` and `state_bytes` cover the whole state dict; `buffer_bytes` only its
    tensors that are not parameters, such as BatchNorm's running statistics. `unpriced` are the
    operations without a rule that are priced by the bytes that they move.

    Of the tensors that are not trained, `frozen_parameters` counts the values of parameters,
    `frozen_tensors` the entries of the state dict. `frozen_bytes` is their size in the type in which
    they are kept, which `state_bytes` uses as well, and `frozen_buffer_bytes` the part of
    `buffer_bytes`.
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
    unpriced: tuple[str, ...] = ()
    frozen_parameters: int = 0
    frozen_tensors: int = 0
    frozen_bytes: int = 0
    frozen_buffer_bytes: int = 0

    @property
    def trained_parameters(self) -> int:
        """Return the number of values in parameters that are trained."""
        return self.parameters - self.frozen_parameters

    @property
    def trained_tensors(self) -> int:
        """Return the number of entries of the state dict that are trained, buffers included."""
        return self.parameter_tensors - self.frozen_tensors

    @property
    def trained_bytes(self) -> int:
        """Return the bytes of these entries."""
        return self.state_bytes - self.frozen_bytes

    @property
    def trained_buffer_bytes(self) -> int:
        """Return the bytes of the buffers among them."""
        return self.buffer_bytes - self.frozen_buffer_bytes

    @property
    def forward_flops(self) -> int:
        """Return the FLOPs of the forward pass."""
        return sum(layer.forward_flops for layer in self.layers)

    @property
    def backward_flops(self) -> int:
        """Return the FLOPs of the backward pass."""
        return sum(layer.backward_flops for layer in self.layers)
