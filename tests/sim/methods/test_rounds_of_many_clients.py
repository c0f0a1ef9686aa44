"""Rounds of two and three clients, worked out by hand: shared media, late starters, a busy server.

Costs and defaults are those of tiny_worlds; comments give the time at which each bar ends.
"""

import pytest
from tiny_worlds import (
    DEVICE,
    DOWN,
    QUEUE,
    SERVE,
    UP,
    Cell,
    Device,
    Pen,
    assert_chart,
    drawn,
    make_method,
    play,
)

from cutlayer.sim.log.intervals import Activity

DELAY = 0.5


def test_a_late_transfer_slows_an_earlier_one():
    """Classic FL on one medium: the fast device is uploading when the slow one begins."""
    slow, fast = Device(speed=1000, samples=2), Device(speed=4000, samples=2)
    (kept,) = play("classic_fl", [slow, fast], cell=Cell(1000, 0.25))
    bars = [(DOWN, Activity.WEIGHTS, i, 0, 2888 / 500, 2888) for i in (0, 1)]  # half each: 5.776
    bars.append((DEVICE, Activity.TRAIN, 0, 6.026, 6.026 + 2920 / 1000, 0))  # 8.946
    bars.append((DEVICE, Activity.TRAIN, 1, 6.026, 6.026 + 2920 / 4000, 0))  # 6.756
    alone = (8.946 - 6.756) * 1000  # 2,190 bytes of the fast device's at the full rate
    early_ends = 8.946 + (2888 - alone) / 500  # 10.342
    bars.append((UP, Activity.WEIGHTS, 1, 6.756, early_ends, 2888))
    late_ends = early_ends + (2888 - (early_ends - 8.946) * 500) / 1000  # 12.532
    bars.append((UP, Activity.WEIGHTS, 0, 8.946, late_ends, 2888))
    bars.append((SERVE, Activity.AGGREGATE, 0, 12.532 + 0.25, 12.782 + 0.052, 0))
    assert_chart(kept, bars, 12.834)
    assert kept.record.straggler == 0


def test_uploads_and_downloads_share_a_half_duplex_medium():
    """SplitFed: while the first one's gradient comes down, the second one's activation goes up."""
    devices = [Device(speed=1000, samples=2), Device(speed=160, samples=2)]
    (kept,) = play("splitfed", devices, cell=Cell(1000, 0.0))
    bars = [
        (DOWN, Activity.WEIGHTS, 0, 0, 2.616, 1308),
        (DOWN, Activity.WEIGHTS, 1, 0, 2.616, 1308),
        (DEVICE, Activity.FORWARD, 0, 2.616, 2.816, 0),
        (DEVICE, Activity.FORWARD, 1, 2.616, 2.616 + 200 / 160, 0),  # 3.866
        (UP, Activity.ACTIVATION, 0, 2.816, 3.619, 803),
        (SERVE, Activity.TRAIN, 0, 3.619, 3.831, 0),
        # 35 bytes of the gradient alone, 488 of each at half the rate, 315 of the activation alone.
        (DOWN, Activity.GRADIENT, 0, 3.831, 3.866 + 488 / 500, 523),  # 4.842
        (UP, Activity.ACTIVATION, 1, 3.866, 4.842 + 315 / 1000, 803),  # 5.157
        (DEVICE, Activity.BACKWARD, 0, 4.842, 5.442, 0),
        (SERVE, Activity.TRAIN, 1, 5.157, 5.369, 0),
        # 73 bytes of the second gradient alone, then it shares with the first block's way home.
        (DOWN, Activity.GRADIENT, 1, 5.369, 5.442 + 450 / 500, 523),  # 6.342
        (UP, Activity.WEIGHTS, 0, 5.442, 6.342 + (1308 - 450) / 1000, 1308),  # 7.2
        (DEVICE, Activity.BACKWARD, 1, 6.342, 6.342 + 600 / 160, 0),  # 10.092
        (UP, Activity.WEIGHTS, 1, 10.092, 11.4, 1308),
        (SERVE, Activity.AGGREGATE, 1, 11.4, 11.452, 0),
    ]
    assert_chart(kept, bars, 11.452)


def test_on_own_links_nobody_is_slowed():
    devices = [Device(speed=1000, samples=2), Device(speed=160, samples=2)]
    (both,) = play("splitfed", devices)
    for member, device in enumerate(devices):
        (one,) = play("splitfed", [device])
        bars = [bar for bar in drawn(both) if bar[4] == member and bar[3] != "AGGREGATE"]
        alone = [(*bar[:4], member, bar[5]) for bar in drawn(one) if bar[3] != "AGGREGATE"]
        assert bars == alone


def test_three_uploads_of_unequal_size_on_one_medium():
    """Sizes s1 < s2 < s3 on one medium C: T_k = (s_1 + .. + s_(k-1) + (n - k + 1) s_k) / C."""
    devices = [Device(samples=5), Device(samples=1), Device(samples=2)]
    (kept,) = play("centralised", devices, cell=Cell(1000, 0.5), server_speed=1e6)
    small, middle, large = 12 * 1 + 755, 12 * 2 + 755, 12 * 5 + 755
    bars = [
        (UP, Activity.IMAGES, 1, 0, 3 * small / 1000, small),
        (UP, Activity.IMAGES, 2, 0, (small + 2 * middle) / 1000, middle),
        (UP, Activity.IMAGES, 0, 0, (small + middle + large) / 1000, large),
    ]
    training = Pen(-1, 2.361 + 0.5)
    for _ in range(4):  # 8 samples in all
        training.bar(SERVE, Activity.TRAIN, 2920 / 1e6)
    assert_chart(kept, bars + training.bars, 2.861 + 4 * 0.00292)
    assert kept.record.straggler == 0


def test_stations_of_unequal_rate_share_airtime():
    """At 1,000 and 250 bytes/s, two busy stations get 1 / (1/1000 + 1/250) = 200 each."""
    devices = [Device(samples=2, up=1000), Device(samples=4, up=250)]
    (kept,) = play("centralised", devices, cell=Cell(None, 0.0), server_speed=1e6)
    first, second = 12 * 2 + 755, 12 * 4 + 755
    bars = [
        (UP, Activity.IMAGES, 0, 0, first / 200, first),
        (UP, Activity.IMAGES, 1, 0, first / 200 + (second - first) / 250, second),
    ]
    training = Pen(-1, 3.991)
    for _ in range(3):
        training.bar(SERVE, Activity.TRAIN, 2920 / 1e6)
    assert_chart(kept, bars + training.bars, 3.991 + 3 * 0.00292)


def local_loss_device_bars(member: int) -> list[tuple]:
    pen = Pen(member).bar(DOWN, Activity.WEIGHTS, 0.979, 1958).gap(DELAY)
    pen.bar(DEVICE, Activity.TRAIN, 0.88).bar(UP, Activity.ACTIVATION, 0.803, 803)  # 3.162
    return pen.bar(UP, Activity.WEIGHTS, 1.958, 1958).bars  # 5.12


def test_a_busy_server_queues_in_order():
    """Local loss, three equal clients, one slot: 1.92 s each, all submitted at 3.662 s."""
    (kept,) = play("local_loss", [Device(samples=2)] * 3, server_speed=1000)
    bars = [bar for member in range(3) for bar in local_loss_device_bars(member)]
    arrival, work = 3.662, 1.92
    bars.append((SERVE, Activity.TRAIN, 0, arrival, arrival + work, 0))
    for member in (1, 2):
        bars.append((QUEUE, Activity.TRAIN, member, arrival, arrival + member * work, 0))
        bars.append(
            (
                SERVE,
                Activity.TRAIN,
                member,
                arrival + member * work,
                arrival + (member + 1) * work,
                0,
            )
        )
    bars.append((SERVE, Activity.AGGREGATE, 2, 9.422, 9.422 + 2 * 135 * 3 / 1000, 0))
    assert_chart(kept, bars, 10.232)
    path = kept.record.critical_path_s
    assert path["server_queue"] == pytest.approx(2 * work, abs=1e-9)
    assert path["server_compute"] == pytest.approx(work + 0.81, abs=1e-9)


def test_a_second_slot_halves_the_queue():
    (kept,) = play("local_loss", [Device(samples=2)] * 3, server_speed=1000, slots=2)
    bars = [bar for member in range(3) for bar in local_loss_device_bars(member)]
    bars.append((SERVE, Activity.TRAIN, 0, 3.662, 5.582, 0))
    bars.append((SERVE, Activity.TRAIN, 1, 3.662, 5.582, 0))
    bars.append((QUEUE, Activity.TRAIN, 2, 3.662, 5.582, 0))
    bars.append((SERVE, Activity.TRAIN, 2, 5.582, 7.502, 0))
    bars.append((SERVE, Activity.AGGREGATE, 2, 7.502, 8.312, 0))
    assert_chart(kept, bars, 8.312)


def test_a_client_that_asks_while_the_server_is_busy_waits_for_the_rest():
    """SplitFed, one slot: the second activation arrives 0.1 s after the first."""
    devices = [Device(speed=1000, samples=2, delay=0.0), Device(speed=2000, samples=2, delay=0.0)]
    (kept,) = play("splitfed", devices, server_speed=4000)
    quick = Pen(1).bar(DOWN, Activity.WEIGHTS, 0.654, 1308).bar(DEVICE, Activity.FORWARD, 0.1)
    quick.bar(UP, Activity.ACTIVATION, 0.803, 803).bar(SERVE, Activity.TRAIN, 0.53)  # 2.087
    quick.bar(DOWN, Activity.GRADIENT, 0.2615, 523).bar(DEVICE, Activity.BACKWARD, 0.3)
    quick.bar(UP, Activity.WEIGHTS, 1.308, 1308)  # 3.9565
    slow = Pen(0).bar(DOWN, Activity.WEIGHTS, 0.654, 1308).bar(DEVICE, Activity.FORWARD, 0.2)
    slow.bar(UP, Activity.ACTIVATION, 0.803, 803)  # 1.657
    slow.bar(QUEUE, Activity.TRAIN, 2.087 - 1.657).bar(SERVE, Activity.TRAIN, 0.53)  # 2.617
    slow.bar(DOWN, Activity.GRADIENT, 0.2615, 523).bar(DEVICE, Activity.BACKWARD, 0.6)
    slow.bar(UP, Activity.WEIGHTS, 1.308, 1308)  # 4.7865
    slow.bar(SERVE, Activity.AGGREGATE, 2 * 130 * 2 / 4000)
    assert_chart(kept, quick.bars + slow.bars, 4.7865 + 0.13)
    assert kept.record.critical_path_s["server_queue"] == pytest.approx(0.43, abs=1e-9)


def test_split_learning_passes_the_block_on():
    devices = [Device(speed=1000, samples=2), Device(speed=500, samples=1, delay=0.1)]
    (kept,) = play("split_learning", devices)
    pen = (
        Pen(0).bar(DOWN, Activity.WEIGHTS, 0.654, 1308).gap(0.5).bar(DEVICE, Activity.FORWARD, 0.2)
    )
    pen.bar(UP, Activity.ACTIVATION, 0.803, 803).gap(0.5).bar(SERVE, Activity.TRAIN, 0.212)
    pen.bar(DOWN, Activity.GRADIENT, 0.2615, 523).gap(0.5).bar(DEVICE, Activity.BACKWARD, 0.6)
    pen.bar(UP, Activity.WEIGHTS, 1.308, 1308).gap(0.5)  # 6.0385
    second = Pen(1, 6.0385).bar(DOWN, Activity.WEIGHTS, 0.654, 1308).gap(0.1)
    second.bar(DEVICE, Activity.FORWARD, 0.2).bar(UP, Activity.ACTIVATION, 0.779, 779).gap(0.1)
    second.bar(SERVE, Activity.TRAIN, 0.122).bar(DOWN, Activity.GRADIENT, 0.2535, 507).gap(0.1)
    second.bar(DEVICE, Activity.BACKWARD, 0.8).bar(UP, Activity.WEIGHTS, 1.308, 1308).gap(0.1)
    assert_chart(kept, pen.bars + second.bars, 6.0385 + 4.5165)


def test_fedgkt_without_exchange_trains_once_all_features_have_arrived():
    """The first client waits for the second; logits are sent while the next batch trains."""
    devices = [Device(samples=2), Device(speed=500, samples=3)]
    (kept,) = play("fedgkt", devices, options={"exchange_weights": False})
    early = Pen(0).bar(DEVICE, Activity.TRAIN, 0.88).bar(DEVICE, Activity.FORWARD, 0.22)
    early.bar(UP, Activity.ACTIVATION, 1.051, 1051)
    late = Pen(1).bar(DEVICE, Activity.TRAIN, 1.76).bar(DEVICE, Activity.TRAIN, 1.1)
    late.bar(DEVICE, Activity.FORWARD, 0.44).bar(UP, Activity.ACTIVATION, 1.051, 1051)
    late.bar(DEVICE, Activity.FORWARD, 0.22).bar(UP, Activity.ACTIVATION, 1.015, 1015)  # 5.586
    bars = [
        (SERVE, Activity.TRAIN, 0, 6.086, 6.278, 0),
        (SERVE, Activity.TRAIN, 1, 6.278, 6.47, 0),
        (SERVE, Activity.TRAIN, 1, 6.47, 6.582, 0),
        (DOWN, Activity.LOGITS, 0, 6.278, 6.5355, 515),
        (DOWN, Activity.LOGITS, 1, 6.47, 6.7275, 515),
        (DOWN, Activity.LOGITS, 1, 6.7275, 6.979, 503),
    ]
    assert_chart(kept, early.bars + late.bars + bars, 7.479)


def test_clients_of_fedgkt_with_exchange_and_ecofed_overlap():
    """Two clients with own links and slots take as long as the slower one, and one average."""
    pair = [Device(samples=2), Device(speed=500, samples=2)]
    for method, options in (("fedgkt", {}), ("ecofed", {"init": "random"})):
        (both,) = play(method, pair, options=options, slots=2)
        (slower,) = play(method, pair[1:], options=options, slots=2)
        averaged = {"fedgkt": 135, "ecofed": 80}[method]
        more = 2 * averaged / 10_000  # one more member in the average
        assert both.record.duration_s == pytest.approx(slower.record.duration_s + more, abs=1e-9)
        assert both.record.straggler == 1


def test_ecofed_samples_replay_clients_with_a_buffer_unless_others_may_upload():
    for switch in (False, True):
        options = {"init": "random", "upload_when_unbuffered": switch}
        rounds = play("ecofed", [Device()] * 8, rounds=24, options=options, clients_per_round=2)
        buffered: set[str] = set()
        late_uploads = 0
        for kept in rounds:
            uploaded = {kept.participants[bar[4]] for bar in drawn(kept) if bar[3] == "ACTIVATION"}
            announced = {kept.participants[bar[4]] for bar in drawn(kept) if bar[3] == "CONTROL"}
            if kept.round_type == "upload":
                assert uploaded == set(kept.participants)
            else:
                assert announced == set(kept.participants) & buffered
                assert uploaded == set(kept.participants) - buffered
                late_uploads += len(uploaded)
            buffered |= uploaded
        assert (late_uploads > 0) == switch


def test_the_sample_of_a_round_depends_only_on_seed_and_round():
    few = make_method("splitfed", [Device()] * 6, clients_per_round=3).world.fleet
    again = make_method("splitfed", [Device()] * 6, clients_per_round=3).world.fleet
    backwards = [again.sample(index) for index in reversed(range(20))][::-1]
    draws = [few.sample(index) for index in range(20)]
    assert draws == backwards
    assert len(set(draws)) > 5
    assert all(tuple(sorted(set(draw))) == draw and len(draw) == 3 for draw in draws)
    other = make_method("splitfed", [Device()] * 6, clients_per_round=3, seed=1).world.fleet
    assert draws != [other.sample(index) for index in range(20)]
