"""The bytes of SplitLite, Table I: codecs at the cut of four language models, in % of half precision.

Fine-tuning with six clients, 128 tokens a sample, cut after the third layer. The bytes follow from the
shape of an activation alone, so nothing is simulated but the codecs' messages. From the second epoch
on: the first sends the values of AQ-SGD's and SplitLite's caches in full.
"""

from typing import Any, Final

from cutlayer.scenarios.codec import Codec as Section
from cutlayer.sim.codecs.codecs import Codecs
from cutlayer.sim.validate.table import Line, Table

SOURCE: Final = "SplitLite, Table I"
TOKENS: Final = 128
BATCH: Final = 6
HALF: Final = {"up": "fp16", "down": "fp16"}
DIGITS: Final = 1  # printed behind the point
CODECS: Final[dict[str, dict[str, Any]]] = {
    "SplitLite": {
        "up": {"low_rank": {"rank": 32, "bits": 4}},
        "down": {"low_rank": {"rank": 64, "bits": 8}},
    },
    "AQ-SGD, 4/8 bit": {"up": {"aq_sgd": {"bits": 4}}, "down": {"int": {"bits": 8}}},
    "Rand-Top-k, 0.3": {
        "up": {"rand_top_k": {"share": 0.3, "per": "row"}},
        "down": {"kept": {"bits": 16}},
    },
}
# By hidden size: uplink and total of each codec, in %.
PUBLISHED: Final = {
    "Qwen-2.5-1.5B": (1536, ((6.8, 16.9), (25, 37.5), (50.5, 40.2))),
    "Qwen-2.5-3B": (2048, ((6.6, 16.6), (25, 37.5), (50.6, 40.3))),
    "Gemma-3-1B": (1152, ((6.9, 17.4), (25, 37.5), (50.5, 40.2))),
    "Llama-3.2-3B": (3072, ((6.5, 16.3), (25, 37.5), (52.5, 41.2))),
}


def table() -> Table:
    """Return the 24 shares, published and from the codecs' messages."""
    lines = []
    for model, (hidden, shares) in PUBLISHED.items():
        half = _bytes(HALF, hidden)
        for (name, section), published in zip(CODECS.items(), shares, strict=True):
            up, down = _bytes(section, hidden)
            found = 100 * up / half[0], 100 * (up + down) / sum(half)
            for what, printed, simulated in zip(("uplink", "total"), published, found, strict=True):
                lines.append(
                    Line(
                        f"{model}, {name}, {what}",
                        "%",
                        printed,
                        "predicted",
                        round(simulated, DIGITS),
                        SOURCE,
                        within=0.0,
                    )
                )
    return Table(
        "splitlite",
        "SplitLite: bytes of codecs at the cut of four language models, in % of half precision",
        tuple(lines),
        (),
        (
            "Tensors without framing, from the second epoch on, rounded to the published digit."
            " Nothing is fitted.",
            "The published hours are not reproduced: no rate of a link is published with them.",
        ),
    )


def _bytes(section: dict[str, Any], hidden: int) -> tuple[int, int]:
    """Return the bytes of a batch's activation and of its gradient."""
    codecs, shape = Codecs(Section.model_validate(section)), (TOKENS, hidden)
    up, down = (codecs.coding(way, shape, BATCH, False).fields for way in ("up", "down"))
    return sum(field.bytes for field in up), sum(field.bytes for field in down)
