"""Traffic by category: bytes worked out by hand, conservation, and what is cut off.

As in tiny_worlds: one client with batches of 2 and 1 samples; an activation has 4 values a sample, an
image 4 bytes, and there are 3 classes. The whole model is 2,888 bytes, the device block 1,308, and the
device block with its head 1,958. Labels have 8 bytes each.
"""

from bisect import bisect_right
from math import inf

import pytest
from tiny_runs import results
from tiny_worlds import Device, make_method, play, played

from cutlayer.errors import UserError
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.endpoints.fleet import Presence
from cutlayer.sim.endpoints.payload import Payload, TensorSpec
from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Intervals, Phase
from cutlayer.sim.log.record import ConservationError, close_record
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP, key_of
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.registry import METHODS

LABELS = 3 * 8
ACTIVATIONS = 3 * 16
WHOLE = {"up_weights": (2_888, 520), "down_weights": (2_888, 520)}  # of 130 parameters
BLOCK = {"up_weights": (1_308, 200), "down_weights": (1_308, 200)}  # of 50
HEADED = {"up_weights": (1_958, 220), "down_weights": (1_958, 220)}  # of 55
UPLOADS = {
    "up_activations": (ACTIVATIONS + 2 * 755, ACTIVATIONS),
    "up_labels": (LABELS, LABELS),
}
FIRST = {"up_activations": (2 * 16 + 755, 2 * 16), "up_labels": (2 * 8, 2 * 8)}  # of 2 samples
GRADIENTS = {"down_gradients": (ACTIVATIONS + 2 * 491, ACTIVATIONS)}
BY_HAND = {  # by method, for each of its rounds: wire and payload bytes
    "classic_fl": [WHOLE, WHOLE],
    "fedprox": [WHOLE, WHOLE],
    "fedasync": [WHOLE, WHOLE],
    "fedbuff": [WHOLE, WHOLE],
    "splitfed": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "pipar": [
        BLOCK
        | UPLOADS
        | GRADIENTS
        | {  # micro-batches of one sample: three messages each way
            "up_activations": (ACTIVATIONS + 3 * 755, ACTIVATIONS),
            "down_gradients": (ACTIVATIONS + 3 * 491, ACTIVATIONS),
        }
    ]
    * 2,
    "splitfed_v2": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "safsl": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "gas": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "smofi": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "sfl_ga": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "epsl": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "mergesfl": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "fedoptima": [HEADED | UPLOADS | {"down_control": (2 * 104, 0)}] * 2,
    "split_learning": [BLOCK | UPLOADS | GRADIENTS] * 2,
    "local_loss": [HEADED | UPLOADS] * 2,
    "cse_fsl": [HEADED | FIRST] * 2,
    "fsl_sage": [
        BLOCK | FIRST | {"down_weights": (1_308 + 813, 200 + 20)},  # and the head of 5 parameters
        BLOCK | FIRST,
    ],
    "ampere": [HEADED, {"down_weights": BLOCK["down_weights"]} | UPLOADS],
    "fedgkt": [
        HEADED
        | UPLOADS
        | {
            "up_activations": (ACTIVATIONS + 2 * (755 + 224), ACTIVATIONS),
            "up_logits": (3 * 12, 3 * 12),
            "down_logits": (3 * 12 + 2 * 491, 3 * 12),
        }
    ]
    * 2,
    "ecofed": [
        {"up_activations": (3 * 4 + 2 * 820, 3 * 4), "up_labels": (LABELS, LABELS)},
        {"up_control": (2 * 104, 0)},
    ],
    "centralised": [{"up_images": (3 * 4 + 755, 3 * 4), "up_labels": (LABELS, LABELS)}, {}],
}


def sizes(closed) -> dict[str, tuple[int, int]]:
    return {name: (size, closed.payload_by.get(name, 0)) for name, size in closed.wire_by.items()}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_by_hand(method):
    options = {"ecofed": {"init": "random"}, "fedbuff": {"buffer": 1}}.get(method, {})
    result = played(make_method(method, [Device()], options=options), 2)
    assert [sizes(closed) for closed in result.rounds] == BY_HAND[method]
    found = result.traffic()
    for way in (UP, DOWN):
        for category in CATEGORIES:
            both = [rnd.get(key_of(way, category), (0, 0)) for rnd in BY_HAND[method]]
            wire_bytes, payload_bytes = map(sum, zip(*both, strict=True))
            assert found[way][category] == {
                "wire_bytes": wire_bytes,
                "payload_bytes": payload_bytes,
            }


def test_more_framing_is_more_of_the_main_category():
    """Framing that the simulator's `framing` scales stays in the main category."""
    plain, doubled = (
        results("training.rounds=1", framing, executor="none")["splitfed"].rounds[0]
        for framing in ("scale.framing=1", "scale.framing=2")
    )
    assert plain.payload_by == doubled.payload_by
    for name, size in plain.wire_by.items():
        beyond = size - plain.payload_by[name]
        assert doubled.wire_by[name] == size + beyond
    assert plain.wire_by["up_labels"] == plain.payload_by["up_labels"] > 0


@pytest.mark.parametrize("reuse", [True, False])
def test_rounds_that_are_reused_count_as_those_that_are_played(reuse):
    result = played(make_method("splitfed", [Device(), Device()]), 3, reuse=reuse)
    assert bool(result.reused_rounds) == reuse
    assert result.traffic()["up"]["labels"]["wire_bytes"] == 3 * 2 * LABELS


class Offline:
    """Online until a moment, seconds."""

    def __init__(self, moment: float) -> None:
        self.turns = [moment]

    def piece(self, t: float) -> tuple[float, float]:
        gone = bisect_right(self.turns, t)
        return 1.0 - gone, inf if gone else self.turns[0]


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        (2.8, 441),  # the first activation, from 2.359: cut off
        (3.4, 803),  # has left at 3.162, and would arrive at 3.662
        (3.7, 803),  # has arrived; the second one is not sent yet
    ],
)
def test_what_is_cut_off_counts_whole_as_its_message(moment, sent):
    presences = {1: Presence(Offline(moment), "drop")}
    (rnd,) = played(make_method("local_loss", [Device(), Device()], presences=presences)).rounds
    lost = moment < 3.662
    labels = LABELS + (0 if lost else 16)
    assert rnd.wasted_bytes == (sent if lost else 0)
    assert rnd.wire_by["up_labels"] == rnd.payload_by["up_labels"] == labels
    assert rnd.wire_by["up_activations"] == 1_558 + 24 + sent - labels
    assert rnd.payload_by["up_activations"] == ACTIVATIONS + (0 if lost else 32)
    assert rnd.wire_up == sum(v for name, v in rnd.wire_by.items() if name.startswith("up"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("outstanding", [1, 3])
def test_categories_add_up_in_every_direction(method, outstanding):
    devices = [Device(samples=5), Device(speed=300, samples=8, up=400), Device(speed=2000)]
    options = {"init": "random"} if method == "ecofed" else {}
    for kept in play(method, devices, rounds=2, options=options, outstanding=outstanding):
        record = kept.record
        for way, wired, payload in (
            (UP, record.wire_up, record.payload_up),
            (DOWN, record.wire_down, record.payload_down),
        ):
            for by, total in ((record.wire_by, wired), (record.payload_by, payload)):
                assert sum(v for name, v in by.items() if name.startswith(way)) == total.sum()


def test_parts_beyond_the_payload_are_detected():
    sent = Interval(0, 1, 0, Phase.UPLINK, SERVER, Activity.ACTIVATION, NO_CAUSE, 100, 40)
    parts = {0: (("labels", 41),)}
    with pytest.raises(ConservationError, match="the categories of 40 bytes up are"):
        close_record(Intervals.from_rows([sent]), 1, 1.0, 1, parts)


class Odd(ClassicFL):
    """Sends something that has no category."""

    odd: Payload

    def server(self, server, rnd):
        yield server.send(self.odd)
        yield from super().server(server, rnd)

    def device(self, device, rnd):
        yield device.receive()
        yield from super().device(device, rnd)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (
            Payload(Activity.TRAIN, (TensorSpec((2,)),), 1),
            "a message has the activity TRAIN, not one of WEIGHTS, ",
        ),
        (
            Payload(Activity.CONTROL, (TensorSpec((8, 8), 1, "masks"),), 1),
            "a message has a part 'masks', not one",
        ),
    ],
)
def test_a_message_without_a_category_is_refused(monkeypatch, message, complaint):
    monkeypatch.setattr(Odd, "odd", message, raising=False)
    with pytest.raises(UserError, match=complaint):
        played(make_method(Odd, [Device()]))


def test_the_parts_of_messages():
    assert wire.activation((128, 8, 8), 10, 8).parts == (("labels", 80),)
    both = wire.activation_and_logits((128, 8, 8), 10, 100).parts
    assert both == (("labels", 80), ("logits", 4_000))
    assert wire.images((3, 32, 32), 500).parts == (("labels", 4_000),)
    assert wire.weights(352, 9).parts == wire.control().parts == ()
    assert wire.with_framing(wire.activation((3,), 2), 3.0).parts == (("labels", 16),)
