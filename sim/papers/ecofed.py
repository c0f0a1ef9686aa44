"""EcoFed's headline ratios: bytes from first principles, time as a function of link and server.

arXiv 2304.05495 v1 to v3 (IEEE TPDS 35(3):377-390, 2024); settings of github.com/blessonvar/EcoFed,
bb1c516. The paper's links and server are unknown.
"""

from collections.abc import Sequence
from typing import Final

from cutlayer.sim.papers.ecofed_map import HEADLINES, Point, nearest
from cutlayer.sim.papers.worlds import bytes_per_client_round, played
from cutlayer.sim.validate.table import Line, Table

SCENARIO: Final = "ecofed_headline"
PAPER: Final = "arXiv 2304.05495 {}"
CODE: Final = "github.com/blessonvar/EcoFed, bb1c516 (derived)"

# Of the shipped scenario: VGG11, batches of 10, 500 samples, period 2, 8 bits.
RATIOS: Final = (
    ("v3, bytes: classic FL / EcoFed", 132.9, "classic_fl", "ecofed"),
    ("v3, bytes: SplitFed / EcoFed", 16.13, "splitfed", "ecofed"),
    ("bytes: classic FL / SplitFed", 8.24, "classic_fl", "splitfed"),
)
DOWN, LATE = "download_device_block: true", "upload_when_unbuffered: true"
EARLIER: Final = (
    ("v2", f"{{ecofed: {{{DOWN}, {LATE}}}, label: v2}}"),
    ("v1", f"{{ecofed: {{{LATE}}}, label: v1}}"),
)
EARLIER_RATIOS: Final = (
    ("v2, bytes: classic FL / EcoFed", 114.0, "classic_fl", "v2"),
    ("v2, bytes: SplitFed / EcoFed", 13.78, "splitfed", "v2"),
    ("v1, bytes: SplitFed / EcoFed", 15.77, "splitfed", "v1"),
)


def table(points: Sequence[Point]) -> Table:
    """Return the byte ratios, and the time ratios at the settings nearest to the headlines."""
    methods = ", ".join(method for _, method in EARLIER)
    found = played(SCENARIO, overrides=["training.rounds=2"])
    found |= played(SCENARIO, overrides=[f"methods=[{methods}]"])
    sizes = {label: bytes_per_client_round(result) for label, result in found.items()}
    lines = [
        Line(name, "x", published, "predicted", sizes[more] / sizes[fewer], CODE, within=0.005)
        for name, published, more, fewer in RATIOS
    ]
    for name, published, more, fewer in EARLIER_RATIOS:
        ratio, paper = sizes[more] / sizes[fewer], PAPER.format(name[:2])
        note = "the block sent down, late first uploads" if fewer == "v2" else "late first uploads"
        lines.append(Line(name, "x", published, "inferred", ratio, paper, note, within=0.015))
    remarks = [
        "Bytes: nothing is fitted. Framing constants are those of the public code's messages.",
        "Times: the paper's links and server are unknown, so its ratios are searched for on a map of"
        f" {len(points)} settings of (device, link, server), equal for all methods. The nearest settings"
        " are shown; their ratios are fitted, not predicted. The paper's ratios are maxima ('up to') and"
        " may belong to different settings; it reports the additive time.",
    ]
    for version, (classic, split) in HEADLINES.items():
        for measure in ("makespan", "additive"):
            point = nearest(points, classic, split, measure)
            note, paper = f"{measure}; nearest setting: {point}", PAPER.format(version)
            others, pair = ("classic FL", "SplitFed"), (classic, split)
            for other, published, ratio in zip(others, pair, point.ratios(measure), strict=True):
                name = f"{version}, time: {other} / EcoFed ({measure})"
                lines.append(Line(name, "x", published, "fitted", ratio, paper, note, within=0.10))
            remarks.append(_verdict(version, measure, points))
    title = "EcoFed's headlines: bytes and time of VGG11 against classic FL and SplitFed"
    return Table("ecofed", title, tuple(lines), (), tuple(remarks))


def _verdict(version: str, measure: str, points: Sequence[Point]) -> str:
    classic, split = HEADLINES[version]
    both = [point for point in points if point.meets(classic, split, measure, 0.10)]
    if both:
        where = "; ".join(str(point) for point in both)
        return f"{version}, {measure}: both time headlines hold within 10 % at: {where}."
    best = nearest(points, classic, split, measure)
    first, second = best.ratios(measure)
    return (
        f"{version}, {measure}: no setting of the map meets both time headlines within 10 %. Nearest:"
        f" {first:.1f} and {second:.2f} for {classic} and {split}, at {best}."
    )
