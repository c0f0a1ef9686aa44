"""Methods that close a round before all clients are done: deadlines, and the first K of N.

As in tiny_worlds: up 1,000 bytes/s, down 2,000 bytes/s, 0.5 s of delay. In classic FL 2,888 bytes
come down by 1.444 and arrive at 1.944; two batches are trained until 4.864 and 6.584; the weights go
up until 9.472 and arrive at 9.972.
"""

import pytest
from tiny_worlds import Device, make_method, played, rows_of

from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.splitfed import SplitFed
from cutlayer.sim.run.one_round import UnfinishedRoundError

WEIGHTS = 2888
ALONE_S = 9.972  # when a client's weights have arrived
AVERAGING_S = 0.026  # of one client's weights


class Deadline(ClassicFL):
    cancels = True
    deadline_s = 8.0

    def wait(self, rnd, members):
        yield members.done | self.world.clock.timeout(self.deadline_s)
        for member in members.unfinished:
            self.cancel(rnd, member)


class SplitDeadline(Deadline, SplitFed):
    cut = SplitFed.cut
    device = SplitFed.device
    server = SplitFed.server


class FirstOne(ClassicFL):
    cancels = True

    def wait(self, rnd, members):
        yield members.first(1)
        for member in members.unfinished:
            self.cancel(rnd, member)


class Careless(ClassicFL):
    """Closes its round at a deadline without cancelling any member."""

    def wait(self, rnd, members):
        yield members.done | self.world.clock.timeout(Deadline.deadline_s)


def result_of(method, devices, rounds=1, deadline_s=8.0, **world):
    playing = make_method(method, devices, **world)
    playing.deadline_s = deadline_s
    return played(playing, rounds)


def test_an_upload_at_the_deadline_is_cut_off_and_its_bytes_are_dropped() -> None:
    result = result_of(Deadline, [Device()])
    (kept,), (rnd,) = result.kept, result.rounds
    sent = round((8 - 6.584) * 1000)
    assert rows_of(kept, Activity.WEIGHTS, Activity.CANCELLED) == [
        ("DOWNLINK", "WEIGHTS", 0, 1.444, WEIGHTS, 0),
        ("UPLINK", "WEIGHTS", 6.584, 8, sent, 1),
        ("OFFLINE", "CANCELLED", 8, 8, 0, 0),
    ]
    assert rnd.round_time_s == 8
    assert (rnd.clients_dropped, rnd.wasted_bytes, rnd.wire_up) == (1, sent, sent)


def test_the_average_is_without_the_cancelled_client() -> None:
    result = result_of(Deadline, [Device(), Device(up=100)], deadline_s=10.0)
    (rnd,) = result.rounds
    assert rnd.round_time_s == pytest.approx(10 + AVERAGING_S)
    assert rnd.clients_dropped == 1
    assert rnd.wasted_bytes == round((10 - 6.584) * 100)


def test_a_deadline_that_all_meet_changes_nothing() -> None:
    (rnd,) = result_of(Deadline, [Device()], deadline_s=50.0).rounds
    (plain,) = result_of(ClassicFL, [Device()]).rounds
    assert rnd == plain


def test_the_first_of_two_closes_the_round() -> None:
    result = result_of(FirstOne, [Device(up=100), Device()])
    (rnd,) = result.rounds
    assert rnd.round_time_s == pytest.approx(ALONE_S + AVERAGING_S)
    assert rnd.clients_dropped == 1


@pytest.mark.parametrize("deadline_s", [1.0, 1.7, 3.0, 6.0, 7.0, 9.6])
def test_a_client_can_be_cancelled_in_any_phase(
    deadline_s: float,
) -> None:
    """Downloading, in flight, computing, uploading: all conservation checks of the engine hold."""
    result = result_of(Deadline, [Device(), Device(up=100)], rounds=3, deadline_s=deadline_s)
    assert [rnd.round_time_s for rnd in result.rounds] == [deadline_s] * 3
    for kept in result.kept:
        assert kept.record.critical_path_s
        assert sum(kept.record.critical_path_s.values()) == pytest.approx(deadline_s)


@pytest.mark.parametrize("deadline_s", [0.3, 2.0, 3.1, 3.9, 4.4, 5.5, 6.2])
def test_split_training_can_be_cancelled_in_any_phase(deadline_s: float) -> None:
    """A job that is running on the server is finished, and then the round closes."""
    result = result_of(
        SplitDeadline, [Device(), Device(), Device()], 2, deadline_s, server_speed=500.0
    )
    for rnd in result.rounds:
        assert rnd.clients_dropped == 3
        assert deadline_s <= rnd.round_time_s < deadline_s + 4


def test_a_cancelled_clients_update_is_not_in_the_digest() -> None:
    """The average, and so the learning digest, depends on which clients were cancelled."""
    late = result_of(Deadline, [Device(), Device(up=100)], deadline_s=10.0)
    both = result_of(Deadline, [Device(), Device(up=100)], deadline_s=100.0)
    later = result_of(Deadline, [Device(), Device(up=100)], deadline_s=11.0)
    assert late.learning_digest == later.learning_digest
    assert late.learning_digest != both.learning_digest


def test_closing_a_round_with_unfinished_members_is_an_error() -> None:
    with pytest.raises(UnfinishedRoundError, match=r"1 transfers in flight.*Method\.cancel"):
        result_of(Careless, [Device()])
