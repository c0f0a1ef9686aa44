"""Asynchronous methods on the clock: charts drawn by hand, staleness, places, windows, dropouts.

As in tiny_worlds: a model of 130 parameters in 7 tensors takes 2,888 bytes, 1.444 s down and 2.888 s up,
and 0.5 s more to arrive. With two samples a device of 1,000 FLOP/s trains for 2.92 s. To fold a member
takes the server 0.026 s.
"""

from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from math import inf

import pytest
from tiny_worlds import (
    DEVICE,
    DOWN,
    SERVE,
    UP,
    Device,
    Pen,
    assert_chart,
    drawn,
    make_method,
    played,
)

from cutlayer.sim.clock import Clock
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.log.record import ConservationError
from cutlayer.sim.log.updates import gini, jain
from cutlayer.sim.methods.staleness import Constant, Hinge, Polynomial
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.stop_condition import StopCondition
from cutlayer.sim.run.windows import make_engine

BYTES = 2888
TWO = [Device(samples=2), Device(speed=2000, samples=2)]
THREE = [*TWO, Device(speed=4000, samples=2)]


def life(pen: Pen, train_s: float) -> Pen:
    """Draw an update from its dispatch to its arrival."""
    pen.bar(DOWN, Activity.WEIGHTS, 1.444, BYTES).gap(0.5).bar(DEVICE, Activity.TRAIN, train_s)
    return pen.bar(UP, Activity.WEIGHTS, 2.888, BYTES).gap(0.5)


def fold(pen: Pen, members: int = 1) -> Pen:
    return pen.bar(SERVE, Activity.AGGREGATE, 0.026 * members)


def times(result: MethodResult) -> list[tuple[str, int, int, float, float]]:
    return [
        (u.client, u.read_version, u.staleness, round(u.dispatched_s, 9), round(u.folded_s, 9))
        for u in result.updates
    ]


def windows(**window) -> dict[str, dict[str, object]]:
    return {"window": window}


class TestFedAsyncByHand:
    def test_two_clients(self):
        """The second is twice as fast: its second update was dispatched between the two folds."""
        first, second = Pen(0), Pen(1)
        fold(life(first, 2.92))
        fold(life(first, 2.92))
        fold(life(second, 1.46))
        fold(life(second, 1.46))
        second.bar(DOWN, Activity.WEIGHTS, 1.444, BYTES)  # of its third update
        result = played(make_method("fedasync", TWO, options=windows(updates=4)))
        (kept,) = result.kept
        assert_chart(kept, first.bars + second.bars, 16.556)
        assert times(result) == [
            ("c1", 0, 0, 0.0, 6.818),
            ("c0", 0, 1, 0.0, 8.278),
            ("c1", 1, 1, 6.818, 13.636),
            ("c0", 2, 1, 8.278, 16.556),
        ]
        last = result.updates[-1]
        assert (last.downloaded_s, last.uploaded_s) == pytest.approx((10.222, 16.53), abs=1e-9)
        assert last.computing_s == pytest.approx(2.92, abs=1e-9)

    def test_the_critical_path_of_a_window_is_clipped_at_its_start(self):
        """The fold at 13.636 follows what its client did since 6.818; the window began at 8.278."""
        rounds = played(make_method("fedasync", TWO, options=windows(updates=1)), 3).rounds
        assert [rnd.virtual_time_s for rnd in rounds] == pytest.approx([6.818, 8.278, 13.636])
        assert [rnd.straggler for rnd in rounds] == ["c1", "c0", "c1"]
        assert rounds[2].critical_path_s == pytest.approx(
            {
                "downlink": 8.762 - 8.278,
                "device_compute": 1.46,
                "uplink": 3.388,
                "server_compute": 0.026,
                "server_queue": 0,
                "offline": 0,
            },
            abs=1e-9,
        )

    def test_updates_that_arrive_together_queue_for_the_server(self):
        result = played(
            make_method("fedasync", [Device(samples=2)] * 2, options=windows(updates=2))
        )
        assert [u.queued_s for u in result.updates] == pytest.approx([0, 0.026], abs=1e-9)
        assert [u.staleness for u in result.updates] == [0, 1]
        assert result.rounds[0].critical_path_s["server_queue"] == pytest.approx(0.026, abs=1e-9)


class TestFedBuffByHand:
    def test_two_updates_a_fold_and_three_clients_in_flight(self):
        """By arrival: c2 and c1 make version 1, c0 and c2 version 2, c1 and c0 version 3."""
        first, second, third = Pen(0), Pen(1), Pen(2)
        life(third, 0.73)  # arrives at 6.062, waits in the buffer
        life(second, 1.46)  # arrives at 6.792
        fold(second, 2)  # 6.844
        life(first, 2.92)  # arrives at 8.252, waits
        life(third, 0.73)  # began at 6.062 with version 0; arrives at 12.124
        fold(third, 2)  # 12.176
        life(second, 1.46)  # began at 6.844 with version 1; arrives at 13.636, waits
        life(first, 2.92)  # began at 8.252 with version 1; arrives at 16.504
        fold(first, 2)  # 16.556
        third.bar(DOWN, Activity.WEIGHTS, 1.444, BYTES).gap(0.5).bar(DEVICE, Activity.TRAIN, 0.73)
        second.bar(DOWN, Activity.WEIGHTS, 1.444, BYTES)
        options = {"buffer": 2, "in_flight": 3, **windows(versions=3)}
        result = played(make_method("fedbuff", THREE, options=options))
        (kept,) = result.kept
        assert_chart(kept, first.bars + second.bars + third.bars, 16.556)
        assert times(result) == [
            ("c2", 0, 0, 0.0, 6.844),
            ("c1", 0, 0, 0.0, 6.844),
            ("c0", 0, 1, 0.0, 12.176),
            ("c2", 0, 1, 6.062, 12.176),
            ("c1", 1, 1, 6.844, 16.556),
            ("c0", 1, 1, 8.252, 16.556),
        ]
        shares = [0.5, 0.5, *[0.5 * 2**-0.5] * 4]
        assert [u.weight for u in result.updates] == pytest.approx(shares)

    def test_all_clients_with_equal_devices_take_the_time_of_classic_fl(self):
        """Those that arrive at one instant wait for the fold, and train the next version together."""
        devices = [Device()] * 3
        result = played(make_method("fedbuff", devices, options={"buffer": 3}), 3)
        rounds = played(make_method("classic_fl", devices), 3, reuse=False)
        assert [r.virtual_time_s for r in result.rounds] == pytest.approx(
            [r.virtual_time_s for r in rounds.rounds], abs=1e-9
        )
        assert {u.staleness for u in result.updates} == {0}
        for mine, theirs in zip(result.kept[:1], rounds.kept[:1], strict=True):
            assert drawn(mine) == drawn(theirs)


class TestPlaces:
    @pytest.mark.parametrize("method", ["fedasync", "fedbuff"])
    def test_no_more_than_the_limit_are_in_flight(self, method):
        devices = [Device(speed=500 * (1 + i), samples=2 + i % 2) for i in range(6)]
        options = {"in_flight": 3, **({"buffer": 2} if method == "fedbuff" else {})}
        result = played(make_method(method, devices, options=options, clients_per_round=2), 20)
        assert len(result.updates) >= 40
        changes = Counter[float]()
        for update in result.updates:
            buffered = method == "fedbuff" and update.uploaded_s not in changes
            changes[update.dispatched_s] += 1
            changes[update.uploaded_s if buffered else update.folded_s] -= 1
        working = 0
        for _, change in sorted(changes.items()):
            working += change
            assert working <= 3

    def test_a_draw_depends_on_the_number_of_the_dispatch_and_who_is_idle(self):
        fleet = make_method("fedasync", [Device()] * 9).world.fleet
        draws = [tuple(fleet.draw(number, range(9), 1)) for number in range(200)]
        assert draws == [tuple(fleet.draw(number, range(9), 1)) for number in range(200)]
        assert len(set(draws)) == 9
        assert fleet.draw(3, [2, 5], 2) == fleet.draw(4, [2, 5], 7) == [2, 5]

    def test_only_clients_that_are_online_are_drawn_each_as_likely(self):
        online = {c: Presence(Offline(*([(0.0, 9.0)] if c % 3 else [])), "drop") for c in range(9)}
        fleet = make_method("fedasync", [Device()] * 9, presences=online).world.fleet
        draws = Counter(fleet.draw(number, range(9), 1)[0] for number in range(900))
        assert set(draws) == {0, 3, 6}
        assert min(draws.values()) > 240  # of 300: more than four standard deviations
        assert fleet.draw(0, range(9), 3) == [0, 3, 6]
        assert fleet.draw(0, [1, 2], 1) == []

    def test_the_streams_of_a_client_are_numbered_by_its_own_updates(self):
        """The jitter of a client does not depend on how fast the other one is."""
        from cutlayer.sim.compute.variability import VariabilitySettings
        from cutlayer.topologies.jitter import Jitter

        def computing(second: Device) -> list[float]:
            method = make_method(
                "fedasync", [Device(samples=2), second], options=windows(updates=9)
            )
            settings = VariabilitySettings(jitter=Jitter("lognormal", 0.5))
            method.world.fleet.variability_settings = {0: settings, 1: settings}
            return [u.computing_s for u in played(method).updates if u.client == "c0"]

        slow, fast = (
            computing(Device(speed=300, samples=2)),
            computing(Device(speed=9000, samples=2)),
        )
        assert len(set(slow)) == len(slow) > len(fast) > 2
        assert slow[: len(fast)] == fast


class TestWindows:
    def test_the_windows_have_the_rows_of_the_run(self):
        """Each row is in the window in which it ended (for a transfer: arrived)."""
        whole = played(make_method("fedasync", TWO, options=windows(updates=12))).kept[0]
        split = played(make_method("fedasync", TWO, options=windows(updates=3)), 4).kept
        assert len(split) == 4
        moved = []
        for kept in split:
            log = kept.record.intervals
            assert (log.end + log.delay <= kept.record.duration_s + 1e-9).all()
            assert (log.end + log.delay >= -1e-9).all()
            moved += [(s + kept.start_s, e + kept.start_s, *rest) for s, e, *rest in drawn(kept)]
        rows = drawn(whole)
        assert len(moved) == len(rows)
        for found, row in zip(sorted(moved), sorted(rows), strict=True):
            assert found[:2] == pytest.approx(row[:2], abs=1e-9)
            assert found[2:] == row[2:]

    def test_sums_over_the_windows_are_those_of_the_run(self):
        results = [
            played(make_method("fedasync", TWO, options=windows(updates=n)), 12 // n)
            for n in (12, 4, 1)
        ]
        for result in results:
            assert sum(r.wire_up + r.wire_down for r in result.rounds) == results[0].wire_bytes
            assert result.clients_busy_s == pytest.approx(results[0].clients_busy_s)
            assert result.server_busy_s == pytest.approx(12 * 0.026)
            assert result.clients_busy_s <= result.clients_available_s + 1e-9
            assert result.clients_available_s == pytest.approx(2 * result.virtual_time_s)
            assert sum(r.clients for r in result.rounds) == 12

    def test_they_close_by_updates_versions_or_time(self):
        def ends(rounds=3, **window):
            options = {"buffer": 2, "in_flight": 3, **windows(**window)}
            return [
                r.virtual_time_s
                for r in played(make_method("fedbuff", THREE, options=options), rounds).rounds
            ]

        folds = ends(9, versions=1)
        assert folds[:3] == pytest.approx([6.844, 12.176, 16.556], abs=1e-9)
        assert ends(versions=2) == folds[1:6:2]
        assert ends(updates=3) == folds[1:6:2]  # with the fold that completes them
        later = [next(t for t in folds if t >= limit) for limit in (10.0, 20.0, 30.0)]
        assert ends(every="10 s") == later

    def test_a_window_by_time_closes_with_the_first_fold_at_or_after_a_multiple(self):
        result = played(make_method("fedasync", TWO, options=windows(every="2 s")), 6)
        ends = [0.0, *(rnd.virtual_time_s for rnd in result.rounds)]
        folds = [u.folded_s for u in result.updates]
        for start, end in pairwise(ends):
            due = (start // 2.0 + 1) * 2.0
            assert end == min(f for f in folds if f >= due)

    def test_two_folds_of_one_instant_close_two_windows(self):
        """On two slots both aggregations end at 8.278; the second window has no length and no rows."""
        equal = [Device(samples=2)] * 2
        method = make_method("fedasync", equal, options=windows(updates=1), slots=2)
        result = played(method, 4)
        assert [r.virtual_time_s for r in result.rounds] == pytest.approx(
            [8.278, 8.278, 16.556, 16.556]
        )
        assert [r.round_time_s for r in result.rounds] == pytest.approx([8.278, 0, 8.278, 0])
        assert [r.version for r in result.rounds] == [1, 2, 3, 4]
        assert [u.window for u in result.updates] == [0, 1, 2, 3]
        assert [sum(r.critical_path_s.values()) for r in result.rounds] == pytest.approx(
            [8.278, 0, 8.278, 0]
        )
        assert sum(r.wire_up for r in result.rounds) == 4 * BYTES
        assert result.server_busy_s == pytest.approx(4 * 0.026)

    def test_limits_of_a_run(self):
        def stopped(**limits):
            method = make_method("fedasync", TWO, options=windows(updates=1))
            result = MethodResult("fedasync", "fedasync", 0, ())
            make_engine(method, result).run(StopCondition(100, **limits), RoundProgress())
            return result

        by_time = stopped(virtual_time_s=13.0)
        assert [r.virtual_time_s for r in by_time.rounds] == pytest.approx([6.818, 8.278, 13.636])
        assert by_time.ended is None
        assert len(stopped().rounds) == 100
        assert len(stopped(events=40).rounds) < 5

    def test_memory_does_not_grow_with_the_run(self):
        method = make_method("fedasync", TWO, options=windows(updates=5))
        held = []
        result = MethodResult("fedasync", "fedasync", 0, ())
        engine = make_engine(method, result)
        seen = RoundProgress(lambda _: held.append(len(method.world.log._rows)))
        engine.run(StopCondition(40), seen)
        assert max(held[20:]) <= max(held[:20]) <= 4
        assert not method.world.log.rows
        assert not method.world.log.parts


class Offline:
    """Online except during the given spans (seconds)."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self.turns = [time for span in spans for time in span]

    def piece(self, t: float) -> tuple[float, float]:
        turns = bisect_right(self.turns, t)
        end = self.turns[turns] if turns < len(self.turns) else inf
        return (0.0 if turns % 2 else 1.0), end


def with_churn(method, devices, on_disconnect, spans, rounds=1, **options):
    presences = {c: Presence(Offline(*times), on_disconnect) for c, times in spans.items()}
    return played(make_method(method, devices, options=options, presences=presences), rounds)


class TestChurn:
    def test_a_dropped_update_is_lost_and_its_place_filled(self):
        """c0 goes offline while it trains; c2, the only idle client, takes its place at once."""
        options = {"in_flight": 2, **windows(updates=3)}
        idle_last = [Device(samples=2), Device(speed=2000, samples=2), Device(samples=2)]
        spans = {0: [(3.0, 100.0)], 2: [(0.0, 2.5)]}
        result = with_churn("fedasync", idle_last, "drop", spans, **options)
        lost, *rest = result.updates
        assert (lost.client, lost.dropped, lost.version, lost.folded_s) == ("c0", 1, None, None)
        assert lost.computing_s > 0
        assert [(u.client, round(u.dispatched_s, 9)) for u in rest] == [
            ("c1", 0.0),
            ("c2", 3.0),
            ("c1", 6.818),
        ]
        assert [u.staleness for u in rest] == [0, 1, 1]
        (rnd,) = result.rounds
        assert (rnd.clients, rnd.clients_dropped, rnd.wasted_bytes) == (4, 1, 0)
        assert result.summary({})["updates"]["dropped"] == 1

    def test_an_update_that_has_arrived_is_kept_though_its_client_leaves(self):
        """c2's update waits in the buffer from 6.062 to 6.844."""
        options = {"in_flight": 3, "buffer": 2, **windows(versions=1)}
        result = with_churn("fedbuff", THREE, "drop", {2: [(6.5, 50.0)]}, **options)
        assert [(u.client, u.dropped) for u in result.updates] == [("c2", 1), ("c2", 0), ("c1", 0)]
        again, kept, _ = result.updates
        assert again.dispatched_s == kept.uploaded_s == pytest.approx(6.062)

    def test_a_client_that_resumes_sends_again(self):
        result = with_churn("fedasync", [Device(samples=2)], "resume", {0: [(6.0, 9.0)]})
        (update,) = result.updates
        assert update.folded_s == pytest.approx(9.0 + 2.888 + 0.5 + 0.026, abs=1e-9)
        assert result.rounds[0].wasted_bytes == round(1000 * (6.0 - 4.864))
        assert result.rounds[0].critical_path_s["offline"] == pytest.approx(3.0)

    def test_a_place_waits_until_somebody_is_online(self):
        spans = {0: [(0.0, 2.0), (3.0, 7.0)]}
        result = with_churn("fedasync", [Device(samples=2)], "drop", spans, **windows(updates=1))
        assert [(u.dispatched_s, u.dropped) for u in result.updates] == [(2.0, 1), (7.0, 0)]
        (rnd,) = result.rounds
        assert rnd.virtual_time_s == pytest.approx(7.0 + 8.278)
        assert rnd.critical_path_s["offline"] == pytest.approx(7.0)  # the dropped update's, too

    @pytest.mark.parametrize("on_disconnect", ["drop", "resume"])
    @pytest.mark.parametrize("method", ["fedasync", "fedbuff"])
    def test_bytes_and_time_are_conserved(self, method, on_disconnect):
        """The engine checks bytes over the run, occupancy, and the critical path of every window."""
        spans = {c: [(k * 9.0 + c, k * 9.0 + c + 1.5) for k in range(1, 40)] for c in range(4)}
        devices = [Device(speed=700 * (1 + i), samples=2 + i) for i in range(5)]
        options = {"buffer": 2} if method == "fedbuff" else {}
        result = with_churn(method, devices, on_disconnect, spans, 12, in_flight=4, **options)
        assert len(result.rounds) == 12
        assert bool(sum(r.clients_dropped for r in result.rounds)) == (on_disconnect == "drop")
        assert sum(r.wasted_bytes for r in result.rounds) > 0

    def test_a_client_has_one_timer_until_its_presence_changes(self):
        presences = {0: Presence(Offline((1e6, 2e6)), "drop")}
        method = make_method("fedasync", TWO, options=windows(updates=50), presences=presences)
        clock, waiting = method.world.clock, []
        engine = make_engine(method, MethodResult("fedasync", "fedasync", 0, ()))
        engine.run(StopCondition(10), RoundProgress(lambda _: waiting.append(len(clock._queue))))
        assert max(waiting) <= 6

    def test_nobody_left_ends_the_run(self):
        result = with_churn("fedasync", [Device(samples=2)], "drop", {0: [(9.0, inf)]}, 5)
        assert len(result.rounds) == 1
        assert result.stalled
        assert result.ended == "window 1 never ends: a client that went offline does not come back"

    def test_bytes_that_are_lost_are_detected(self):
        method = make_method("fedasync", TWO)
        engine = make_engine(method, MethodResult("fedasync", "fedasync", 0, ()))

        def lose(_):
            method.world.log.bytes_delivered -= 1

        with pytest.raises(ConservationError, match="bytes have left"):
            engine.run(StopCondition(3), RoundProgress(lose))


class TestStaleness:
    def test_functions_of_the_paper(self):
        assert [Constant().weight(tau) for tau in (0, 9)] == [1, 1]
        assert [Hinge().weight(tau) for tau in (0, 4, 5, 6)] == [1, 1, 1 / 11, 1 / 21]
        assert [Polynomial().weight(tau) for tau in (0, 3, 8)] == pytest.approx([1, 1 / 2, 1 / 3])

    def test_an_update_of_fedasync_counts_less_for_it(self):
        options = {"rate": 0.5, "staleness": Polynomial(a=1.0), **windows(updates=4)}
        result = played(make_method("fedasync", TWO, options=options))
        assert [u.weight for u in result.updates] == pytest.approx([0.5, 0.25, 0.25, 0.25])

    def test_indices_of_equality(self):
        assert gini([3, 3, 3]) == pytest.approx(0)
        assert gini([0, 0, 0, 12]) == pytest.approx(3 / 4)
        assert gini([1, 3]) == pytest.approx(1 / 4)  # |1 - 3| / (n^2 mean) = 4 / (4 * 2) / 2
        assert jain([3, 3, 3]) == pytest.approx(1)
        assert jain([0, 0, 0, 12]) == pytest.approx(1 / 4)
        assert gini([0, 0]) is jain([0, 0]) is None


def test_the_summary_counts_who_contributes():
    result = played(make_method("fedasync", TWO, options=windows(updates=10)))
    found = result.summary({})["updates"]
    assert (found["count"], found["versions"]) == (10, 10)
    assert found["versions_per_hour"] == pytest.approx(36_000 / result.virtual_time_s)
    by_client = Counter(u.client for u in result.updates)
    assert found["per_device"] == {
        f"device-{i}": {
            "clients": 1,
            "updates": by_client[f"c{i}"],
            "share": by_client[f"c{i}"] / 10,
        }
        for i in range(2)
    }
    stale = [u.staleness for u in result.updates]
    assert found["staleness"]["mean"] == sum(stale) / 10
    assert found["staleness"]["max"] == max(stale)


def test_synchronous_methods_have_no_updates():
    result = played(make_method("classic_fl", TWO))
    assert "updates" not in result.summary({})
    assert result.rounds[0].version is None


def test_the_clock_reports_a_run_in_which_nothing_happens():
    from cutlayer.sim.clock import EndlessRoundError

    with pytest.raises(EndlessRoundError):
        Clock().play_until(lambda: False)


def test_phases_of_the_log_are_those_of_the_life_of_an_update():
    kept = played(make_method("fedasync", TWO)).kept[0]
    assert {Phase[row[2]] for row in drawn(kept)} == {DOWN, DEVICE, UP, SERVE}
