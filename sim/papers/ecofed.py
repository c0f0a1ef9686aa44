"""EcoFed's headline ratios: bytes from first principles, time as a function of link and server.

arXiv 2304.05495 v1 to v3 (IEEE TPDS 35(3):377-390, 2024); settings of github.com/blessonvar/EcoFed,
bb1c516. The paper's links and server are unknown.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from cutlayer.sim.papers.ecofed_map import HEADLINES, PRESETS, SERVER, Link, Point, nearest
from cutlayer.sim.papers.worlds import MBIT, bytes_per_client_round, played
from cutlayer.sim.results.method import MethodResult
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
ITERATIONS: Final = 50  # of a client in a round
CLASSIC_COMPUTE_S: Final = (
    150,
    200,
)  # assumed for classic FL's round, of the check with PiPar's links
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
        f" {len(points)} settings of (device, link, server), equal for all methods, among them PiPar's"
        " links. The nearest settings are shown; their ratios are fitted, not predicted. The paper's"
        " ratios are maxima ('up to') and may belong to different settings. It reports additive times.",
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
    remarks.append(_consistency(found))
    title = "EcoFed's headlines: bytes and time of VGG11 against classic FL and SplitFed"
    return Table("ecofed", title, tuple(lines), (), tuple(remarks))


def _consistency(found: Mapping[str, MethodResult]) -> str:
    """Return how much computing the headlines of v3 leave on the group's own links."""
    own = {name: _needed_ms(found, name) for name in ("ecofed", "splitfed")}
    device, server = (
        {n: _ms(found[n], f"{end}_compute") for n in own} for end in ("device", "server")
    )
    links = " and ".join(f"{up:g}/{down:g}" for up, down in PRESETS.values())
    lowest, highest = CLASSIC_COMPUTE_S
    (least, most), (least_split, most_split) = own.values()
    return (
        f"Consistency: on the links of PiPar, a paper of the same group ({links} Mbit/s up/down for"
        f" each device by itself), the headlines of v3 leave {least:.0f} to {most:.0f} ms of computing"
        f" for an iteration of EcoFed and {least_split:.0f} to {most_split:.0f} ms for one of SplitFed,"
        f" if classic FL computes {lowest} to {highest} s a round. Here the device takes"
        f" {device['ecofed']:.0f} and {device['splitfed']:.0f} ms of it, and a server like {SERVER}"
        f" {server['ecofed']:.0f} ms for each client. The rest is plausible with a slow CPU server that"
        " five clients share at once. This is a check, not a reproduction."
    )


def _needed_ms(found: Mapping[str, MethodResult], label: str) -> tuple[float, float]:
    """Return the least and the most computing for an iteration that agrees with v3's headlines, ms."""
    classic_x, split_x = HEADLINES["v3"]
    times = []
    for link in PRESETS.values():
        for computing in CLASSIC_COMPUTE_S:
            classic = computing + _transfer_s(found["classic_fl"], link)
            ecofed = classic / classic_x
            own = ecofed if label == "ecofed" else ecofed * split_x
            times.append(1e3 * (own - _transfer_s(found[label], link)) / ITERATIONS)
    return min(times), max(times)


def _transfer_s(result: MethodResult, link: Link) -> float:
    """Return the seconds that a client's messages of a mean round take on a link of its own."""
    clients = sum(closed.clients for closed in result.rounds)
    sent = (sum(r.wire_up for r in result.rounds), sum(r.wire_down for r in result.rounds))
    return sum(8 * size / clients / (rate * MBIT) for size, rate in zip(sent, link, strict=True))


def _ms(result: MethodResult, term: str) -> float:
    """Return a term of the additive time for an iteration of a mean round, ms."""
    return 1e3 * fmean(closed.additive_s[term] for closed in result.rounds) / ITERATIONS


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
