"""Rounds of every method with one client, worked out by hand.

Unless a test says otherwise: a device of 1,000 FLOP/s with 3 samples (batches of 2 and 1), a link of
1,000 bytes/s up and 2,000 down with 0.5 s of delay, a server of 10,000 FLOP/s. See tiny_worlds.
"""

import pytest
from tiny_worlds import DEVICE, DOWN, SERVE, UP, Device, Pen, assert_chart, drawn, play

from cutlayer.sim.log.intervals import Activity

DELAY = 0.5


def test_classic_fl():
    (kept,) = play("classic_fl", [Device()])
    whole = 4 * 130 + 163 + 315 * 7  # 2,888 bytes
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, whole / 2000, whole).gap(DELAY)
    pen.bar(DEVICE, Activity.TRAIN, (2 * (400 + 800) + 4 * 130) / 1000)
    pen.bar(DEVICE, Activity.TRAIN, (1 * (400 + 800) + 4 * 130) / 1000)
    pen.bar(UP, Activity.WEIGHTS, whole / 1000, whole).gap(DELAY)
    pen.bar(SERVE, Activity.AGGREGATE, 2 * 130 / 10_000)
    assert_chart(kept, pen.bars, 1.444 + 0.5 + 2.92 + 1.72 + 2.888 + 0.5 + 0.026)


def test_fedprox_is_classic_fl_with_three_flops_a_parameter_and_batch_more():
    (kept,) = play("fedprox", [Device()])
    whole = 2888
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, whole / 2000, whole).gap(DELAY)
    pen.bar(DEVICE, Activity.TRAIN, (2 * (400 + 800) + 4 * 130 + 3 * 130) / 1000)
    pen.bar(DEVICE, Activity.TRAIN, (1 * (400 + 800) + 4 * 130 + 3 * 130) / 1000)
    pen.bar(UP, Activity.WEIGHTS, whole / 1000, whole).gap(DELAY)
    pen.bar(SERVE, Activity.AGGREGATE, 2 * 130 / 10_000)
    assert_chart(kept, pen.bars, 1.444 + 0.5 + 3.31 + 2.11 + 2.888 + 0.5 + 0.026)


def test_fedprox_without_its_term_takes_the_time_of_classic_fl():
    (prox,) = play("fedprox", [Device()], options={"mu": 0.0})
    (classic,) = play("classic_fl", [Device()])
    assert prox.record.digest == classic.record.digest


@pytest.mark.parametrize(
    ("aggregation", "flops"),
    [("fedavgm", 5), ({"fedadam": {"lr": 0.1}}, 13), ({"fedyogi": {"lr": 0.1}}, 15)],
)
@pytest.mark.parametrize(("method", "averaged"), [("classic_fl", 130), ("local_loss", 135)])
def test_a_server_optimizer_makes_the_fold_longer(method, averaged, aggregation, flops):
    (plain,) = play(method, [Device()])
    (kept,) = play(method, [Device()], options={"aggregation": aggregation})
    *before, fold = drawn(kept)
    *same, mean = drawn(plain)
    assert before == same
    start, end, *rest = fold
    assert (start, *rest) == (mean[0], *mean[2:])
    assert end - start == pytest.approx((2 + flops) * averaged / 10_000)


def test_splitfed():
    (kept,) = play("splitfed", [Device()])
    block = 4 * 50 + 163 + 315 * 3  # 1,308 bytes
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, block / 2000, block).gap(DELAY)
    for samples in (2, 1):
        activation = 16 * samples + 8 * samples + 755
        gradient = 16 * samples + 491
        pen.bar(DEVICE, Activity.FORWARD, 100 * samples / 1000)
        pen.bar(UP, Activity.ACTIVATION, activation / 1000, activation).gap(DELAY)
        pen.bar(SERVE, Activity.TRAIN, ((300 + 600) * samples + 4 * 80) / 10_000)
        pen.bar(DOWN, Activity.GRADIENT, gradient / 2000, gradient).gap(DELAY)
        pen.bar(DEVICE, Activity.BACKWARD, (200 * samples + 4 * 50) / 1000)
    pen.bar(UP, Activity.WEIGHTS, block / 1000, block).gap(DELAY)
    pen.bar(SERVE, Activity.AGGREGATE, 2 * 130 / 10_000)
    assert_chart(kept, pen.bars, 8.719)


def test_local_loss_overlaps_training_upload_and_server():
    (kept,) = play("local_loss", [Device()])
    parts = 4 * 55 + 163 + 315 * 5  # 1,958 bytes
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, parts / 2000, parts).gap(DELAY)  # 1.479
    pen.bar(DEVICE, Activity.TRAIN, (2 * 300 + 4 * 50 + 2 * 30 + 4 * 5) / 1000)  # 2.359
    pen.bar(UP, Activity.ACTIVATION, 0.803, 803)  # 3.162
    first = Pen(0, 3.162 + DELAY).bar(SERVE, Activity.TRAIN, (2 * 800 + 320) / 10_000)
    pen.bar(DEVICE, Activity.TRAIN, (300 + 200 + 30 + 20) / 1000)  # 3.712
    pen.bar(UP, Activity.ACTIVATION, 0.779, 779)  # 4.491
    second = Pen(0, 4.491 + DELAY).bar(SERVE, Activity.TRAIN, (800 + 320) / 10_000)
    pen.bar(UP, Activity.WEIGHTS, parts / 1000, parts).gap(DELAY)  # 6.949
    pen.bar(SERVE, Activity.AGGREGATE, 2 * 135 / 10_000)
    assert_chart(kept, pen.bars + first.bars + second.bars, 6.976)


def test_fedgkt_with_exchange_of_weights():
    (kept,) = play("fedgkt", [Device()], epochs=2)
    parts = 1958
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, parts / 2000, parts).gap(DELAY)
    for samples in (2, 1, 2, 1):  # two local epochs
        pen.bar(DEVICE, Activity.TRAIN, (330 * samples + 4 * 55) / 1000)
    for samples in (2, 1):  # and one pass for the features
        upload = (16 + 8) * samples + 755 + 12 * samples + 224
        logits = 12 * samples + 491
        pen.bar(DEVICE, Activity.FORWARD, 110 * samples / 1000)
        pen.bar(UP, Activity.ACTIVATION, upload / 1000, upload).gap(DELAY)
        pen.bar(SERVE, Activity.TRAIN, (800 * samples + 320) / 10_000)
        pen.bar(DOWN, Activity.LOGITS, logits / 2000, logits).gap(DELAY)
    pen.bar(UP, Activity.WEIGHTS, parts / 1000, parts).gap(DELAY)
    pen.bar(SERVE, Activity.AGGREGATE, 2 * 135 / 10_000)
    downs, computed = 0.979 + 0.2575 + 0.2515, 2 * (0.88 + 0.55) + 0.22 + 0.11
    ups, served = 1.051 + 1.015 + 1.958, 0.192 + 0.112 + 0.027
    assert_chart(kept, pen.bars, downs + computed + ups + served + 6 * DELAY)


def test_fedgkt_without_exchange_of_weights():
    (kept,) = play("fedgkt", [Device()], options={"exchange_weights": False})
    pen = Pen(0)
    pen.bar(DEVICE, Activity.TRAIN, (2 * 330 + 220) / 1000)
    pen.bar(DEVICE, Activity.TRAIN, (330 + 220) / 1000)
    pen.bar(DEVICE, Activity.FORWARD, 0.22).bar(UP, Activity.ACTIVATION, 1.051, 1051)
    pen.bar(DEVICE, Activity.FORWARD, 0.11).bar(UP, Activity.ACTIVATION, 1.015, 1015)
    everything = (
        0.88 + 0.55 + 0.22 + 1.051 + 0.11 + 1.015 + DELAY
    )  # then the server has all features
    server = Pen(0, everything).bar(SERVE, Activity.TRAIN, 0.192)
    first = Pen(0, server.now).bar(DOWN, Activity.LOGITS, (24 + 491) / 2000, 515)
    server.bar(SERVE, Activity.TRAIN, 0.112)
    second = Pen(0, first.now).bar(DOWN, Activity.LOGITS, (12 + 491) / 2000, 503)
    assert_chart(
        kept,
        pen.bars + server.bars + first.bars + second.bars,
        everything + 0.192 + 0.2575 + 0.2515 + DELAY,
    )


def test_ecofed_upload_and_replay_rounds():
    upload, replay = play("ecofed", [Device(loader=0.25)], rounds=2, options={"init": "random"})
    pen = Pen(0)
    server = []
    for samples in (2, 1):  # 7 operations on each of 4 values to quantise them, 3 on the server
        pen.bar(DEVICE, Activity.FORWARD, 0.25 + (100 * samples + 7 * 4 * samples) / 1000)
        size = 4 * samples + 8 * samples + 820
        pen.bar(UP, Activity.ACTIVATION, size / 1000, size)
        served = (800 * samples + 320 + 3 * 4 * samples) / 10_000
        server += Pen(0, pen.now + DELAY).bar(SERVE, Activity.TRAIN, served).bars
    last = 0.25 + 0.256 + 0.844 + 0.25 + 0.128 + 0.832 + DELAY
    average = Pen(0, last + 0.1132).bar(SERVE, Activity.AGGREGATE, 2 * 80 / 10_000)
    assert (upload.round_type, replay.round_type) == ("upload", "replay")
    assert_chart(upload, pen.bars + server + average.bars, last + 0.1132 + 0.016)

    pen = Pen(0).bar(DEVICE, Activity.LOAD, 0.25).bar(UP, Activity.CONTROL, 0.104, 104)
    server = Pen(0, pen.now + DELAY).bar(SERVE, Activity.TRAIN, 0.1944).bars
    pen.bar(DEVICE, Activity.LOAD, 0.25).bar(UP, Activity.CONTROL, 0.104, 104)
    server += Pen(0, pen.now + DELAY).bar(SERVE, Activity.TRAIN, 0.1132).bars
    average = Pen(0, 0.708 + DELAY + 0.1132).bar(SERVE, Activity.AGGREGATE, 0.016)
    assert_chart(replay, pen.bars + server + average.bars, 0.708 + DELAY + 0.1132 + 0.016)


def test_ecofed_replay_without_control_messages_only_uses_the_server():
    _, replay = play(
        "ecofed", [Device()], rounds=2, options={"init": "random", "control_messages": False}
    )
    pen = Pen(0).bar(SERVE, Activity.TRAIN, 0.1944).bar(SERVE, Activity.TRAIN, 0.1132)
    pen.bar(SERVE, Activity.AGGREGATE, 0.016)
    assert_chart(replay, pen.bars, 0.3236)


def test_ecofed_downloading_the_block_in_fp32():
    options = {"init": "random", "bits": None, "download_device_block": True}
    upload, replay = play("ecofed", [Device(samples=2)], rounds=2, options=options)
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, 1308 / 2000, 1308).gap(DELAY)
    pen.bar(DEVICE, Activity.FORWARD, 0.2)  # nothing to quantise
    pen.bar(UP, Activity.ACTIVATION, 0.803, 803).gap(DELAY)
    pen.bar(SERVE, Activity.TRAIN, 0.192).bar(SERVE, Activity.AGGREGATE, 0.016)
    assert_chart(upload, pen.bars, 1.154 + 0.2 + 1.303 + 0.192 + 0.016)
    pen = Pen(0).bar(DOWN, Activity.WEIGHTS, 1308 / 2000, 1308).gap(DELAY)
    pen.bar(DEVICE, Activity.LOAD, 0.0).bar(UP, Activity.CONTROL, 0.104, 104).gap(DELAY)
    pen.bar(SERVE, Activity.TRAIN, 0.192).bar(SERVE, Activity.AGGREGATE, 0.016)
    assert_chart(replay, pen.bars, 1.154 + 0.104 + 0.5 + 0.192 + 0.016)


def test_ecofed_uploads_once_per_period():
    for period, round_types in ((1, "uuuuu"), (2, "ururu"), (3, "urrur")):
        options = {"init": "random", "period": period}
        rounds = play("ecofed", [Device()], rounds=5, options=options)
        assert "".join(kept.round_type[0] for kept in rounds) == round_types


def test_centralised_collects_once():
    collect, train = play("centralised", [Device()], rounds=2, server_speed=1000)
    images = (4 + 8) * 3 + 755
    pen = Pen(0).bar(UP, Activity.IMAGES, images / 1000, images).gap(DELAY)
    training = Pen(-1, pen.now)
    training.bar(SERVE, Activity.TRAIN, (2 * 1200 + 4 * 130) / 1000)
    training.bar(SERVE, Activity.TRAIN, (1200 + 4 * 130) / 1000)
    assert_chart(collect, pen.bars + training.bars, 0.791 + 0.5 + 2.92 + 1.72)
    alone = Pen(-1).bar(SERVE, Activity.TRAIN, 2.92).bar(SERVE, Activity.TRAIN, 1.72)
    assert_chart(train, alone.bars, 4.64)
    assert train.participants == ()


def test_centralised_can_start_with_the_images():
    options = {"collect_images": False}
    (train,) = play("centralised", [Device()], server_speed=1000, options=options)
    pen = Pen(-1).bar(SERVE, Activity.TRAIN, 2.92).bar(SERVE, Activity.TRAIN, 1.72)
    assert_chart(train, pen.bars, 4.64)


def test_with_two_uploads_outstanding_the_device_keeps_computing():
    """The third activation waits until the first has left, the fourth until the second has."""
    device = Device(samples=8, delay=0.0, up=1000.0)
    (kept,) = play("ecofed", [device], options={"init": "random"}, outstanding=2)
    compute = Pen(0)
    compute.bar(DEVICE, Activity.FORWARD, 0.256).bar(DEVICE, Activity.FORWARD, 0.256)
    compute.until(0.256 + 0.844).bar(DEVICE, Activity.FORWARD, 0.256)  # once the first has left
    compute.until(0.256 + 2 * 0.844).bar(DEVICE, Activity.FORWARD, 0.256)
    ups = Pen(0, 0.256)
    for _ in range(4):
        ups.bar(UP, Activity.ACTIVATION, 0.844, 844)
    server = []
    for arrival in (1.1, 1.944, 2.788, 3.632):
        server += Pen(0, arrival).bar(SERVE, Activity.TRAIN, 0.1944).bars
    server += Pen(0, 3.8264).bar(SERVE, Activity.AGGREGATE, 0.016).bars
    assert_chart(kept, compute.bars + ups.bars + server, 3.8424)
    assert abs(kept.record.critical_path_s["device_compute"] - 0.256) < 1e-9
    (one,) = play("ecofed", [device], options={"init": "random"}, outstanding=1)
    assert abs(one.record.duration_s - (4 * (0.256 + 0.844) + 0.1944 + 0.016)) < 1e-9
