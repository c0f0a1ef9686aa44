"""`training.closing` with `late: next`: rounds close early, and late updates count when they arrive.

As in test_closing_rounds: classic FL's weights arrive 9.972 s after a client has started, those of a
client with 100 bytes/s up after 35.964 s; the server folds an update in 0.026 s.
"""

from dataclasses import asdict
from itertools import pairwise
from math import inf

import pytest
from small_scenarios import MIXED, scenario
from test_closing_rounds import ALONE_S, AVERAGING_S, SLOW, SLOW_S, OnlineUntil
from tiny_runs import only
from tiny_worlds import Device, make_method

from cutlayer import run
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.endpoints.world import Closing
from cutlayer.sim.methods.carry_over import CarryOver
from cutlayer.sim.methods.split_method import SplitMethod
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import TRAINED
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.stop_condition import StopCondition
from cutlayer.sim.run.windows import make_engine

METHODS = ["classic_fl", "fedprox", "splitfed", "pipar", "local_loss", "fedgkt", "ecofed"]


def carried(devices, rounds, *, deadline_s=None, first=None, least=0, presences=None, **world):
    """Return the result of classic FL with late updates carried over."""
    playing = make_method("classic_fl", devices, presences=presences or {}, **world)
    assert isinstance(playing, SplitMethod)
    result = MethodResult("classic_fl", "classic_fl", 0, ())
    closing = Closing(deadline_s, first, least, "next")
    engine = make_engine(CarryOver(playing, closing), result, keep_all=True)
    engine.run(StopCondition(rounds), RoundProgress())
    engine.finish()
    return result


def test_a_late_update_closes_the_round_in_which_it_arrives():
    """Three rounds of the fast client take 9.998 s each; the slow client is the first of the fourth."""
    result = carried([Device(), SLOW], 5, first=1)
    fast = ALONE_S + AVERAGING_S
    fourth = SLOW_S + AVERAGING_S
    ends = [fast, 2 * fast, 3 * fast, fourth, 3 * fast + ALONE_S + AVERAGING_S]
    assert [r.virtual_time_s for r in result.rounds] == pytest.approx(ends)
    assert [r.straggler for r in result.rounds] == ["c0", "c0", "c0", "c1", "c0"]
    assert [(u.client, u.read_version, u.version, u.staleness) for u in result.updates] == [
        ("c0", 0, 1, 0),
        ("c0", 1, 2, 0),
        ("c0", 2, 3, 0),
        ("c1", 0, 4, 3),
        ("c0", 3, 5, 1),
    ]
    assert all(r.wasted_bytes == r.clients_dropped == 0 for r in result.rounds)
    for closed in result.rounds:
        assert sum(closed.critical_path_s.values()) == pytest.approx(closed.round_time_s)


def test_a_deadline_closes_a_round_and_the_late_client_counts_in_the_next():
    """The third round begins at 24.052 s and closes at 35.964 s, when all updates have arrived."""
    result = carried([Device(), SLOW], 3, deadline_s=12.0)
    waits_s = 12.0 - ALONE_S
    ends = [12.0 + AVERAGING_S, 24.0 + 2 * AVERAGING_S, SLOW_S + 2 * AVERAGING_S]
    for closed, end, waited_s in zip(result.rounds, ends, (waits_s, waits_s, 0), strict=True):
        assert closed.virtual_time_s == pytest.approx(end)
        assert closed.critical_path_s["offline"] == pytest.approx(waited_s)
        assert sum(closed.critical_path_s.values()) == pytest.approx(closed.round_time_s)
    assert [(u.client, u.window, u.staleness) for u in result.updates] == [
        ("c0", 0, 0),
        ("c0", 1, 0),
        ("c1", 2, 2),
        ("c0", 2, 0),
    ]
    assert [u.weight for u in result.updates] == [1, 1, 0.5, 0.5]


def test_a_deadline_at_which_nobody_has_arrived_begins_another_round():
    """The second client comes online within 12 s, and begins in the second round."""
    presences = {1: Presence(OnlineUntil(0.0, 10.0), "drop")}
    (closed,) = carried([SLOW, Device()], 1, deadline_s=12.0, presences=presences).rounds
    assert closed.virtual_time_s == pytest.approx(24.0 + AVERAGING_S)
    assert closed.straggler == "c1"
    assert closed.critical_path_s["offline"] == pytest.approx(12.0 + 12.0 - ALONE_S)
    assert sum(closed.critical_path_s.values()) == pytest.approx(closed.round_time_s)


def test_a_deadline_waits_for_the_fewest_participants():
    (closed,) = carried([Device(), SLOW], 1, deadline_s=12.0, least=2).rounds
    assert closed.virtual_time_s == pytest.approx(SLOW_S + 2 * AVERAGING_S)


def test_late_clients_are_in_no_other_round():
    """Two of four clients are sampled among those that are not late."""
    devices = [Device(up=up) for up in (1000, 1000, 100, 70)]
    result = carried(devices, 12, first=1, clients_per_round=2)
    spans = {}
    for update in result.updates:
        assert update.folded_s is not None
        spans.setdefault(update.client, []).append((update.dispatched_s, update.folded_s))
    assert len(spans) >= 3
    for own in spans.values():
        assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(own)))


def test_a_late_client_that_drops_out_is_lost_and_waited_for_by_nobody():
    presences = {1: Presence(OnlineUntil(20.0), "drop")}
    result = carried([Device(), SLOW], 4, first=1, presences=presences)
    assert not result.stalled
    assert [(u.client, u.dropped) for u in result.updates].count(("c1", 1)) == 1
    assert sum(r.clients_dropped for r in result.rounds) == 1
    assert {u.client for u in result.updates if not u.dropped} == {"c0"}


def test_a_client_has_one_timer_until_its_presence_changes():
    presences = {0: Presence(OnlineUntil(1e6, 2e6), "drop")}
    playing = make_method("classic_fl", [Device(), SLOW], presences=presences)
    assert isinstance(playing, SplitMethod)
    method = CarryOver(playing, Closing(None, 1, 0, "next"))
    clock, waiting = playing.world.clock, []
    engine = make_engine(method, MethodResult("classic_fl", "classic_fl", 0, ()))
    engine.run(StopCondition(30), RoundProgress(lambda _: waiting.append(len(clock._queue))))
    assert max(waiting) <= 8


def test_a_round_begins_when_a_client_comes_online():
    presences = {0: Presence(OnlineUntil(15.0, 30.0), "drop")}
    result = carried([Device()], 2, first=1, presences=presences)
    ends = [ALONE_S + AVERAGING_S, 30.0 + ALONE_S + AVERAGING_S]
    assert [r.virtual_time_s for r in result.rounds] == pytest.approx(ends, abs=1e-6)
    presences = {0: Presence(OnlineUntil(15.0, inf), "drop")}
    assert carried([Device()], 2, first=1, presences=presences).stalled


@pytest.mark.parametrize("method", METHODS)
def test_a_deadline_that_nobody_misses_is_none(method):
    """Bit for bit what is learned; times only as far as sums of times since the run began can be."""
    entries = f"methods=[{{{method}: {{init: random}}}}]"
    overrides = (entries, "training.rounds=3")
    plain = only(*overrides)
    late = only(*overrides, "training.closing={deadline: 1 h, late: next}")
    assert late.weights_digest == plain.weights_digest is not None
    assert late.learning_digest == plain.learning_digest
    assert [r.accuracy for r in late.rounds] == [r.accuracy for r in plain.rounds]
    assert late.virtual_time_s == pytest.approx(plain.virtual_time_s)
    assert late.wire_bytes == plain.wire_bytes


@pytest.mark.parametrize("method", METHODS)
def test_training_does_not_change_the_times(tmp_path, method):
    overrides = (
        f"methods=[{{{method}: {{init: random}}}}]",
        "data.test_fraction=0.2",
        "training.rounds=4",
        "training.closing={first: 2, late: next}",
    )
    loaded = scenario(tmp_path, MIXED, *overrides)
    (timed,), (trained,) = run(loaded, executor="none"), run(loaded)
    (one,), (other,) = timed.methods.values(), trained.methods.values()
    assert one.event_digest == other.event_digest
    assert one.learning_digest == other.learning_digest
    without = dict.fromkeys(TRAINED)
    assert [asdict(a) | without for a in other.rounds] == [asdict(a) for a in one.rounds]
    assert any(update.staleness for update in one.updates)


def test_what_is_learned_depends_on_who_is_late():
    late = "training.closing={first: 2, late: next}"
    pair = [
        only(
            "methods=[classic_fl]",
            "training.rounds=3",
            late,
            f"topology.star.clients.0.link={link}",
        )
        for link in ("4g", "fedcomm-3g-5")
    ]
    dropped = only("methods=[classic_fl]", "training.rounds=3", "training.closing={first: 2}")
    assert pair[0].weights_digest != dropped.weights_digest


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (("methods=[split_learning]",), "training.closing"),
        (("methods=[fedasync]",), "has no rounds"),
        (("methods=[classic_fl]", "control=best"), "next cannot be controlled"),
        (("methods=[splitfed_v2]",), "late: must be drop: splitfed_v2 trains one server block"),
    ],
)
def test_what_cannot_be_carried_over_is_refused(tmp_path, overrides, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        run(
            scenario(tmp_path, MIXED, "training.closing={first: 2, late: next}", *overrides),
            executor="none",
        )


def test_an_update_is_complete_when_its_client_has_the_aligned_head():
    """The head comes down after the weights have arrived: the fold follows the device."""
    result = only(
        "methods=[{local_loss: {auxiliary: aligned}}]",
        "model.cut=2",
        "training.closing={first: 1, late: next}",
        executor="none",
    )
    assert len(result.rounds) == 2
    for closed in result.rounds:
        assert sum(closed.critical_path_s.values()) == pytest.approx(closed.round_time_s)
