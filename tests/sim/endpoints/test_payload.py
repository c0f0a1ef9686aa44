"""Sizes of payloads, worked out by hand; the framing constants are EcoFed's (bb1c516)."""

import pytest
from tiny_worlds import Device, make_method, played

from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.endpoints.endpoint import Mailbox
from cutlayer.sim.learning.chain import TensorRef
from cutlayer.sim.log.intervals import Activity


@pytest.mark.parametrize(
    ("message", "activity", "payload", "framing"),
    [
        (wire.weights(76_032, 8), Activity.WEIGHTS, 304_128, 2_683),
        (wire.weights(0, 0), Activity.WEIGHTS, 0, 163),
        (wire.weights(352, 9, 40), Activity.WEIGHTS, 1_448, 163 + 9 * 315),
        (wire.activation((128, 8, 8), 10), Activity.ACTIVATION, 327_680 + 80, 755),
        (wire.activation((128, 8, 8), 10, 8), Activity.ACTIVATION, 81_920 + 80, 820),
        (wire.activation((128, 8, 8), 10, 4), Activity.ACTIVATION, 40_960 + 80, 820),
        (wire.activation((3,), 1, 3), Activity.ACTIVATION, 2 + 8, 820),  # 9 bits take two bytes
        (wire.gradient((128, 8, 8), 10), Activity.GRADIENT, 327_680, 491),
        (
            wire.activation_and_logits((128, 8, 8), 10, 100),
            Activity.ACTIVATION,
            327_680 + 80 + 4_000,
            755 + 224,
        ),
        (wire.logits(10, 100), Activity.LOGITS, 4_000, 491),
        (wire.control(), Activity.CONTROL, 0, 104),
        (wire.images((3, 32, 32), 500), Activity.IMAGES, 500 * (3_072 + 8), 755),
    ],
)
def test_payload_and_framing(message, activity, payload, framing):
    assert message.activity == activity
    assert message.payload_bytes == payload
    assert message.wire_bytes == payload + framing


def test_whole_vgg11_is_within_a_byte_of_the_public_code():
    whole = wire.weights(34_440_970, 38)
    assert abs(whole.wire_bytes - whole.payload_bytes - 12_132) <= 1


def test_a_payload_knows_its_tensors():
    quantised, plain = wire.activation((128, 8, 8), 10, 4), wire.activation((128, 8, 8), 10)
    assert [(t.shape, t.bits) for t in quantised.tensors] == [((10, 128, 8, 8), 4), ((10,), 64)]
    assert (quantised.bits, plain.bits) == (4, None)
    assert wire.gradient((128, 8, 8), 10).tensors == (((10, 128, 8, 8), 32, ""),)


def test_a_cut_may_carry_several_tensors():
    """Each is packed by itself; a further tensor has the framing of FedGKT's second one."""
    both = wire.activation(((3,), (2, 2)), 1, 3)
    assert both.payload_bytes == 2 + 2 + 8  # 9 and 12 bits, and a label
    assert both.wire_bytes == both.payload_bytes + 820 + 224
    gradient = wire.gradient(((3,), (2, 2)), 10)
    assert gradient.payload_bytes == 10 * (3 + 4) * 4
    assert gradient.wire_bytes == gradient.payload_bytes + 491 + 224


def test_equal_payloads_are_one_object_unless_they_hold_tensors():
    one, result = wire.activation((3,), 2), TensorRef()
    assert wire.activation((3,), 2) is one.holding(None) is one
    held = one.holding(result)
    assert held == one
    assert (held.content, one.content) == (result, None)


def test_scaled_framing_is_rounded_to_whole_bytes():
    scaled = wire.with_framing(wire.control(), 0.333)
    assert scaled.wire_bytes == 35  # of 104


@pytest.mark.parametrize("method", ["splitfed", "splitfed_v2", "local_loss", "fedgkt", "ecofed"])
def test_what_is_received_is_what_was_sent(method, monkeypatch):
    """Also with scaled framing, which only the wire sees."""
    arrived = []
    put = Mailbox.put

    def noted(self, content):
        arrived.append(content)
        return put(self, content)

    monkeypatch.setattr(Mailbox, "put", noted)
    playing = make_method(method, [Device()])
    playing.world.framing = 3.0
    (kept,) = played(playing).kept
    rows = kept.record.intervals
    assert sum(p.payload_bytes for p in arrived) == rows.payload_bytes.sum()
    assert sum(p.payload_bytes + 3 * p.framing for p in arrived) == rows.wire_bytes.sum()
