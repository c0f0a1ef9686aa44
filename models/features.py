"""The features of a layer that the time of a pass over it depends on.

`cutlayer.topologies.layer_time` has the form that turns them into seconds on a device.
"""

from typing import Final, Literal, NamedTuple, get_args

from cutlayer.models.block_cost import LayerCost

Pass = Literal["forward", "backward"]

PASSES: Final[tuple[Pass, ...]] = get_args(Pass)
CONVOLUTIONS: Final = ("conv_input", "conv", "pointwise")
PRODUCTS: Final = (*CONVOLUTIONS, "linear")  # what a library computes as products of matrices
OTHERS: Final = ("depthwise", "norm", "elementwise", "pool")
OP_CLASSES: Final = (*PRODUCTS, *OTHERS)


class Features(NamedTuple):
    """The work of one pass over a layer: FLOPs and bytes per sample, but `weight_bytes` per pass.

    `streamed_bytes` are the weights of a convolution: a library that unfolds and multiplies sample by
    sample reads them again for each. `column_bytes` is its unfolded input (im2col). Backward touches
    activations twice (values and gradients); weights and columns once for the gradient of the weights
    and once for that of the input, where it is needed. It writes the whole gradient of a table.
    """

    op_class: str
    pass_: Pass
    flops: int
    activation_bytes: int
    weight_bytes: int
    streamed_bytes: int
    column_bytes: int


def features(layer: LayerCost, pass_: Pass) -> Features | None:
    """Return the features of a pass over a layer; None if it computes nothing."""
    flops = layer.forward_flops if pass_ == "forward" else layer.backward_flops
    if flops == 0:
        return None
    values = layer.input_bytes + layer.output_bytes
    passes = 1 if pass_ == "forward" else 2
    gradients = passes
    if layer.op_class in PRODUCTS and pass_ == "backward":
        gradients = flops // layer.forward_flops
    weights = gradients * layer.weight_bytes
    if pass_ == "backward":
        weights += layer.table_bytes
    return Features(
        op_class=layer.op_class,
        pass_=pass_,
        flops=flops,
        activation_bytes=passes * values,
        weight_bytes=weights,
        streamed_bytes=weights if layer.op_class in CONVOLUTIONS else 0,
        column_bytes=gradients * layer.column_bytes,
    )
