"""The clock: rebasing, a stopped clock, and rounds that do not depend on their time."""

import pytest
from tiny_worlds import Device, play

import cutlayer.sim.clock
from cutlayer.sim.clock import Clock, StuckClockError


def test_rebase_moves_a_round_into_the_epoch():
    clock = Clock()
    clock.run(until=clock.timeout(3.5))
    assert (clock.now, clock.elapsed_s) == (3.5, 3.5)
    clock.timeout(100)  # obsolete
    clock.rebase(3.5)
    assert (clock.now, clock.epoch_s, clock.elapsed_s) == (0, 3.5, 3.5)
    clock.run(until=clock.timeout(1.25))
    assert (clock.now, clock.elapsed_s) == (1.25, 4.75)
    clock.run()
    assert clock.now == 1.25  # the obsolete wake-up is gone


def spin(clock: Clock, times: int, step: float):
    for _ in range(times):
        yield clock.timeout(step)


def test_a_stopped_clock_is_reported(monkeypatch):
    monkeypatch.setattr(cutlayer.sim.clock, "STUCK_AFTER", 1000)
    clock = Clock()
    clock.rebase(7.0)
    clock.process(spin(clock, 10**9, 0.0))
    with pytest.raises(StuckClockError, match=r"beyond 7\.0 s for 1000 events"):
        clock.run()


def test_a_moving_clock_is_not_reported_however_many_events(monkeypatch):
    monkeypatch.setattr(cutlayer.sim.clock, "STUCK_AFTER", 1000)
    clock = Clock()
    clock.process(spin(clock, 5000, 1e-9))
    clock.run()
    assert clock.now == pytest.approx(5e-6)


def test_a_late_round_is_bit_for_bit_an_early_one():
    devices = [Device(speed=3), Device(speed=7, samples=5)]  # long rounds: the epoch grows
    rounds = play("splitfed", devices, rounds=200, server_speed=11)
    assert len({kept.record.digest for kept in rounds}) == 1
    assert rounds[-1].start_s == pytest.approx(199 * rounds[0].record.duration_s)
    assert rounds[-1].start_s > 1e5
