"""Conservation: the checks hold in real runs and fail on logs that contradict themselves."""

from dataclasses import replace

import pytest
from tiny_worlds import IN_ROUNDS, Cell, Device, make_method, play, played

from cutlayer.sim.compute.stage import Work
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.log.intervals import (
    NO_CAUSE,
    PHASES,
    SERVER,
    Activity,
    Interval,
    Intervals,
    Phase,
)
from cutlayer.sim.log.record import ConservationError, close_record
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.run.one_round import UnfinishedRoundError

OPTIONS = {"ecofed": {"init": "random"}}
DELAYS = (0.5, 0.25)  # of both members, up and down


def device(member: int, start: float, end: float, cause: int) -> Interval:
    return Interval(
        start, end, member, Phase.DEVICE_COMPUTE, member, Activity.TRAIN, cause, flops=1.0
    )


def up(member: int, start: float, end: float, cause: int, size: int = 100) -> Interval:
    sent = Interval(
        start, end, member, Phase.UPLINK, SERVER, Activity.WEIGHTS, cause, size, size - 10
    )
    return sent._replace(delay=DELAYS[member])


def down(member: int, start: float, end: float, cause: int, size: int = 100) -> Interval:
    return up(member, start, end, cause, size)._replace(
        actor=SERVER, phase=Phase.DOWNLINK, peer=member
    )


def server(
    member: int, start: float, end: float, cause: int, activity: Activity = Activity.TRAIN
) -> Interval:
    return Interval(start, end, SERVER, Phase.SERVER_COMPUTE, member, activity, cause, flops=1.0)


def queue(member: int, start: float, end: float, cause: int) -> Interval:
    return Interval(start, end, SERVER, Phase.SERVER_QUEUE, member, Activity.TRAIN, cause)


def sound() -> list[Interval]:
    """Two clients; the second one's job waits for the only slot."""
    return [
        down(0, 0, 1, NO_CAUSE),
        down(1, 0, 2, NO_CAUSE),
        device(0, 1.5, 2.5, 0),
        device(1, 2.25, 3.25, 1),
        up(0, 2.5, 3.5, 2),
        up(1, 3.25, 4.25, 3),
        server(0, 4, 6, 4),
        queue(1, 4.5, 6, 5),
        server(1, 6, 8, 7),
        server(1, 8, 9, 8, Activity.AGGREGATE),
    ]


def close(rows: list[Interval], duration_s: float = 9, slots: int = 1):
    return close_record(Intervals.from_rows(rows), 2, duration_s, slots, {})


def test_totals_of_a_sound_log():
    record = close(sound())
    assert record.wire_up.tolist() == record.wire_down.tolist() == [100, 100]
    assert record.payload_up.tolist() == record.payload_down.tolist() == [90, 90]
    assert record.device_busy_s.tolist() == [1, 1]
    assert record.server_busy_s == 5
    assert record.straggler == 1
    # Backwards: average 1, job 2, queue 1.5, uplink 1 + 0.25, device 1, downlink 2 + 0.25.
    assert record.critical_path_s == {
        "device_compute": 1,
        "uplink": 1.25,
        "server_queue": 1.5,
        "server_compute": 3,
        "downlink": 2.25,
        "offline": 0,
    }


def test_additive_terms_leave_out_waiting_and_averaging():
    additive = close(sound()).additive_s
    assert additive == {
        "weights_down": (1.5 + 2.25) / 2,
        "activations_up": 0,
        "gradients_down": 0,
        "weights_up": (1.5 + 1.25) / 2,
        "device_compute": 1,
        "server_compute": 2,
    }


def test_a_device_that_does_two_things_at_once_is_detected():
    rows = sound()
    rows.append(device(0, 2.4, 3.4, 0))
    with pytest.raises(ConservationError, match="two things at once"):
        close(rows)
    rows[-1] = device(0, 2.5, 3.4, 0)  # one after the other is fine
    close(rows)


def test_an_interval_outside_the_round_is_detected():
    for row in (device(0, 3, 9.1, 2), device(0, -0.1, 0.2, NO_CAUSE), device(0, 3, 2.9, 2)):
        with pytest.raises(ConservationError):
            close([*sound(), row])


def test_more_jobs_than_slots_are_detected():
    rows = [*sound(), server(0, 7, 7.5, 6)]
    with pytest.raises(ConservationError, match="1 slots"):
        close(rows)
    close(rows, slots=2)


def test_a_broken_chain_of_causes_is_detected():
    for row, broken in (
        (9, server(1, 8, 9, 6, Activity.AGGREGATE)),  # caused by what ended two seconds before
        (5, up(1, 3.25, 4.25, 2)),  # by another device's work
        (1, down(1, 0.5, 2, NO_CAUSE)),  # by nothing, but not at the beginning
        (5, up(1, 3.25, 4.3, 3)),  # arrives after what it caused
    ):
        rows = sound()
        rows[row] = broken
        with pytest.raises(ConservationError):
            close(rows)


def test_a_round_that_lasts_longer_than_its_log_is_detected():
    with pytest.raises(ConservationError):
        close(sound(), duration_s=9.5)


def test_an_empty_round_has_no_straggler():
    record = close_record(Intervals.from_rows([]), 0, 0.0, 1, {})
    assert record.straggler == NO_CAUSE
    assert sum(record.critical_path_s.values()) == 0


class Careless(ClassicFL):
    """Closes the round while something is still going on."""

    name = "careless"
    leaves = "message"

    def server(self, server, rnd):
        yield from server.send_weights("device")
        yield server.receive()
        if self.leaves == "message":
            server.send(wire.control())
        else:
            server.compute(Work(1000.0, 1.0), Activity.TRAIN)


@pytest.mark.parametrize(("leaves", "complaint"), [("message", "delivered"), ("job", "busy")])
def test_anything_in_flight_when_a_round_closes_is_detected(monkeypatch, leaves, complaint):
    monkeypatch.setattr(Careless, "leaves", leaves)
    method = make_method(Careless, [Device()], slots=2)
    with pytest.raises(UnfinishedRoundError, match=complaint):
        played(method)


@pytest.mark.parametrize("method", IN_ROUNDS)
@pytest.mark.parametrize("outstanding", [1, 3])
@pytest.mark.parametrize("cell", [None, Cell(700.0, 0.125), Cell(900.0, 0.0)])
def test_the_phases_of_the_critical_path_add_up_to_the_round(method, outstanding, cell):
    devices = [Device(samples=5), Device(speed=300, samples=8, up=400), Device(speed=2000)]
    for kept in play(
        method,
        devices,
        rounds=3,
        options=OPTIONS.get(method),
        cell=cell,
        outstanding=outstanding,
        server_speed=3000,
        epochs=2,
    ):
        record = kept.record
        assert tuple(record.critical_path_s) == PHASES
        assert sum(record.critical_path_s.values()) == pytest.approx(record.duration_s, rel=1e-9)
        assert all(seconds >= 0 for seconds in record.critical_path_s.values())
        rows = record.intervals
        assert (record.device_busy_s <= record.duration_s).all()
        assert rows.wire_bytes.sum() == record.wire_up.sum() + record.wire_down.sum()
        assert (rows.payload_bytes <= rows.wire_bytes).all()
        assert_causes(
            rows, devices if cell is None else [replace(d, delay=cell.delay) for d in devices]
        )


def assert_causes(rows: Intervals, devices: list[Device]) -> None:
    """Check that each row's cause comes before it and that its end or arrival is the row's start."""
    for row, cause in enumerate(rows.cause.tolist()):
        if cause == NO_CAUSE:
            assert rows.start[row] == 0
            continue
        assert cause < row
        member = max(rows.actor[cause], rows.peer[cause])
        moves = rows.phase[cause] in (Phase.UPLINK, Phase.DOWNLINK)
        delay = devices[member].delay if moves else 0.0
        gap = rows.start[row] - rows.end[cause]
        assert min(abs(gap), abs(gap - delay)) < 1e-9


def test_additive_terms_of_splitfed_by_hand():
    """One client as drawn by hand, then the mean with a second client of equal speed."""
    (one,) = play("splitfed", [Device()])
    expected = {
        "weights_down": 0.654 + 0.5,
        "activations_up": 0.803 + 0.779 + 1.0,
        "gradients_down": 0.2615 + 0.2535 + 1.0,
        "weights_up": 1.308 + 0.5,
        "device_compute": 0.2 + 0.6 + 0.1 + 0.4,
        "server_compute": 0.212 + 0.122,
    }
    assert one.record.additive_s == pytest.approx(expected, abs=1e-9)
    (two,) = play("splitfed", [Device(), Device()])
    assert two.record.additive_s == pytest.approx(expected, abs=1e-9)
    assert two.record.duration_s > one.record.duration_s + 0.2  # the queue is in the makespan only
    path = one.record.critical_path_s
    assert path["device_compute"] == pytest.approx(1.3, abs=1e-9)
    assert path["uplink"] == pytest.approx(0.803 + 0.779 + 1.308 + 1.5, abs=1e-9)
    assert path["downlink"] == pytest.approx(0.654 + 0.2615 + 0.2535 + 1.5, abs=1e-9)
    assert path["server_compute"] == pytest.approx(0.36, abs=1e-9)
