"""Every codec with settings, by a text that says them, for tests of all of them."""

from typing import Any, Final

from cutlayer.scenarios.codec import Codec as Section
from cutlayer.sim.codecs.codec import Codec
from cutlayer.sim.codecs.registry import codec_of

UPS: Final[dict[str, Any]] = {
    "identity": "identity",
    "fp16": "fp16",
    "bf16": "bf16",
    "int": {"int": {"bits": 8}},
    "int of 5 bits": {"int": {"bits": 5}},
    "int per channel": {"int": {"bits": 6, "per": "channel"}},
    "top_k": {"top_k": {"share": 0.29}},
    "top_k in 32 bits": {"top_k": {"share": 0.1, "bits": 32}},
    "top_k of rows": {"top_k": {"share": 0.5, "per": "row"}},
    "top_k with feedback": {"top_k": {"share": 0.1, "feedback": True}},
    "rand_top_k": {"rand_top_k": {"share": 0.3, "alpha": 0.2}},
    "rand_top_k of rows": {"rand_top_k": {"share": 0.5, "per": "row", "bits": 32}},
    "aq_sgd": {"aq_sgd": {"bits": 4}},
    "low_rank": {"low_rank": {"rank": 2, "bits": 8}},
    "low_rank of values": {"low_rank": {"rank": 3, "bits": 4, "residual": False, "steps": 3}},
    "product_quantisation": {
        "product_quantisation": {"subvectors": 4, "groups": 2, "centroids": 5}
    },
    "splitcom": {"splitcom": {"share": 0.4}},
}


def up(written: Any) -> Codec:
    """The codec of uploads of a case, or as written in a scenario."""
    written = UPS.get(written, written) if isinstance(written, str) else written
    return codec_of(Section.model_validate({"up": written}).up)


def down(written: Any, up: Any = "identity") -> Codec:
    """A codec of gradients, beside one of uploads."""
    section = Section.model_validate({"up": up, "down": written})
    return codec_of(section.down, codec_of(section.up))
