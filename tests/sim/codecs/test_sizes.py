"""The bytes of encoded messages, in closed form."""

import math

import pytest
from codec_cases import UPS, down, up

from cutlayer.models.quantise_cost import packed_bytes
from cutlayer.scenarios.codec import Codec as Section
from cutlayer.sim.codecs.codec import bytes_of
from cutlayer.sim.codecs.codecs import Codecs
from cutlayer.sim.codecs.registry import CODECS
from cutlayer.sim.endpoints import payload as wire

SHAPE = (6, 5, 4)  # 120 values
N = 7


def ceil8(bits: int) -> int:
    return math.ceil(bits / 8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", 4 * 840),
        ("fp16", 2 * 840),
        ("bf16", 2 * 840),
        ("int", 840),
        ("int of 5 bits", 525),
        ("int per channel", 630 + 6 * 4),
        ("top_k", 7 * 34 * 2 + ceil8(7 * 34 * 7)),  # 0.29 of 120 is 34.8; 120 places take 7 bits
        ("top_k in 32 bits", 7 * 12 * 4 + ceil8(7 * 12 * 7)),
        ("top_k of rows", 210 * 2 * 2 + ceil8(210 * 2 * 2)),  # 210 rows of 4
        ("top_k with feedback", 7 * 12 * 2 + ceil8(7 * 12 * 7)),
        ("rand_top_k", 7 * 36 * 2 + ceil8(7 * 36 * 7)),
        ("rand_top_k of rows", 210 * 2 * 4 + ceil8(210 * 2 * 2)),
        ("aq_sgd", 420),
        ("low_rank", 7 * 2 * 6 + 7 * 2 * 20),  # matrices of 6 x 20
        ("low_rank of values", ceil8(4 * 7 * 3 * 6) + ceil8(4 * 7 * 3 * 20)),
        ("product_quantisation", 2 * 5 * 30 * 4 + ceil8(7 * 4 * 3)),
        ("splitcom", 3 * 120 * 4 + 1),  # ceil(2.8) samples
    ],
)
def test_bytes_of_a_batch(name: str, expected: int) -> None:
    assert bytes_of(up(name).fields(SHAPE, N)) == expected


def test_every_codec_has_a_case() -> None:
    assert {up(name).name for name in UPS} == CODECS.keys() - {"kept"}


@pytest.mark.parametrize("name", UPS)
def test_every_setting_is_part_of_the_learning_digest(name: str) -> None:
    codec = up(name)
    assert codec.spec == {"name": codec.name, **dict(codec.section)}


def test_kept_sends_as_many_values_as_the_upload_had() -> None:
    for of_up, values in (("top_k", 7 * 34), ("rand_top_k", 7 * 36), ("splitcom", 3 * 120)):
        assert bytes_of(down({"kept": {"bits": 16}}, UPS[of_up]).fields(SHAPE, N)) == 2 * values


@pytest.mark.parametrize("share", [0.01, 0.07, 0.29, 0.57, 1.0])
def test_shares_of_whole_numbers_are_exact(share: float) -> None:
    """0.29 x 100 is 28.999999999999996 in floating point."""
    whole = round(100 * share)
    chosen = down({"top_k": {"share": share}}).fields((100,), 1)[0].values
    (sent, _) = up({"splitcom": {"share": share}}).fields((1,), 100)
    assert chosen == sent.values == whole


def test_ranks_and_centroids_are_no_more_than_there_are() -> None:
    assert bytes_of(down({"low_rank": {"rank": 99, "bits": 8}}).fields((6, 5), 2)) == 2 * 5 * 11
    many = {"product_quantisation": {"subvectors": 2, "centroids": 99}}

    centroids, numbers = up(many).fields((10,), 3)
    assert (centroids.values, numbers) == (6 * 5, (6, 3))


def test_int8_messages_have_ecofeds_bytes() -> None:

    codecs = Codecs(Section.model_validate({"up": {"int": {"bits": 8}}}))
    coding = codecs.coding("up", SHAPE, N, False)
    message = wire.encoded(wire.activation(SHAPE, N), coding)
    ecofeds = wire.activation(SHAPE, N, bits=8)
    assert message.payload_bytes == ecofeds.payload_bytes
    assert message.wire_bytes == ecofeds.wire_bytes
    assert message.parts == ecofeds.parts  # the labels
    assert message.bits is None  # it is decoded as a codec's


def test_values_sent_in_full_are_those_of_a_message_without_codec() -> None:

    codecs = Codecs(Section.model_validate({"up": {"aq_sgd": {"bits": 4}}}))
    message = wire.encoded(wire.activation(SHAPE, N), codecs.coding("up", SHAPE, N, True))
    assert message.wire_bytes == wire.activation(SHAPE, N).wire_bytes


def test_packed_fields_round_up_to_bytes() -> None:
    for name in UPS:
        for field in up(name).fields(SHAPE, N):
            assert field.bytes == packed_bytes(field.values, field.bits)


@pytest.mark.parametrize("name", [name for name in UPS if name != "identity"])
def test_encoding_and_decoding_take_time(name: str) -> None:
    codec = up(name)
    for costs in (codec.encoding(SHAPE, N), codec.decoding(SHAPE, N)):
        assert sum(cost.forward_flops for cost in costs) >= 7 * 12
        assert all(cost.input_bytes + cost.output_bytes > 0 for cost in costs)
