"""What crosses a cut as one tensor, and comes back as several."""

import pytest
import torch

from cutlayer.models.quantise import dequantise, quantise
from cutlayer.models.traced.packing import Crossing, Pack, unpacked
from cutlayer.sim.learning.codecs.codec_operations import TWINS


@pytest.mark.parametrize("bits", [2, 8])
def test_masks_survive_quantisation_beside_large_activations(bits: int) -> None:
    values, mask = torch.randn(3, 4, 5) * 1000, torch.rand(3, 4) > 0.5
    crossings = [
        Crossing((0, 4, 5), torch.float32, (0, 1, 2), (0, 1, 2)),
        Crossing((0, 4), torch.bool, (0, 1), (0, 1)),
    ]
    sent = dequantise(quantise(Pack(crossings)((values, mask)), bits))
    received, back = unpacked(sent, crossings)
    assert torch.equal(back, mask)
    assert received.shape == values.shape


def test_a_codec_that_leaves_no_zeros_does_not_turn_padding_into_tokens() -> None:
    torch.manual_seed(0)
    values, mask = torch.randn(8, 32, 4), torch.arange(32) < torch.arange(8, 32, 3)[:, None]
    numbers = torch.arange(8)[:, None] + 2
    crossings = [
        Crossing((0, 32), torch.bool, (0, 1), (0, 1)),
        Crossing((0, 32, 4), torch.float32, (0, 1, 2), (0, 1, 2)),
        Crossing((0, 1), torch.int64, (0, 1), (0, 1)),
    ]
    sent = Pack(crossings)((mask, values, numbers))
    spec = {"name": "low_rank", "rank": 8, "bits": 16, "steps": 2, "residual": False}
    codec = TWINS["low_rank"](spec)
    received = codec.decode(codec.encode(sent, None), None, sent.shape)
    assert (received[:, :32][~mask] != 0).any()  # but near zero
    back = unpacked(received, crossings)
    assert torch.equal(back[0], mask)
    assert torch.equal(back[2], numbers)
