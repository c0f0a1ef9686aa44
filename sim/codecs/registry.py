"""The codecs by their section of a scenario and by name."""

from collections.abc import Mapping
from typing import Any, Final

from cutlayer.scenarios import codec as sections
from cutlayer.scenarios.fields import Section
from cutlayer.sim.codecs.codec import Codec
from cutlayer.sim.codecs.integers import Int
from cutlayer.sim.codecs.plain import Bf16, Fp16, Identity
from cutlayer.sim.codecs.product_quantisation import ProductQuantisation
from cutlayer.sim.codecs.residuals import AqSgd, LowRank
from cutlayer.sim.codecs.sparse import Kept, RandTopK, TopK
from cutlayer.sim.codecs.splitcom import SplitCom

BY_SECTION: Final[Mapping[type[Section], type[Codec]]] = {
    sections.Identity: Identity,
    sections.Fp16: Fp16,
    sections.Bf16: Bf16,
    sections.Int: Int,
    sections.TopK: TopK,
    sections.RandTopK: RandTopK,
    sections.Kept: Kept,
    sections.AqSgd: AqSgd,
    sections.LowRank: LowRank,
    sections.ProductQuantisation: ProductQuantisation,
    sections.SplitCom: SplitCom,
}
CODECS: Final = {codec.name: codec for codec in BY_SECTION.values()}


def codec_of(section: Any, up: Codec | None = None) -> Codec:
    """Return the codec of a section; `kept` depends on that of the uploads."""
    kind = BY_SECTION[type(section)]
    if issubclass(kind, Kept):
        assert up is not None, "kept needs an up codec"
        return kind(section, up)
    return kind(section)
