"""Sizes of messages, worked out by hand; the framing constants are EcoFed's (bb1c516)."""

import pytest

from cutlayer.sim.endpoints import message as wire
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
