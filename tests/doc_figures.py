"""Compute the figures of the tables in the documentation that are marked `checked: NAME`.

Each function returns the rows of its table, cell by cell: a number in SI units (bytes, seconds,
shares, ratios) is compared with the figure that the cell shows, a text with the whole cell, and None
is not compared (names, and what others published). Nothing is trained.
"""

import math
import re
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import NormalDist, fmean

import pytest

from cutlayer import load_scenario, run
from cutlayer.models.weights_files import load_weights, shipped
from cutlayer.scenarios.transport import Tcp
from cutlayer.sim.endpoints.payload import (
    ACTIVATION_FRAMING,
    CONTROL_BYTES,
    GRADIENT_FRAMING,
    QUANTISED_FRAMING,
    STATE_FRAMING,
    TENSOR_FRAMING,
)
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP, key_of
from cutlayer.sim.papers.output import markdown
from cutlayer.sim.papers.registry import reproduce
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.topologies.catalogue import link, link_names, stack, stack_names
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.spreads import SPREADS

Cell = float | str | None
Rows = list[list[Cell]]
CHECKS: dict[str, Callable[[], Rows]] = {}

HEADLINE = ("classic_fl", "splitfed", "local_loss", "fedgkt", "ecofed")
USUAL = ("classic_fl", "splitfed", "ecofed")


def checks(name: str) -> Callable[[Callable[[], Rows]], Callable[[], Rows]]:
    """Register a function that computes the tables marked with this name."""

    def register(figures: Callable[[], Rows]) -> Callable[[], Rows]:
        CHECKS[name] = figures
        return figures

    return register


@cache
def ran(scenario: str, *overrides: str) -> RunResult:
    """Run a scenario without training."""
    (result,) = run(load_scenario(scenario, overrides), executor="none")
    return result


def per_client(result: MethodResult) -> float:
    """Wire bytes per client and round."""
    return float(result.summary({})["wire_bytes"]["per_client_round"])


def mean_round(result: MethodResult) -> float:
    """The mean makespan."""
    return float(result.summary({})["round_time_s"]["mean"])


def additive(result: MethodResult) -> float:
    """The mean additive time of a round."""
    return float(result.summary({})["additive_round_time_s"])


def slow_round(result: MethodResult) -> float:
    """The 95th percentile of the makespan."""
    return float(result.summary({})["round_time_s"]["p95"])


def headline(*overrides: str) -> dict[str, MethodResult]:
    """Run two rounds of EcoFed's headline, which stand for 500: all clients are alike."""
    return ran("ecofed_headline", "training.rounds=2", *overrides).methods


@checks("quickstart")
def quickstart() -> Rows:
    """Return times and bytes; accuracies are dated."""
    return [
        [f"`{name}`", result.virtual_time_s, per_client(result), None, None]
        for name, result in ran("quickstart").methods.items()
    ]


@checks("framing")
def framing() -> Rows:
    """Return the framing of each message."""
    shown = (
        f"{STATE_FRAMING} + {TENSOR_FRAMING} T",
        str(ACTIVATION_FRAMING),
        str(QUANTISED_FRAMING),
        str(GRADIENT_FRAMING),
        "755 + 224",
        str(GRADIENT_FRAMING),
        str(CONTROL_BYTES),
        str(ACTIVATION_FRAMING),
    )
    return [[None, None, text] for text in shown]


@checks("stacks")
def stacks() -> Rows:
    """Return the figures of the catalogue's software stacks."""
    return [
        [
            f"`{one.name}`",
            f"{one.gemm_forward:g}, {one.gemm_backward:g}",
            one.other,
            one.loader_s_per_sample,
            one.loop_s_per_iteration,
            one.round_s,
            None,
        ]
        for one in map(stack, stack_names())
    ]


@checks("spreads")
def spreads() -> Rows:
    """The spread of each status, and the factor within which 90 % of the draws lie."""
    width = NormalDist().inv_cdf(0.95)
    return [
        [status, None, spread, f"a factor of {math.exp(width * spread):.3g}" if spread else None]
        for status, spread in SPREADS.items()
    ]


@checks("headline-bytes")
def headline_bytes() -> Rows:
    """Bytes per client and round."""
    found = headline()
    upload, replay = (
        float((closed.wire_up + closed.wire_down) / closed.clients)
        for closed in found["ecofed"].rounds
    )
    sums = [*(per_client(found[name]) for name in HEADLINE[:-1]), upload, replay]
    return [[None, None, value] for value in (*sums, per_client(found["ecofed"]))]


@checks("headline-categories")
def headline_categories() -> Rows:
    """Bytes per client and round by category."""
    found = headline()
    shown = [(found[name].rounds[0], way) for name in HEADLINE[:-1] for way in (UP, DOWN)]
    shown += [(closed, UP) for closed in found["ecofed"].rounds]
    names = [name for name in CATEGORIES if name != "images"]
    return [
        [None, None, *(closed.wire_by.get(key_of(way, name), 0) / closed.clients for name in names)]
        for closed, way in shown
    ]


@checks("headline-vgg11")
def headline_vgg11() -> Rows:
    """Return the simulated columns; the others are published or derived."""
    return [[None, None, None, None, *row] for row in _simulated(headline())]


@checks("headline-resnet9")
def headline_resnet9() -> Rows:
    """Return the same for another model."""
    return [[None, None, None, *row] for row in _simulated(headline("model.name=resnet9"))]


def _simulated(found: dict[str, MethodResult]) -> Rows:
    own = {name: per_client(found[name]) for name in HEADLINE}
    return [[value, value / 2**20, own["classic_fl"] / value] for value in own.values()]


@checks("earlier-versions")
def earlier_versions() -> Rows:
    """Return byte ratios with the options of earlier preprints."""
    rows: Rows = []
    for options in ("", "upload_when_unbuffered: true, ", "upload_when_unbuffered: true, "):
        more = "download_device_block: true" if len(rows) == 2 else ""
        found = _over_all_rounds(f"[{{ecofed: {{{options}{more}}}}}]")
        rows.append([None, found["classic_fl"], found["splitfed"]])
    return rows


def _over_all_rounds(ecofed: str) -> dict[str, float]:
    others = ran("ecofed_headline", "methods=[classic_fl, splitfed]").methods
    (eco,) = ran("ecofed_headline", f"methods={ecofed}").methods.values()
    return {name: per_client(others[name]) / per_client(eco) for name in others}


@checks("testbed-bytes")
def testbed_bytes() -> Rows:
    """MiB of a round, both clients and directions together."""
    found = ran("edpfl_pi4_wifi", "training.rounds=2").methods
    return [[None, None, found[name].wire_bytes / 2 / 2**20] for name in USUAL]


@checks("headline-times")
def headline_times() -> Rows:
    """Ratios to EcoFed in time and bytes."""
    found = headline()
    eco = found["ecofed"]
    times: Rows = [
        [None, None, mean_round(other) / mean_round(eco), additive(other) / additive(eco)]
        for other in (found["classic_fl"], found["splitfed"])
    ]
    bytes_: Rows = [
        [None, None, per_client(other) / per_client(eco), ""]
        for other in (found["classic_fl"], found["splitfed"])
    ]
    return times + bytes_


@checks("headline-slots")
def headline_slots() -> Rows:
    """Return the times of 500 rounds, computed from two."""
    several, one = headline(), headline("topology.star.server.slots=1")
    return [
        [None, 250 * several[name].virtual_time_s, 250 * one[name].virtual_time_s] for name in USUAL
    ]


@checks("commuters-lost")
def commuters_lost() -> Rows:
    """Mean round, clients dropped, bytes wasted."""
    found = ran("commuters").methods
    return [
        [
            None,
            mean_round(found[name]),
            float(sum(closed.clients_dropped for closed in found[name].rounds)),
            float(sum(closed.wasted_bytes for closed in found[name].rounds)),
        ]
        for name in USUAL
    ]


@checks("commuters-resume")
def commuters_resume() -> Rows:
    """Compare dropping clients with waiting for them."""
    lost, back = ran("commuters").methods, ran("commuters", RESUME).methods
    return [
        [None, mean_round(lost[name]), mean_round(back[name]), slow_round(back[name])]
        for name in USUAL
    ]


@checks("gas-fleet")
def gas_fleet() -> Rows:
    """Mean round or window; mean staleness, computing and slow phones' share of all updates."""
    slowest = tuple(f"phone-{number}" for number in ("06", "19", "03", "04", "13"))
    rows: Rows = []
    for result in ran("gas_fleet").methods.values():
        updates = result.updates
        if not updates:
            rows.append([None, mean_round(result), "", "", ""])
            continue
        lives = sum((row.uploaded_s or 0.0) - row.dispatched_s for row in updates)
        rows.append(
            [
                None,
                mean_round(result),
                fmean(row.staleness or 0 for row in updates),
                sum(row.computing_s for row in updates) / lives,
                sum(row.client.startswith(slowest) for row in updates) / len(updates),
            ]
        )
    return rows


@checks("published-clocks")
def published_clocks() -> Rows:
    """Mean round or window by each clock; the devices', links' and server's shares of additive time."""
    clocks = (
        *(("gas_cell", label) for label in ("gas", "gas as published")),
        *(("safsl_cell", label) for label in ("safsl", "safsl as published")),
        *(("c_sfl", label) for label in ("splitfed", "splitfed as published")),
    )
    rows: Rows = []
    for scenario, label in clocks:
        # All rounds of c_sfl are alike: nothing in it is drawn, and every client takes part.
        rounds = ("training.rounds=2",) if scenario == "c_sfl" else ()
        result = ran(scenario, *rounds).methods[label]
        terms: dict[str, float] = {}
        for closed in result.rounds:
            for term, seconds in closed.additive_s.items():
                terms[term] = terms.get(term, 0.0) + seconds
        total = sum(terms.values())
        device, server = terms["device_compute"] / total, terms["server_compute"] / total
        rows.append([None, None, mean_round(result), device, 1 - device - server, server])
    return rows


@checks("mixed-cuts")
def mixed_cuts() -> Rows:
    """Mean rounds with one cut for all, one for each type of device, and under controllers."""
    candidates = "{cuts: [1, 2, 3]}"
    settings = (
        *(("model.cut=1",), ("model.cut=2",), ("model.cut=3",), ()),
        *((f"control={{{name}: {candidates}}}", "model.cut=3") for name in ("best", "fedadapt")),
    )
    return [
        [None, None, *(mean_round(ran("mixed_cuts", *one).methods[name]) for name in MIXED)]
        for one in settings
    ]


MIXED = ("splitfed", "local_loss", "ecofed")

OLD = "old-phone-"
CLOSED_EARLY = (
    ("training.closing={deadline: 1.5 s}",),
    ("training.closing={first: 6}", "training.clients_per_round=8"),
)


def old_phones_share(scenario: str, *overrides: str) -> float:
    """The share of classic FL's finished updates that are of old phones."""
    loaded = load_scenario(scenario, ("methods=[classic_fl]", *overrides))
    (result,) = run(loaded, executor="none", log="events")
    by_old = every = 0
    for kept in result.methods["classic_fl"].kept:
        log = kept.record.intervals
        done = log.of(Phase.UPLINK) & (log.activity == Activity.WEIGHTS) & (log.dropped == 0)
        names = [kept.participants[member] for member in log.actor[done].tolist()]
        every += len(names)
        by_old += sum(name.startswith(OLD) for name in names)
    return by_old / every


@checks("async-phones")
def async_phones() -> Rows:
    """Time, updates dropped, staleness and old phones' share, of rounds and of windows."""
    shipped = ran("async_phones").methods
    classic = [shipped["classic_fl"]]
    classic += [
        ran("async_phones", "methods=[classic_fl]", *how).methods["classic_fl"]
        for how in CLOSED_EARLY
    ]
    rows: Rows = [
        [
            None,
            result.virtual_time_s,
            float(sum(closed.clients_dropped for closed in result.rounds)),
            "",
            old_phones_share("async_phones", *how),
        ]
        for result, how in zip(classic, ((), *CLOSED_EARLY), strict=True)
    ]
    rows += [
        [None, result.virtual_time_s, 0.0, *_of_updates(result)]
        for result in (shipped["fedasync"], shipped["fedbuff"])
    ]
    return rows


@checks("async-phones-in-flight")
def async_phones_in_flight() -> Rows:
    """Time, staleness, old phones' share and Jain's index, by the clients in flight."""
    rows: Rows = []
    for count in (6, 12, 20):
        method = f"methods=[{{fedasync: {{in_flight: {count}}}}}]"
        result = ran("async_phones", method).methods["fedasync"]
        jain = result.summary({})["updates"]["clients"]["jain"]
        rows.append([None, result.virtual_time_s, *_of_updates(result), float(jain)])
    return rows


def _of_updates(result: MethodResult) -> list[float]:
    """The mean staleness of the updates, and the share of those of old phones."""
    rows = result.updates
    return [
        fmean(row.staleness or 0 for row in rows),
        sum(row.client.startswith(OLD) for row in rows) / len(rows),
    ]


RESUME = "availability.0.on_disconnect=resume"
CONSTANT = (
    "topology.star.clients.0.link.up=9 Mbit/s",
    "topology.star.clients.0.link.down=36 Mbit/s",
)


@checks("lte-rounds")
def lte_rounds() -> Rows:
    """On the trace, and on constant links of the same means."""
    return _beside(ran("lte_trace_fleet"), ran("lte_trace_fleet", *CONSTANT))


@checks("wifi-rounds")
def wifi_rounds() -> Rows:
    """With one slow station, and with none."""
    alike = "topology.wifi_cell.clients.1.rate=72 Mbit/s"
    return _beside(ran("wifi_anomaly"), ran("wifi_anomaly", alike))


def _beside(first: RunResult, second: RunResult) -> Rows:
    rows: Rows = []
    for name in USUAL:
        one, other = mean_round(first.methods[name]), mean_round(second.methods[name])
        rows.append([None, one, other, one / other])
    return rows


@checks("two-tier-rounds")
def two_tier_rounds() -> Rows:
    """As shipped, with the sites' links doubled, with the devices' links doubled."""
    edge = "topology.two_tier.edge_nodes.0"
    sites = (f"{edge}.link.up=100 Mbit/s", f"{edge}.link.down=200 Mbit/s")
    devices = tuple(f"{edge}.clients.0.link.{direction}=100 Mbit/s" for direction in ("up", "down"))
    cases = [ran("two_tier_edge", *overrides).methods for overrides in ((), sites, devices)]
    return [[None, *(mean_round(case[name]) for case in cases)] for name in USUAL]


@checks("edge-hierarchy")
def edge_hierarchy() -> Rows:
    """Times, times and backhaul bytes per edge round, and the times with ten times faster links."""
    link = "topology.two_tier.edge_nodes.0.link"
    faster = ran("edge_hierarchy", f"{link}.up=100 Mbit/s", f"{link}.down=200 Mbit/s").methods
    rows: Rows = []
    for label, result in ran("edge_hierarchy").methods.items():
        turns = 4 if "k2=4" in label else 1
        sent = result.tiers()["backhaul_bytes_up"] / len(result.rounds)
        time = mean_round(result)
        rows.append([None, time, time / turns, sent / turns, mean_round(faster[label]) / turns])
    return rows


@checks("tcp-defaults")
def tcp_defaults() -> Rows:
    """The defaults of the switches, in the order of the table."""
    tcp = Tcp()
    defaults = (
        *("on" if tcp.headers else "off", f"`{tcp.handshake}`", f"on, {tcp.initial_window}"),
        *(f"{tcp.window / 2**20:g} MiB", "on" if tcp.idle_restart else "off"),
        *(f"`{tcp.loss_model}`", f"{tcp.rtt_bias:g}"),
    )
    return [[None, None, None, default] for default in defaults]


@checks("recipe")
def recipe() -> Rows:
    """Return the recipe in the metadata of the shipped weights."""
    found = load_weights(shipped("vgg5"))[1]
    milestones = " and ".join(re.findall(r"\d+", found["milestones"]))
    rows = (
        f"{found['network']}, {found['blocks']} of 5 blocks saved",
        None,
        f"{found['epochs']}, batch size {found['batch_size']}",
        f"SGD, lr {found['lr']}, momentum {found['momentum']} (Nesterov), "
        f"weight decay {found['weight_decay']}",
        f"a tenth after epochs {milestones}",
        None,
        found["seed"],
        f"{found['torch'].partition('+')[0]}, CPU, one thread",
    )
    return [[None, row] for row in rows]


@checks("links")
def links() -> Rows:
    """Return rates and delays of the catalogue; half-duplex rates are given in words."""
    names = [name for name in link_names() if not re.fullmatch(r"wifi-\d+-clients", name)]
    return [[None, _rates(link(name)), _delay(link(name)), None] for name in names]


def _rates(known: AccessLink) -> str | None:
    up, down = (8 * rate / 1e6 for rate in (known.up_bytes_per_s, known.down_bytes_per_s))
    return f"{up:g}, {down:g} Mbit/s" if known.duplex == "full" else None


def _delay(known: AccessLink) -> Cell:
    return "unknown" if known.delay_s is None else known.delay_s


@checks("two-networks")
def two_networks() -> Rows:
    """Fits to pairs of networks: how many, their errors on others, and the share inside intervals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "validation" / "devices")
        pairs = import_module("two_networks").two_networks()
        for name in ("two_networks", "fit_catalogue"):
            patch.delitem(sys.modules, name)
    groups = (
        [one for one in pairs if one.recommended],
        [one for one in pairs if one.kinds[0] == one.kinds[1]],
        [one for one in pairs if "mixed" in one.kinds],
    )
    return [
        [
            None,
            len(some),
            fmean(one.mean("step") for one in some),
            fmean(one.mean() for one in some),
            fmean(one.inside for one in some),
        ]
        for some in groups
    ]


def reproduced(name: str) -> Rows:
    """Return a table as `cutlayer reproduce` writes it."""
    text = markdown(reproduce(name, lambda *_: None).table)
    table = [row for row in text.splitlines() if row.startswith("| ")][2:]  # without the header
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table]


@checks("res-things")
def res_things() -> Rows:
    """Iterations of each device, whole and cut."""
    lines = {
        line.quantity: line.simulated for line in reproduce("ares", lambda *_: None).table.lines
    }
    cut = "cut after pooling, server laptop-8-core"
    return [
        [None, None, lines[f"VGG5 on {name}, whole"], None, lines[f"VGG5 on {name}, {cut}"]]
        for name in ("raspberry-pi-3b-plus", "jetson-nano")
    ]


for _name in ("ares", "edpfl", "mpsl", "bpfree", "splitlite", "benchmark-pi"):
    CHECKS[f"reproduce-{_name}"] = lambda name=_name: reproduced(name)  # type: ignore[misc]
