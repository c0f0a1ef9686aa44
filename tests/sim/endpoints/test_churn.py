"""Clients that go offline during a round: aborted transfers, wasted bytes, resending, dropouts.

As in tiny_worlds: up 1,000 bytes/s, down 2,000 bytes/s, 0.5 s of delay. In classic FL 2,888 bytes
come down by 1.444 and arrive at 1.944; two batches are trained until 4.864 and 6.584; the weights go
up until 9.472 and arrive at 9.972.
"""

from bisect import bisect_right
from math import inf

import pytest
from tiny_worlds import IN_ROUNDS, Device, make_method, played, rows_of

from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.methods.registry import method as find_method

WEIGHTS = 2888
OPTIONS = {"ecofed": {"init": "random"}}
NEED_EVERY_CLIENT = {
    *("ampere", "centralised", "split_learning"),
    *("smofi", "sfl_ga", "epsl", "mergesfl"),
}


class Offline:
    """Online except during the given spans (seconds)."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self.turns = [time for span in spans for time in span]

    def piece(self, t: float) -> tuple[float, float]:
        turns = bisect_right(self.turns, t)
        end = self.turns[turns] if turns < len(self.turns) else inf
        return (0.0 if turns % 2 else 1.0), end


def result_of(method, devices, offline, on_disconnect, rounds=1, options=None, **world):
    presences = {i: Presence(Offline(*spans), on_disconnect) for i, spans in offline.items()}
    given = OPTIONS.get(method, {}) if options is None else options
    return played(make_method(method, devices, options=given, presences=presences, **world), rounds)


class TestResume:
    def test_an_aborted_upload_is_sent_again_from_its_first_byte(self):
        result = result_of("classic_fl", [Device()], {0: [(8, 20)]}, "resume")
        (kept,) = result.kept
        wasted = round((8 - 6.584) * 1000)
        assert rows_of(kept, Activity.WEIGHTS, Activity.OFFLINE) == [
            ("DOWNLINK", "WEIGHTS", 0, 1.444, WEIGHTS, 0),
            ("UPLINK", "WEIGHTS", 6.584, 8, wasted, 1),
            ("OFFLINE", "OFFLINE", 8, 20, 0, 0),
            ("UPLINK", "WEIGHTS", 20, 22.888, WEIGHTS, 0),
        ]
        (rnd,) = result.rounds
        assert rnd.round_time_s == pytest.approx(22.888 + 0.5 + 0.026)
        assert (rnd.wasted_bytes, rnd.clients_dropped) == (wasted, 0)
        assert rnd.wire_up == WEIGHTS + wasted
        assert rnd.payload_up == 4 * 130  # only what arrived
        assert rnd.critical_path_s["offline"] == pytest.approx(12)
        assert rnd.straggler == "c0"

    def test_a_device_keeps_computing_while_offline(self):
        result = result_of("classic_fl", [Device()], {0: [(2, 6)]}, "resume")
        (rnd,) = result.rounds
        assert rnd.round_time_s == pytest.approx(9.998)
        assert rnd.wasted_bytes == 0

    def test_messages_wait_while_the_client_is_offline(self):
        result = result_of("classic_fl", [Device()], {0: [(5, 7.584)]}, "resume")
        (kept,) = result.kept
        assert rows_of(kept, Activity.WEIGHTS, Activity.OFFLINE)[1:] == [
            ("OFFLINE", "OFFLINE", 6.584, 7.584, 0, 0),
            ("UPLINK", "WEIGHTS", 7.584, 10.472, WEIGHTS, 0),
        ]

    def test_a_download_is_aborted_too(self):
        result = result_of("classic_fl", [Device()], {0: [(1, 2)]}, "resume")
        (rnd,) = result.rounds
        assert rnd.round_time_s == pytest.approx(9.998 + 2)  # 1 s of wasted sending, 1 s offline
        assert rnd.wire_down == WEIGHTS + 2000

    def test_a_message_that_has_left_arrives(self):
        result = result_of("classic_fl", [Device()], {0: [(1.5, 1.9)]}, "resume")
        assert result.rounds[0].round_time_s == pytest.approx(9.998)

    def test_a_client_can_disconnect_more_than_once(self):
        spans = [(7, 8), (8.5, 9), (9.25, 10)]
        result = result_of("classic_fl", [Device()], {0: spans}, "resume")
        (rnd,) = result.rounds
        assert rnd.round_time_s == pytest.approx(10 + 2.888 + 0.5 + 0.026)
        assert rnd.wasted_bytes == round(1000 * (7 - 6.584)) + 500 + 250
        assert rnd.critical_path_s["offline"] == pytest.approx(1 + 0.5 + 0.75)

    @pytest.mark.parametrize("name", sorted(IN_ROUNDS))
    @pytest.mark.parametrize("outstanding", [1, 3])
    def test_every_method_finishes(self, name, outstanding):
        """The engine checks conservation, occupancy and the critical path."""
        devices = [Device(), Device(speed=700), Device(up=300)]
        offline = {0: [(0.3, 0.9), (2, 2.4), (5, 6)], 2: [(1.1, 1.3), (3, 9), (9.5, 9.7)]}
        result = result_of(
            name, devices, offline, "resume", rounds=3, slots=2, outstanding=outstanding
        )
        calm = result_of(name, devices, {}, "resume", rounds=3, slots=2, outstanding=outstanding)
        assert len(result.rounds) == 3
        for churned, rnd in zip(result.rounds, calm.rounds, strict=True):
            if churned.clients == rnd.clients:
                assert churned.wire_up + churned.wire_down - churned.wasted_bytes == (
                    rnd.wire_up + rnd.wire_down
                )
                assert churned.round_time_s >= rnd.round_time_s - 1e-9
        if name not in ("centralised", "ecofed"):
            assert result.virtual_time_s > calm.virtual_time_s

    @pytest.mark.parametrize("name", ["local_loss", "ecofed", "pipar"])
    def test_a_device_that_computes_while_it_sends_goes_on(self, name):
        """Whenever the client goes offline, and on both sides; causes stay before their effects."""
        device = Device(samples=8, speed=300, up=900)
        for step in range(1, 60):
            spans = {0: [(step / 5, step / 5 + 0.35)]}
            result = result_of(name, [device], spans, "resume", outstanding=3)
            calm = result_of(name, [device], {}, "resume", outstanding=3)
            assert result.virtual_time_s >= calm.virtual_time_s - 1e-9


class TestDrop:
    def test_an_upload_is_aborted_and_the_round_continues_without_the_client(self):
        result = result_of("classic_fl", [Device(), Device(speed=500)], {1: [(13, inf)]}, "drop")
        (rnd,) = result.rounds
        # The slow one trains from 1.944 to 11.224 and uploads; it is dropped 1.776 s later.
        assert rnd.clients_dropped == 1
        assert rnd.wasted_bytes == 1776
        assert rnd.round_time_s == pytest.approx(13 + 260 / 10_000)  # an average of one client
        assert rnd.straggler in ("c0", "c1")

    def test_computing_ends(self):
        result = result_of("classic_fl", [Device(), Device()], {1: [(3, inf)]}, "drop")
        (kept,) = result.kept
        trained = [row for row in rows_of(kept, Activity.TRAIN) if row[2] == 1.944]
        assert sorted(float(row[3].expected) for row in trained) == pytest.approx([3, 4.864])
        busy = kept.record.device_busy_s
        assert busy.tolist() == pytest.approx([4.64, 3 - 1.944])
        assert result.rounds[0].round_time_s == pytest.approx(9.998)

    def test_a_message_in_flight_is_dropped_with_the_client(self):
        result = result_of("classic_fl", [Device(), Device()], {1: [(9.7, inf)]}, "drop")
        (rnd,) = result.rounds
        assert rnd.clients_dropped == 1
        assert rnd.wasted_bytes == WEIGHTS
        assert rnd.wire_up == 2 * WEIGHTS

    def test_all_clients_can_drop_out(self):
        result = result_of("splitfed", [Device()], {0: [(2, inf)]}, "drop", rounds=2)
        (rnd,) = result.rounds
        assert rnd.round_time_s == pytest.approx(2)
        assert rnd.clients_dropped == 1
        assert "none is online any more" in result.ended

    def test_a_running_job_of_the_server_is_finished_and_a_waiting_one_is_not(self):
        # The server is slow: the first client's first job is still running when both drop out.
        result = result_of(
            "splitfed",
            [Device(), Device(), Device(delay=1.5)],
            {0: [(4, inf)], 1: [(4, inf)]},
            "drop",
            server_speed=500,
        )
        (kept,) = result.kept
        assert result.rounds[0].clients_dropped == 2
        log = kept.record.intervals
        served = log.peer[(log.phase == Phase.SERVER_COMPUTE) & (log.activity == Activity.TRAIN)]
        assert served.tolist().count(0) == 1
        assert served.tolist().count(1) == 0
        assert served.tolist().count(2) == 2

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("classic_fl", {}),
            ("splitfed", {}),
            ("local_loss", {}),
            ("fedgkt", {}),
            ("ecofed", {"init": "random", "period": 3}),
        ],
    )
    @pytest.mark.parametrize("outstanding", [1, 3])
    def test_a_client_can_drop_out_at_any_moment(self, name, options, outstanding):
        devices = [Device(samples=5), Device(speed=700), Device(up=300)]
        plain = result_of(name, devices, {}, "drop", options=options, outstanding=outstanding)
        whole = plain.virtual_time_s
        for step in range(1, 40):
            moment = whole * step / 40
            result = result_of(
                name,
                devices,
                {0: [(moment, moment + 100)]},
                "drop",
                rounds=3,
                options=options,
                outstanding=outstanding,
            )
            rounds = result.rounds
            assert len(rounds) == 3
            assert rounds[0].clients_dropped in (0, 1)
            assert [rnd.clients_dropped for rnd in rounds[1:]] == [0, 0]
            if rounds[0].clients_dropped:
                assert rounds[1].clients == 2  # the client is not back yet

    def test_methods_that_need_every_client_give_a_reason(self):
        for name in METHODS:
            complaint = find_method(name).check_dropout(find_method(name).Options())
            assert (complaint is None) == (name not in NEED_EVERY_CLIENT), name
        fedgkt = find_method("fedgkt")
        assert "one server block" in fedgkt.check_dropout(fedgkt.Options(exchange_weights=False))


class TestRoundsUnderChurn:
    def test_a_round_that_never_ends_is_reported(self):
        result = result_of("classic_fl", [Device()], {0: [(8, inf)]}, "resume", rounds=3)
        assert result.rounds == []
        assert "round 0 never ends" in result.ended
        assert result.event_digest

    def test_offline_clients_are_not_sampled(self):
        devices = [Device()] * 4
        result = result_of(
            "classic_fl", devices, {0: [(0, 50)], 2: [(0, 50)]}, "drop", clients_per_round=3
        )
        (kept,) = result.kept
        assert kept.participants == ("c1", "c3")

    def test_a_round_waits_for_the_first_client_online(self):
        result = result_of("classic_fl", [Device()], {0: [(0, 30), (41, 55)]}, "drop", rounds=3)
        rounds = result.rounds
        assert [rnd.waited_s for rnd in rounds] == pytest.approx([30, 0, 14])
        assert [rnd.clients_dropped for rnd in rounds] == [0, 1, 0]
        assert [rnd.virtual_time_s for rnd in rounds] == pytest.approx([39.998, 41, 64.998])

    def test_ecofed_replays_only_for_online_clients(self):
        devices = [Device()] * 3
        calm = result_of("ecofed", devices, {}, "drop", options={"init": "random"})
        ends = calm.virtual_time_s
        result = result_of(
            "ecofed", devices, {0: [(ends, 1000)]}, "drop", rounds=2, options={"init": "random"}
        )
        uploads, replays = result.kept
        assert uploads.participants == ("c0", "c1", "c2")
        assert replays.participants == ("c1", "c2")

    def test_ecofed_does_not_replay_a_buffer_that_was_never_filled(self):
        result = result_of(
            "ecofed",
            [Device(), Device()],
            {0: [(0.5, 3)]},
            "drop",
            rounds=2,
            options={"init": "random", "control_messages": False},
        )
        assert result.rounds[0].clients_dropped == 1
        assert result.kept[1].participants == ("c1",)

    def test_ecofed_uploads_again_when_no_buffer_is_left(self):
        result = result_of(
            "ecofed", [Device()], {0: [(0.5, 3)]}, "drop", rounds=2, options={"init": "random"}
        )
        assert [rnd.round_type for rnd in result.rounds] == ["upload", "upload"]
        assert [rnd.clients_dropped for rnd in result.rounds] == [1, 0]
