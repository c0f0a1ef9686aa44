"""Energy is the integral of power over time, compared with a slow second-by-second sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_scenarios import STAR, scenario

from cutlayer import run
from cutlayer.sim.log.energy import DeviceUse, active_times, energy_j
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Interval, Intervals, Phase

POWER = {"idle": 2.0, "compute": 5.0, "send": 3.5, "receive": 2.5}
PHASES_DRAWN = (Phase.DEVICE_COMPUTE, Phase.UPLINK, Phase.DOWNLINK, Phase.SERVER_COMPUTE)
STATES = ("compute", "send", "receive")

rows = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 6), st.sampled_from(range(4)), st.integers(0, 2)),
    max_size=25,
)


def intervals_of(entries) -> Intervals:
    made = []
    for start, length, phase, member in entries:
        actor, peer = (
            (SERVER, member) if PHASES_DRAWN[phase] == Phase.DOWNLINK else (member, SERVER)
        )
        if PHASES_DRAWN[phase] == Phase.SERVER_COMPUTE:
            actor, peer = SERVER, member
        made.append(
            Interval(
                float(start), float(start + length), actor, PHASES_DRAWN[phase], peer, 0, NO_CAUSE
            )
        )
    return Intervals.from_rows(made)


def integral(entries, member: int, elapsed: int) -> float:
    """Add up the power of every whole second."""
    joules = 0.0
    for second in range(elapsed):
        active = {
            STATES[phase]
            for start, length, phase, owner in entries
            if phase < 3 and owner == member and start <= second < start + length
        }
        joules += POWER["idle"] + sum(POWER[state] - POWER["idle"] for state in active)
    return joules


@given(rows)
def test_energy_is_the_integral_of_power(entries):
    active = active_times(intervals_of(entries), 3)
    for member in range(3):
        use = DeviceUse("any")
        found = use.add(POWER, 30.0, {state: times[member] for state, times in active.items()})
        assert found == pytest.approx(integral(entries, member, 30))
        assert use.energy_j == found


def test_unknown_states_count_as_idle_and_unknown_needs_as_nothing():
    busy = {"compute": 2.0, "send": 3.0, "receive": 1.0}
    assert energy_j({"idle": 2.0, "compute": 5.0}, 10.0, busy) == 20 + 3 * 2
    assert energy_j({"idle": 2.0, "compute": 1.0}, 10.0, busy) == 20
    assert energy_j({"compute": 5.0, "send": 1.0}, 10.0, busy) is None
    assert energy_j({"idle": 2.0}, 10.0, busy) is None


def test_one_unknown_round_makes_the_sum_unknown():
    times = active_times(intervals_of([(0, 5, 0, 0)]), 1)
    active = {state: float(seconds[0]) for state, seconds in times.items()}
    use = DeviceUse("any")
    use.add(POWER, 10.0, active)
    use.add({}, 10.0, active)
    assert use.energy_j is None
    use.add(POWER, 10.0, active)
    assert use.energy_j is None
    assert (use.rounds, use.elapsed_s, use.compute_s) == (3, 30.0, 15.0)


MINE = "speed: 1 GFLOP/s, power: {idle: 500 mW, compute: 4 W, send: 1.5 W, receive: 1 W}"
SHARE_OF_TIME = {
    "training.rounds": "4",
    "data.partition": "{sizes: 20}",
    "topology.star.clients.0.link": "{up: 1 Mbit/s, down: 1 Mbit/s, delay: 0 ms}",
    "topology.star.clients.0.device": "mine",
    "methods": "[splitfed, {ecofed: {init: random}}]",
}


def powered(folder, device):
    """Two devices that compute, send and receive, each for much of the time."""
    changes = [f"{key}={value}" for key, value in SHARE_OF_TIME.items()]
    loaded = scenario(folder, STAR, f"devices={{mine: {{{device}}}}}", *changes)
    (result,) = run(loaded, executor="none", log="events")
    return result


def test_a_runs_energy_adds_up_over_devices_rounds_and_states(tmp_path):
    result = powered(tmp_path, MINE)
    for method in result.methods.values():
        by_round = sum(r.energy_j for r in method.rounds)
        by_device = sum(use.energy_j for use in method.devices.values())
        assert method.energy_j == pytest.approx(by_round)
        assert method.energy_j == pytest.approx(by_device)
        for use in method.devices.values():
            assert use.elapsed_s == pytest.approx(method.virtual_time_s)
            expected = 0.5 * use.elapsed_s + 3.5 * use.compute_s + use.send_s + 0.5 * use.receive_s
            assert use.energy_j == pytest.approx(expected)
        busy = sum(use.compute_s for use in method.devices.values())
        assert busy == pytest.approx(method.clients_busy_s)
        # Busy and idle time are all the time there is.
        for row in method.rows_of("devices"):
            assert 0 <= row["idle_fraction"] <= 1
            assert row["compute_s"] + row["idle_fraction"] * row["elapsed_s"] == pytest.approx(
                row["elapsed_s"]
            )
    assert result.methods["ecofed"].energy_j < result.methods["splitfed"].energy_j


def test_devices_without_figures_have_no_energy(tmp_path):
    for method in powered(tmp_path, "speed: 1 GFLOP/s").methods.values():
        assert method.energy_j is None
        assert {r.energy_j for r in method.rounds} == {None}
        assert method.summary({})["energy_j"] is None


def test_transfers_that_overlap_count_once():
    active = active_times(intervals_of([(0, 6, 1, 0), (2, 6, 1, 0), (10, 1, 1, 0)]), 1)
    assert active["send"] == pytest.approx(np.array([9.0]))
