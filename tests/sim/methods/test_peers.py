"""Stronger clients that take the place of the server for weaker ones, worked out by hand.

Costs and defaults are those of tiny_worlds. Links of weak clients have 1,000 bytes/s up, 2,000 down and
0.5 s, those of peers 3,000 up, 8,000 down and 0.25 s; peers compute five times as fast.
"""

import numpy as np
import pytest
from tiny_worlds import DEVICE, DOWN, QUEUE, SERVE, UP, Device, assert_rows, make_method, played

from cutlayer.sim.log.intervals import SERVER, Activity

FIRST = -2  # the peer
MODEL, BLOCK, ACTIVATION, GRADIENT = 2888, 1308, 803, 523
WEAK = Device(samples=2)
PEER = Device(speed=5000, samples=2, up=3000.0, down=8000.0, delay=0.25)


def peers(name: str, rounds: int = 1) -> dict:
    return {"edges": {"peers": name, "rounds": rounds}}


def test_two_weak_clients_and_a_peer():
    """The peer trains its own batch while the weights are on their way to the weak clients."""
    method = make_method("splitfed", [WEAK, WEAK, PEER], options=peers("c2"))
    (kept,) = played(method).kept
    both, step = (0, 1), 0.424  # the server block's 2,120 FLOPs
    rows = [
        (DOWN, Activity.WEIGHTS, SERVER, FIRST, 0, 0.361, MODEL),
        (SERVE, Activity.FORWARD, FIRST, 2, 0.611, 0.651, 0),
        (SERVE, Activity.TRAIN, FIRST, 2, 0.651, 1.075, 0),
        (SERVE, Activity.BACKWARD, FIRST, 2, 1.075, 1.195, 0),
        # Both share the peer's uplink, and then cross its delay and their own.
        *((DOWN, Activity.WEIGHTS, FIRST, i, 0.611, 0.611 + BLOCK / 1500, BLOCK) for i in both),
        *((DEVICE, Activity.FORWARD, i, i, 2.233, 2.433, 0) for i in both),
        *((UP, Activity.ACTIVATION, i, FIRST, 2.433, 3.236, ACTIVATION) for i in both),
        (SERVE, Activity.TRAIN, FIRST, 0, 3.986, 4.41, 0),
        (QUEUE, Activity.TRAIN, FIRST, 1, 3.986, 4.41, 0),
        (SERVE, Activity.TRAIN, FIRST, 1, 4.41, 4.41 + step, 0),
    ]
    for i, at in ((0, 4.41), (1, 4.834)):
        arrived = at + GRADIENT / 2000 + 0.75
        rows += [
            (DOWN, Activity.GRADIENT, FIRST, i, at, at + GRADIENT / 2000, GRADIENT),
            (DEVICE, Activity.BACKWARD, i, i, arrived, arrived + 0.6, 0),
            (UP, Activity.WEIGHTS, i, FIRST, arrived + 0.6, arrived + 0.6 + BLOCK / 1000, BLOCK),
        ]
    at = 4.834 + 0.2615 + 0.75 + 0.6 + 1.308 + 0.75
    sent = at + 3 * 260 / 5000
    arrived = sent + MODEL / 3000 + 0.25
    rows += [
        (SERVE, Activity.AGGREGATE, FIRST, 1, at, sent, 0),
        (UP, Activity.WEIGHTS, FIRST, SERVER, sent, sent + MODEL / 3000, MODEL),
        (SERVE, Activity.AGGREGATE, SERVER, 1, arrived, arrived + 0.026, 0),
    ]
    assert_rows(kept, rows, arrived + 0.026)
    record = kept.record
    assert record.device_busy_s == pytest.approx([0.8, 0.8, 0.584 + 2 * step + 0.156])
    sending = BLOCK / 1500 + 2 * GRADIENT / 2000 + MODEL / 3000
    assert record.active_s["send"][2] == pytest.approx(sending)
    # Activations arrive together, device blocks one after the other but overlapping.
    receiving = 0.361 + 0.803 + (4.834 - 4.41 + 1.308)
    assert record.active_s["receive"][2] == pytest.approx(receiving)


def test_a_peer_s_own_batches_and_those_of_its_cluster_wait_for_each_other():
    devices = [WEAK, Device(speed=5000, samples=14, up=3000.0, down=8000.0, delay=0.25)]
    (kept,) = played(make_method("splitfed", devices, options=peers("c1"))).kept
    log = kept.record.intervals
    arrives = 0.611 + BLOCK / 2000 + 0.75 + 0.2 + 0.803 + 0.75
    own = int((arrives - 0.611) / 0.584)  # whole batches until then
    after = arrives - 0.611 - own * 0.584
    jobs = np.cumsum([0.04, 0.424, 0.12])
    free = arrives - after + float(jobs[np.searchsorted(jobs, after)])
    waits = (log.phase == QUEUE) & (log.peer == 0)
    assert log.start[waits].tolist() == pytest.approx([arrives])
    assert log.end[waits].tolist() == pytest.approx([free])
    assert ((log.phase == QUEUE) & (log.peer == 1)).sum() == 1  # the own job after it
    served = (log.phase == SERVE) & (log.actor == FIRST)
    starts, ends = np.sort(log.start[served]), np.sort(log.end[served])
    assert (starts[1:] >= ends[:-1] - 1e-12).all()
    assert served.sum() == 7 * 3 + 1 + 1
    assert kept.record.device_busy_s[1] == pytest.approx(7 * 0.584 + 0.424 + 2 * 260 / 5000)


def test_bytes_of_tiers_members_and_links_are_those_of_the_messages():
    devices = [WEAK, PEER, WEAK, WEAK, PEER]
    result = played(make_method("splitfed", devices, options=peers("device-1", 2)))
    record = result.kept[0].record
    weak = 2 * (BLOCK + ACTIVATION)
    assert record.wire_up.tolist() == [weak, 0, weak, weak, weak]
    down = 2 * (BLOCK + GRADIENT)
    assert record.wire_down.tolist() == [down, 0, down, down, down]
    assert record.tiers["access_bytes_up"] == 4 * weak
    assert record.tiers["access_bytes_down"] == 4 * down
    assert record.tiers["backhaul_bytes_up"] == record.tiers["backhaul_bytes_down"] == MODEL
    assert record.sent["wire_up"] == 4 * weak + MODEL
    carried = {name: use.wire_bytes for name, use in result.links.items()}
    assert carried["c1.up"] == 4 * down + MODEL
    assert carried["c1.down"] == 4 * weak + MODEL
    assert carried["c0.up"] == weak


def test_a_peer_that_is_not_sampled_serves_and_does_not_train():
    devices = [WEAK, WEAK, PEER]
    method = make_method("splitfed", devices, options=peers("c2"), clients_per_round=1)
    result = played(method, rounds=8)
    kinds = set()
    for kept in result.kept:
        log, (name,) = kept.record.intervals, kept.participants
        own = int(((log.actor == FIRST) & (log.activity == Activity.FORWARD)).sum())
        assert own == (name == "c2")
        assert (log.phase == DEVICE).any() == (name != "c2")
        kinds.add(name)
    assert "c2" in kinds
    assert len(kinds) > 1


@pytest.mark.parametrize("rounds", [1, 3])
def test_reuse_of_rounds_changes_nothing(rounds: int):
    devices = [WEAK, Device(speed=500), PEER, WEAK]

    def digest(*, reuse: bool) -> str:
        method = make_method("splitfed", devices, options=peers("c2", rounds), clients_per_round=2)
        return played(method, rounds=12, reuse=reuse).event_digest

    assert digest(reuse=True) == digest(reuse=False)
