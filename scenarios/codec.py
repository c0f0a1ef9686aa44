"""The `codec` section: how activations, gradients and weights are encoded for their messages."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from cutlayer.scenarios.fields import BelowOne, Count, NotNegative, Section, Share, Switch, rule
from cutlayer.scenarios.unions import OneOf

Bits = Annotated[int, Field(strict=True, ge=2, le=16)]
HalfOrSingle = Literal[16, 32]
Unit = Literal["sample", "row"]


class Identity(Section):
    """Values are sent as they are, in 32 bits; nothing changes."""


class Fp16(Section):
    """Values are rounded to IEEE half precision; larger ones become the largest, 65504."""


class Bf16(Section):
    """Values are rounded to bfloat16."""


class Int(Section):
    """Values are rounded to integers of `bits` bits, with one scale for a tensor or for each channel."""

    bits: Bits = 8
    per: Literal["tensor", "channel"] = "tensor"


class TopK(Section):
    """A `share` of the values, the largest, is sent with its places, in `bits` bits each.

    They are chosen in each sample, or in each row of a sample: its last dimension. With `feedback`, the
    sender adds to a sample's values what it left out the last time.
    """

    share: Share
    per: Unit = "sample"
    bits: HalfOrSingle = 16
    feedback: Switch = False


class RandTopK(Section):
    """As `top_k`, but each of the values is one of the others with probability `alpha`."""

    share: Share
    alpha: BelowOne = 0.1
    per: Unit = "sample"
    bits: HalfOrSingle = 16


class Kept(Section):
    """Only the values at the places that the upload kept, in `bits` bits; for gradients."""

    bits: HalfOrSingle = 16


class AqSgd(Section):
    """The change of each sample's values since they were last sent, in `bits` bits."""

    bits: Bits = 4


class LowRank(Section):
    """Two factors of `rank` columns, in `bits` bits, of each sample's values or of their change.

    The change is that since the last time, with `residual`. The factors take `steps` power iterations.
    """

    rank: Count
    bits: Bits = 8
    residual: Switch = True
    steps: Annotated[int, Field(strict=True, ge=1, le=100)] = 2


class ProductQuantisation(Section):
    """Each sample is cut into `subvectors`, and each of these replaced by the nearest centroid.

    Each of `groups` of subvectors has `centroids`, which k-means finds in every batch in `iterations`.
    `correction` weighs the quantisation error in the gradient.
    """

    subvectors: Count
    groups: Count = 1
    centroids: Annotated[int, Field(strict=True, ge=2, le=65536)]
    iterations: Annotated[int, Field(strict=True, ge=1, le=1000)] = 5
    correction: NotNegative = 0.0

    @model_validator(mode="after")
    def _even(self) -> "ProductQuantisation":
        if self.subvectors % self.groups:
            raise rule(f"needs groups that divide its subvectors ({self.subvectors})")
        return self


class SplitCom(Section):
    """A `share` of a batch's samples is sent: those that moved most since they were last sent."""

    share: Share


_ANY: Final[dict[str, type[Section]]] = {
    "identity": Identity,
    "fp16": Fp16,
    "bf16": Bf16,
    "int": Int,
    "top_k": TopK,
    "rand_top_k": RandTopK,
    "aq_sgd": AqSgd,
    "low_rank": LowRank,
    "product_quantisation": ProductQuantisation,
    "splitcom": SplitCom,
}
UP: Final = _ANY
DOWN: Final[dict[str, type[Section]]] = {
    name: section
    for name, section in (_ANY | {"kept": Kept}).items()
    if name not in ("product_quantisation", "splitcom")
}


OF_WEIGHTS: Final[dict[str, type[Section]]] = {
    "identity": Identity,
    "fp16": Fp16,
    "bf16": Bf16,
    "int": Int,
}
_OfWeights = Annotated[Identity | Fp16 | Bf16 | Int, OneOf(**OF_WEIGHTS)]


class Codec(Section):
    """The codecs of activations (`up`), gradients (`down`), and weights in both directions."""

    up: Annotated[
        Identity
        | Fp16
        | Bf16
        | Int
        | TopK
        | RandTopK
        | AqSgd
        | LowRank
        | ProductQuantisation
        | SplitCom,
        OneOf(**UP),
    ] = Identity()
    down: Annotated[
        Identity | Fp16 | Bf16 | Int | TopK | RandTopK | AqSgd | LowRank | Kept,
        OneOf(**DOWN),
    ] = Identity()
    weights_up: _OfWeights = Identity()
    weights_down: _OfWeights = Identity()

    @field_validator("weights_up", "weights_down")
    @classmethod
    def _whole(cls, codec: Section) -> Section:
        if isinstance(codec, Int) and codec.per == "channel":
            raise rule("must be per: tensor: each tensor of weights has one scale")
        return codec

    @model_validator(mode="after")
    def _keeps(self) -> Any:
        if isinstance(self.down, Kept) and not isinstance(self.up, TopK | RandTopK | SplitCom):
            raise rule(
                "down: kept needs an up codec that keeps places: top_k, rand_top_k, splitcom"
            )
        return self
