"""`training.closing`: deadlines, over-selection and minimum participants, worked out by hand.

As in tiny_worlds: up 1,000 bytes/s, down 2,000 bytes/s, 0.5 s of delay. In classic FL 2,888 bytes
come down by 1.444 and arrive at 1.944; two batches are trained until 4.864 and 6.584; the weights go
up until 9.472 and arrive at 9.972. With 100 bytes/s up they go up until 35.464 and arrive at 35.964.
"""

from dataclasses import asdict
from math import inf

import pytest
from small_scenarios import MIXED, scenario
from tiny_worlds import DEVICE, DOWN, SERVE, UP, Device, Pen, assert_chart, make_method, played
from tiny_worlds import rows_of as rows

from cutlayer import run
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.memory import server_memory
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.endpoints.world import Closing
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.methods.registry import options_of

WEIGHTS = 2888
TRAINED_S = 6.584
ALONE_S, SLOW_S = 9.972, 35.964  # when a client's weights have arrived
AVERAGING_S = 0.026  # of one client's weights
METHODS = ["classic_fl", "fedprox", "splitfed", "pipar", "local_loss", "fedgkt", "ecofed"]
OPTIONS = {"ecofed": {"init": "random"}}
SLOW = Device(up=100)


def result_of(method, devices, closing, rounds=1, presences=None, reuse=True, **world):
    playing = make_method(method, devices, options=OPTIONS.get(method), **world)
    playing.world.closing = closing
    playing.world.fleet.presences = presences or {}
    return played(playing, rounds, reuse=reuse)


def closing(deadline_s=None, first=None, min_participants=0):
    return Closing(deadline_s, first, min_participants)


class OnlineUntil:
    """Online until a moment, and again from another."""

    def __init__(self, moment, back=inf):
        self.moment, self.back = moment, back

    def piece(self, t):
        if t < self.moment:
            return 1.0, self.moment
        return (0.0, self.back) if t < self.back else (1.0, inf)


def chart_until(closes_s):
    """The bars of a client that is done, and of a slow one that is cut off at `closes_s`."""
    bars = []
    for member in (0, 1):
        pen = Pen(member).bar(DOWN, Activity.WEIGHTS, 1.444, WEIGHTS).gap(0.5)
        pen.bar(DEVICE, Activity.TRAIN, 2.92).bar(DEVICE, Activity.TRAIN, 1.72)
        if member == 0:
            pen.bar(UP, Activity.WEIGHTS, 2.888, WEIGHTS)
        else:
            pen.bar(UP, Activity.WEIGHTS, closes_s - TRAINED_S, round((closes_s - TRAINED_S) * 100))
            pen.bar(Phase.OFFLINE, Activity.CANCELLED, 0.0)
        bars += pen.bars
    bars += Pen(0, closes_s).bar(SERVE, Activity.AGGREGATE, AVERAGING_S).bars
    return bars


@pytest.mark.parametrize(
    ("rule", "closes_s", "straggler"),
    [
        (closing(12.0), 12.0, "c1"),  # the one that the deadline cut off
        (closing(first=1), ALONE_S, "c0"),  # the one whose end closed the round
        (closing(12.0, 1), ALONE_S, "c0"),
        (closing(8.0, min_participants=1), ALONE_S, "c0"),  # nobody is done at 8
        (closing(12.0, 2), 12.0, "c1"),
        (closing(12.0, 2, 1), 12.0, "c1"),
    ],
)
def test_a_gantt_chart_with_a_late_client(rule, closes_s, straggler):
    result = result_of("classic_fl", [Device(), SLOW], rule)
    (kept,), (rnd,) = result.kept, result.rounds
    bars = chart_until(closes_s)
    assert rows(kept, Activity.CANCELLED) == [("OFFLINE", "CANCELLED", closes_s, closes_s, 0, 0)]
    if straggler == "c1":  # the fold follows the end that came last
        bars[-1] = (*bars[-1][:2], 1, *bars[-1][3:])
    assert_chart(kept, bars, closes_s + AVERAGING_S)
    wasted = round((closes_s - TRAINED_S) * 100)
    assert (rnd.clients_dropped, rnd.wasted_bytes) == (1, wasted)
    assert rnd.wire_up == WEIGHTS + wasted
    assert rnd.straggler == straggler
    assert sum(rnd.critical_path_s.values()) == pytest.approx(rnd.round_time_s)


def test_first_two_of_three_and_first_three_of_five():
    devices = [Device(up=1000 / factor) for factor in (3, 1, 2, 5, 4)]
    arrives_s = [TRAINED_S + 2.888 * factor + 0.5 for factor in (1, 2, 3, 4, 5)]
    for first in (1, 2, 3, 4, 5):
        result = result_of("classic_fl", devices, closing(first=first))
        (rnd,) = result.rounds
        fold_s = AVERAGING_S * first
        assert rnd.round_time_s == pytest.approx(arrives_s[first - 1] + fold_s)
        assert rnd.clients_dropped == 5 - first
        late = range(first + 1, 6)
        sent = [round((arrives_s[first - 1] - TRAINED_S) * 1000 / factor) for factor in late]
        assert rnd.wasted_bytes == sum(sent)


def test_clients_that_are_done_at_the_same_moment_are_all_kept():
    equal = [Device(), Device(), SLOW]
    (rnd,) = result_of("classic_fl", equal, closing(first=1)).rounds
    assert rnd.clients_dropped == 1
    assert rnd.round_time_s == pytest.approx(ALONE_S + 2 * AVERAGING_S)


def test_a_client_that_is_done_at_the_deadline_is_in_time():
    (alone,) = result_of("classic_fl", [Device()], None).kept
    up = alone.record.intervals
    arrival = float((up.end + up.delay)[up.phase == UP][0])
    (rnd,) = result_of("classic_fl", [Device()], closing(arrival)).rounds
    assert rnd.clients_dropped == 0
    (rnd,) = result_of("classic_fl", [Device()], closing(arrival - 1e-9)).rounds
    assert rnd.clients_dropped == 1


def test_minimum_participants_outlast_the_deadline():
    devices = [Device(), SLOW, Device(up=50)]
    (rnd,) = result_of("classic_fl", devices, closing(1.0, min_participants=2)).rounds
    assert rnd.round_time_s == pytest.approx(SLOW_S + 2 * AVERAGING_S)
    assert rnd.clients_dropped == 1


def test_a_deadline_before_anybody_is_done_closes_an_empty_round():
    before = result_of("classic_fl", [Device(), SLOW], closing(3.0), rounds=2)
    assert [r.round_time_s for r in before.rounds] == [3.0, 3.0]
    assert [r.clients_dropped for r in before.rounds] == [2, 2]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "rule", [closing(1e6), closing(first=4), closing(1e6, 4, 4), closing(0.1, min_participants=4)]
)
def test_a_deadline_that_nobody_misses_changes_nothing(method, rule):
    """Bit for bit, also with simultaneous events, a queue at the server, and several in flight."""
    devices = [Device(), Device(), Device(speed=300, up=700), Device(samples=5)]
    for world in ({}, {"slots": 2}, {"outstanding": 3, "epochs": 2, "server_speed": 700.0}):
        with_one = result_of(method, devices, rule, rounds=3, **world)
        without = result_of(method, devices, None, rounds=3, **world)
        assert with_one.event_digest == without.event_digest
        assert with_one.learning_digest == without.learning_digest
        assert with_one.rounds == without.rounds


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("deadline_s", [0.3, 1.7, 2.5, 3.1, 4.4, 6.2, 9.0, 15.0])
def test_every_method_can_be_closed_in_any_phase(method, deadline_s):
    """All conservation checks of the engine hold; reuse changes nothing."""
    devices = [Device(), Device(speed=400), Device(up=90), Device()]
    rule = closing(deadline_s, 3)
    for world in ({}, {"outstanding": 3, "server_speed": 700.0, "clients_per_round": 3}):
        reused = result_of(method, devices, rule, rounds=5, **world)
        every = result_of(method, devices, rule, rounds=5, reuse=False, **world)
        assert reused.rounds == every.rounds
        assert reused.event_digest == every.event_digest
        assert reused.learning_digest == every.learning_digest


def test_the_kept_members_decide_the_learning_digest():
    """Links with the same members share a training; with others they do not."""

    def digest(up, rule, **more):
        return result_of("classic_fl", [Device(), Device(up=up)], rule, 2, **more).learning_digest

    first = digest(100, closing(12.0))
    assert digest(90, closing(12.0)) == first
    assert digest(100, closing(first=1)) == first
    assert digest(100, closing(20.0)) == first
    both = digest(100, None)
    assert first != both
    assert digest(100, closing(36.0)) == both
    assert digest(600, closing(12.0)) == both
    other = result_of("classic_fl", [SLOW, Device()], closing(12.0), 2).learning_digest
    assert other not in (first, both)


class TestWithAvailability:
    def test_a_client_that_drops_out_is_not_among_the_first(self):
        """Client 0 is gone at 5; the first to be done is client 1."""
        presences = {0: Presence(OnlineUntil(5.0), "drop")}
        devices = [Device(), Device(), SLOW]
        (rnd,) = result_of("classic_fl", devices, closing(first=1), presences=presences).rounds
        assert rnd.round_time_s == pytest.approx(ALONE_S + AVERAGING_S)
        assert rnd.clients_dropped == 2

    def test_a_round_closes_when_too_few_are_left(self):
        presences = {0: Presence(OnlineUntil(5.0), "drop")}
        rule = closing(6.0, 2, 2)
        (rnd,) = result_of("classic_fl", [Device(), Device()], rule, presences=presences).rounds
        assert rnd.round_time_s == pytest.approx(ALONE_S + AVERAGING_S)
        assert rnd.clients_dropped == 1

    @pytest.mark.parametrize("gone_s", [1.0, 1.7, 5.0, 8.0, 9.7])
    @pytest.mark.parametrize("deadline_s", [10.5, 12.0, 14.0, 16.0])
    @pytest.mark.parametrize("method", ["classic_fl", "splitfed", "ecofed"])
    def test_a_client_that_is_offline_at_the_deadline_is_cancelled_once(
        self, method, gone_s, deadline_s
    ):
        """It was sending, receiving or computing, and is back online before or after the deadline."""
        presences = {0: Presence(OnlineUntil(gone_s, 13.0), "resume")}
        for outstanding in (1, 3):
            devices, rule = [Device(), Device()], closing(deadline_s)
            world = {"presences": presences, "outstanding": outstanding, "epochs": outstanding}
            result = result_of(method, devices, rule, rounds=3, **world)
            for rnd in result.rounds:
                assert rnd.clients_dropped <= 2
                assert sum(rnd.critical_path_s.values()) == pytest.approx(rnd.round_time_s)

    def test_the_bytes_of_an_offline_client_are_wasted_once(self):
        presences = {0: Presence(OnlineUntil(8.0, 50.0), "resume")}
        result = result_of("classic_fl", [Device(), Device()], closing(12.0), presences=presences)
        (rnd,) = result.rounds
        assert rnd.round_time_s == pytest.approx(12.0 + AVERAGING_S)
        assert (rnd.clients_dropped, rnd.wasted_bytes) == (1, round((8 - TRAINED_S) * 1000))

    def test_an_upload_that_had_not_begun_wastes_nothing(self):
        presences = {0: Presence(OnlineUntil(5.0, 50.0), "resume")}
        result = result_of("classic_fl", [Device(), Device()], closing(12.0), presences=presences)
        (rnd,) = result.rounds
        assert (rnd.clients_dropped, rnd.wasted_bytes) == (1, 0)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("split_learning", "split_learning passes a single device block from client to client"),
        ("centralised", "centralised needs every client of its round to the end"),
        (
            "{fedgkt: {exchange_weights: false}}",
            "fedgkt without exchange_weights trains one server block for all clients",
        ),
        ("{'patient_fl:PatientFL': {}}", "patient_fl decides itself when a round closes"),
    ],
)
def test_methods_whose_rounds_cannot_be_closed_are_refused(tmp_path, entry, reason):
    """The last one closes its rounds itself."""
    (tmp_path / "patient_fl.py").write_text(PATIENT, encoding="utf-8")
    overrides = f"methods=[classic_fl, {entry}]", "training.closing.first=2"
    loaded = scenario(tmp_path, MIXED, *overrides)
    with pytest.raises(ScenarioError) as raised:
        run(loaded, executor="none")
    (problem,) = str(raised.value).splitlines()
    assert f": methods.1: cannot run with training.closing: {reason} (got " in problem


PATIENT = """\
from cutlayer.sim.methods.classic_fl import ClassicFL


class PatientFL(ClassicFL):
    name = "patient_fl"

    def wait(self, rnd, members):
        yield members.done
"""

AVERAGING = (
    "methods=[classic_fl, {fedprox: {mu: 0.1}}, splitfed, local_loss, fedgkt,"
    " {ecofed: {init: random}}]"
)


@pytest.mark.parametrize(
    "world",
    [
        "topology.star.medium={rate: 20 Mbit/s}",  # transfers that end at the same moment
        "transport=tcp",
        "training.uploads_outstanding=2",
        "topology.star.server.discipline={batching: {max_jobs: 3, max_wait: 5 ms}}",
        "availability=[{clients: raspberry-pi-4b, on_disconnect: drop,"
        " markov: {online: 2 s, offline: 1 s}}]",
    ],
)
def test_a_deadline_that_nobody_misses_changes_no_event_of_a_scenario(tmp_path, world):
    overrides = (AVERAGING, world, "training.rounds=3")
    (without,) = run(scenario(tmp_path, MIXED, *overrides), executor="none")
    rule = "training.closing={deadline: 1 h, first: 3}"
    (with_one,) = run(scenario(tmp_path, MIXED, *overrides, rule), executor="none")
    for label, method in with_one.methods.items():
        assert method.event_digest == without.methods[label].event_digest, label
        assert method.learning_digest == without.methods[label].learning_digest, label


def test_reuse_of_rounds_with_cancelled_clients(tmp_path):
    for rule in ("{first: 2}", "{deadline: 3 s, min_participants: 1}"):
        overrides = (AVERAGING, "training.rounds=20", f"training.closing={rule}")
        loaded = scenario(tmp_path, MIXED, *overrides)
        (reused,) = run(loaded, executor="none", reuse=True)
        (every,) = run(loaded, executor="none", reuse=False)
        for label, method in reused.methods.items():
            other = every.methods[label]
            assert [asdict(r) for r in method.rounds] == [asdict(r) for r in other.rounds], label
            assert method.event_digest == other.event_digest, label
            assert method.learning_digest == other.learning_digest, label
        assert any(method.reused_rounds for method in reused.methods.values())
        dropped = [sum(r.clients_dropped for r in m.rounds) for m in reused.methods.values()]
        assert any(dropped)
        if rule == "{first: 2}":
            assert all(dropped)


def test_none_and_inline_have_the_same_events(tmp_path):
    overrides = (
        AVERAGING,
        "model={name: lenet, cut: 1}",
        "training.rounds=3",
        "training.closing.first=2",
        "data.test_fraction=0.1",
    )
    loaded = scenario(tmp_path, MIXED, *overrides)
    (timed,) = run(loaded, executor="none")
    (trained,) = run(loaded, executor="inline")
    for label, method in trained.methods.items():
        assert method.event_digest == timed.methods[label].event_digest, label
        assert method.learning_digest == timed.methods[label].learning_digest, label
        assert sum(r.clients_dropped for r in method.rounds), label


def test_the_servers_memory_is_that_of_all_sampled_clients(tmp_path):
    without = scenario(tmp_path, MIXED, AVERAGING).scenario
    with_first = scenario(tmp_path, MIXED, AVERAGING, "training.closing.first=1").scenario
    for entry in without.methods:
        method, options = options_of(entry)
        plans = make_plan(without, 0), make_plan(with_first, 0)
        assert server_memory(plans[0], method, options) == server_memory(plans[1], method, options)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{first: 2}", "as soon as 2 clients are done"),
        ("{deadline: 60 s, first: 1}", "as soon as 1 client is done, or 1 min after its start"),
        (
            "{deadline: 9 s, min_participants: 2}",
            "9 s after its start, but not before 2 clients are done",
        ),
    ],
)
def test_check_says_when_a_round_closes(cli, rule, said):
    (cli.folder / "s.yaml").write_text(MIXED.partition("methods:")[0], encoding="utf-8")
    settings = ("--set", "methods=[splitfed]", "--set", f"training.closing={rule}")
    answer = cli("check", "s.yaml", *settings)
    assert answer.code == 0, answer
    assert f"a round closes {said}" in " ".join(answer.out.split())
