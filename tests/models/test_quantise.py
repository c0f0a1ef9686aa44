"""The quantiser: error bound, packed size, and the exact packed integers."""

from math import ceil, prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.models.quantise import QuantisationError, dequantise, quantise
from cutlayer.models.quantise_cost import packed_bytes

BITS = range(2, 17)
shapes = st.lists(st.integers(0, 7), min_size=0, max_size=4)


def bound(q, tensor):
    """Half a step plus the rounding error of float32 for the largest value."""
    peak = tensor.abs().max().item() if tensor.numel() else 0.0
    return q.scale / 2 + peak * 2.0**-22


@given(shapes, st.sampled_from(BITS), st.integers(0, 2**31), st.integers(-140, 125))
def test_the_error_of_a_round_trip_is_at_most_half_a_step(shape, bits, seed, exponent):
    generator = torch.Generator().manual_seed(seed)
    tensor = (torch.rand(shape, generator=generator) * 2 - 1) * 2.0**exponent
    q = quantise(tensor, bits)
    back = dequantise(q)
    assert q.packed.dtype == torch.uint8
    assert q.packed.numel() == packed_bytes(prod(shape), bits) == ceil(prod(shape) * bits / 8)
    assert back.dtype == torch.float32
    assert back.shape == tensor.shape
    assert ((back - tensor).abs().double() <= bound(q, tensor)).all()


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=20),
    st.sampled_from(BITS),
)
def test_round_trip_of_any_finite_values(values, bits):
    tensor = torch.tensor(values)
    q = quantise(tensor, bits)
    assert ((dequantise(q).double() - tensor.double()).abs() <= bound(q, tensor)).all()


@pytest.mark.parametrize("bits", BITS)
def test_scale_and_extremes(bits):
    tensor = torch.tensor([-3.0, 0.0, 3.0, 1.0])
    q = quantise(tensor, bits)
    assert q.scale == pytest.approx(3.0 / (2 ** (bits - 1) - 1), rel=1e-15)
    back = dequantise(q)
    assert back[:3].tolist() == pytest.approx([-3.0, 0.0, 3.0], rel=1e-6)
    assert back[1] == 0


@pytest.mark.parametrize("bits", BITS)
def test_packed_integers_are_twos_complement_without_gaps(bits):
    """The bits are read one by one and compared with integers that are known exactly."""
    levels = 2 ** (bits - 1) - 1
    codes = [levels, -levels, 0, 1, -1, levels // 2, -(levels // 2)]
    q = quantise(torch.tensor(codes, dtype=torch.float32), bits)
    assert q.scale == 1.0
    stream = "".join(f"{byte:08b}"[::-1] for byte in q.packed.tolist())
    read = []
    for i in range(len(codes)):
        word = int(stream[i * bits : (i + 1) * bits][::-1], 2)
        read.append(word - 2**bits if word >= 2 ** (bits - 1) else word)
    assert read == codes
    assert set(stream[len(codes) * bits :]) <= {"0"}
    assert dequantise(q).tolist() == codes


@pytest.mark.parametrize("bits", BITS)
def test_zeros_constants_and_single_values(bits):
    assert torch.equal(dequantise(quantise(torch.zeros(3, 5), bits)), torch.zeros(3, 5))
    constant = torch.full((2, 3), -0.7)
    assert torch.allclose(dequantise(quantise(constant, bits)), constant, rtol=1e-6)
    assert dequantise(quantise(torch.tensor(2.5), bits)).item() == pytest.approx(2.5, rel=1e-6)
    assert dequantise(quantise(torch.empty(0, 4), bits)).shape == (0, 4)


@pytest.mark.parametrize("bits", [3, 8, 16])
def test_memory_layout_has_no_effect(bits):
    tensor = torch.randn(6, 5, 4)
    for strange in (tensor.permute(2, 0, 1), tensor[::2, 1:], tensor.expand(2, 6, 5, 4)):
        assert not strange.is_contiguous()
        q, plain = quantise(strange, bits), quantise(strange.contiguous(), bits)
        assert torch.equal(q.packed, plain.packed)
        assert torch.equal(dequantise(q), dequantise(plain))
    images = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert torch.equal(quantise(images, bits).packed, quantise(images.contiguous(), bits).packed)


def test_ecofed_activation_has_the_published_bytes():
    q = quantise(torch.randn(10, 128, 8, 8))
    assert q.bits == 8
    assert q.packed.nbytes == 10 * 8192


def test_more_bits_never_increase_the_error():
    tensor = torch.randn(500)
    errors = [(dequantise(quantise(tensor, bits)) - tensor).pow(2).mean() for bits in BITS]
    assert errors == sorted(errors, reverse=True)


def test_tensors_with_a_graph_and_half_precision_are_accepted():
    tensor = torch.randn(4, requires_grad=True)
    assert not dequantise(quantise(tensor, 8)).requires_grad
    half = torch.randn(9).to(torch.bfloat16)
    q = quantise(half, 8)
    assert ((dequantise(q) - half.float()).abs() <= bound(q, half.float())).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(bad):
    tensor = torch.zeros(2, 3)
    tensor[1, 2] = bad
    with pytest.raises(QuantisationError, match=r"1 of 6 values of a tensor of shape \(2, 3\)"):
        quantise(tensor, 8)


def test_bits_out_of_range_and_integers_are_refused():
    for bits in (0, 1, 17, 32):
        with pytest.raises(QuantisationError, match=f"bits must be 2 to 16, got {bits}"):
            quantise(torch.zeros(3), bits)
    with pytest.raises(QuantisationError, match="only floating-point tensors"):
        quantise(torch.zeros(3, dtype=torch.int64), 8)


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_double_precision_is_preserved(bits):
    """By hand: scale = max|x| / (2^(bits-1) - 1), each value rounded to a multiple of it."""
    tensor = torch.linspace(-1, 1.1, 77, dtype=torch.float64)
    back = dequantise(quantise(tensor, bits))
    scale = 1.1 / (2 ** (bits - 1) - 1)
    assert back.dtype == torch.float64
    expected = [round(value / scale) * scale for value in tensor.tolist()]
    assert back.tolist() == pytest.approx(expected, abs=1e-15)
