"""What crosses a cut as one tensor, and comes back as several."""

import pytest
import torch

from cutlayer.models.quantise import dequantise, quantise
from cutlayer.models.traced.packing import Crossing, Pack, unpacked


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
