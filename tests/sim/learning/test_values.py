"""Values come back bit for bit, with their structure and strides, and without pickle."""

import json
import math
import struct
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load
from torch import Tensor, nn

from cutlayer.models.quantise import Quantised, quantise
from cutlayer.sim.learning.activation_buffer import Gaussian, gaussian
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.values import (
    EncodingError,
    UnknownValueError,
    decode,
    encode,
    encode_pieces,
    register,
)


def bits(tensor: Tensor) -> bytes:
    """The elements of a tensor in logical order, as bytes."""
    packed = torch.empty(tensor.shape, dtype=tensor.dtype)  # contiguous strides, whatever the size
    packed.copy_(tensor.detach())
    return packed.reshape(-1).view(torch.uint8).numpy().tobytes()


def check_equal(value: Any, other: Any) -> None:
    """Values of one type and structure, with the same bits and strides."""
    assert type(value) is type(other)
    if isinstance(value, Tensor):
        assert value.dtype == other.dtype
        assert value.shape == other.shape
        assert value.stride() == other.stride()
        assert bits(value) == bits(other)
    elif isinstance(value, dict):
        assert list(map(repr, value)) == list(map(repr, other))
        for own, of_other in zip(value.values(), other.values(), strict=True):
            check_equal(own, of_other)
    elif isinstance(value, list | tuple):
        assert len(value) == len(other)
        for own, of_other in zip(value, other, strict=True):
            check_equal(own, of_other)
    elif isinstance(value, float):
        assert struct.pack("d", value) == struct.pack("d", other)
    elif hasattr(value, "__dataclass_fields__"):
        check_equal(vars(value), vars(other))
    else:
        assert value == other


def check_round_trip(value: Any) -> None:
    content = encode(value)
    assert type(content) is bytes
    check_equal(decode(content), value)
    check_equal(decode(memoryview(bytearray(content))), value)
    check_equal(decode(content, copy=False), value)
    assert encode(decode(content)) == content


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DTYPES = st.sampled_from(
    [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
SHAPES = st.lists(st.integers(0, 3), max_size=3)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Tensors of random bits, some with permuted dimensions, gaps or repeated elements."""
    dtype, shape = draw(DTYPES), draw(SHAPES)
    count = math.prod(shape) * dtype.itemsize
    raw = draw(st.binary(min_size=count, max_size=count))
    if dtype == torch.bool:
        raw = bytes(byte & 1 for byte in raw)
    flat = torch.empty(math.prod(shape), dtype=dtype)
    flat.view(torch.uint8).numpy()[:] = np.frombuffer(raw, np.uint8)
    tensor = flat.reshape(shape)
    match draw(st.integers(0, 3)):
        case 1:
            return tensor.permute(draw(st.permutations(range(tensor.dim()))))
        case 2 if tensor.dim():
            return tensor[::2]
        case 3:
            return tensor.unsqueeze(0).expand(2, *shape)
    return tensor


KEYS = st.integers() | st.text() | st.tuples(st.text(), st.integers())
VALUES = st.recursive(
    SCALARS | tensors(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_values_of_any_structure_come_back(value: Any) -> None:
    check_round_trip(value)


def test_not_a_number_keeps_its_payload_and_sign() -> None:
    patterns = torch.tensor([0x7FC00001, -0x3FFFFF, 0x7F800001, -(2**31)], dtype=torch.int32)
    value = patterns.view(torch.float32)
    assert decode(encode(value)).view(torch.int32).tolist() == patterns.tolist()
    payload = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]
    check_round_trip([payload, math.inf, -math.inf, -0.0, 5e-324, 0.1])


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last),
        torch.randn(4, 1, 5, 5).contiguous(memory_format=torch.channels_last),  # ambiguous strides
        torch.randn(3, 4, 5).transpose(0, 2),
        torch.randn(6, 6)[1:5:2, ::3],
        torch.tensor(3.5),
        torch.zeros(()).expand(7, 2),
        torch.empty(0, 3),
        torch.empty(3, 0, 2)[1:],
        torch.arange(10).unfold(0, 4, 2),
        torch.randn(2, 3, dtype=torch.complex64),
        torch.randn(2, 3, dtype=torch.complex128).conj(),
        torch.tensor([True, False]),
    ],
    ids=lambda tensor: f"{tuple(tensor.shape)}-{tensor.stride()}-{tensor.dtype}",
)
def test_layouts_come_back(tensor: Tensor) -> None:
    check_round_trip([tensor])


def test_an_expanded_tensor_takes_the_place_of_its_elements() -> None:
    assert len(encode(torch.zeros(()).expand(1000, 1000))) < 1000


def test_shared_elements_are_stored_once_and_shared_again() -> None:
    whole = torch.randn(1000)
    content = encode({"whole": whole, "part": whole[500:], "again": whole})
    assert len(content) < 4 * 1000 + 1000
    decoded = decode(content)
    decoded["whole"][500] = 7.0
    assert decoded["part"][0] == 7.0
    assert decoded["again"][500] == 7.0
    check_round_trip([whole, whole.view(torch.int32), whole.view(torch.int32)[3:]])  # two types
    separate = decode(encode([whole[:500], whole[500:]]))
    assert separate[0].untyped_storage().data_ptr() != separate[1].untyped_storage().data_ptr()


def test_decoded_tensors_are_aligned_and_belong_to_nobody_else() -> None:
    content = bytearray(encode([torch.ones(3, dtype=torch.uint8), torch.ones(5), torch.ones(5)]))
    decoded = decode(content)
    assert all(tensor.data_ptr() % 64 == 0 for tensor in decoded)
    content[-1] = 3
    assert decoded[0].tolist() == [1, 1, 1]
    views = decode(content, copy=False)
    assert views[0].tolist() == [1, 1, 3]


def test_dataclasses_and_state_keys_come_back() -> None:
    table = gaussian(torch.randn(5, 7), torch.rand(5))
    check_round_trip({3: table, 1: table})
    check_round_trip({StateKey("device", 3, "optimiser", cut=2): [quantise(torch.randn(9, 3), 4)]})
    check_round_trip(OrderedDict(b=torch.float64, a=torch.Size([2, 3])))
    decoded = decode(encode([Quantised(torch.ones(1).view(torch.uint8), 0.1, 8, (4,))]))
    assert decoded[0].shape == (4,)
    assert isinstance(decode(encode(table)), Gaussian)


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.SGD])
def test_the_state_of_an_optimizer_goes_on(make: Any) -> None:
    torch.manual_seed(0)
    module, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    options = {"lr": 0.1} | ({"momentum": 0.9} if make is torch.optim.SGD else {})
    optimizer, other = make(module.parameters(), **options), make(twin.parameters(), **options)

    def step(of: nn.Module, with_optimizer: torch.optim.Optimizer) -> None:
        with_optimizer.zero_grad()
        torch.autograd.backward(of(torch.ones(4, 3)).square().sum())
        with_optimizer.step()

    step(module, optimizer)
    check_round_trip(optimizer.state_dict())
    twin.load_state_dict(decode(encode(module.state_dict())))
    other.load_state_dict(decode(encode(optimizer.state_dict())))
    step(module, optimizer)
    step(twin, other)
    check_equal(dict(module.state_dict()), dict(twin.state_dict()))


def test_safetensors_reads_the_content() -> None:
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(5), "c": torch.ones(3, dtype=torch.bool)}
    read = load(encode(tensors))
    assert sorted(bits(value) for value in read.values()) == sorted(map(bits, tensors.values()))


def test_pieces_are_not_copies() -> None:
    tensor = torch.zeros(4)
    pieces = encode_pieces(tensor)
    tensor += 1
    assert torch.equal(decode(b"".join(pieces)), torch.ones(4))


def test_another_process_decodes_a_dataclass_that_it_has_not_imported() -> None:
    content = encode(gaussian(torch.ones(2, 1), torch.ones(2)))
    program = (
        "import sys; from cutlayer.sim.learning.values import decode;"
        "print(type(decode(sys.stdin.buffer.read())).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True)
    assert done.stdout.decode().strip() == "Gaussian", done.stderr.decode()


@dataclass
class _Own:
    entries: list[Any]


def test_a_dataclass_is_encoded_once_it_is_registered() -> None:
    with pytest.raises(UnknownValueError, match=r"_Own cannot be saved or sent to another process"):
        encode({"x": [_Own([])]})
    register(_Own)
    check_round_trip({"x": [_Own([torch.ones(2), None])]})


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", np.ones(2), print, torch.ones(2).to_sparse()])
def test_other_types_are_named(value: Any) -> None:
    with pytest.raises(UnknownValueError, match="cannot be saved or sent"):
        encode([value])


def test_damaged_content_is_a_clear_error() -> None:
    content = encode({"a": torch.randn(100)})
    for length in (0, 7, 8, 50, len(content) - 1):
        with pytest.raises(EncodingError):
            decode(content[:length])
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"]["format"] = "another"
    text = json.dumps(header).encode()
    with pytest.raises(EncodingError, match="the format is 'another'"):
        decode(struct.pack("<Q", len(text)) + text + content[8 + size :])
    # A tensor that reaches beyond its block, or a class that nobody registered, is not decoded.
    for old, new in (("[100]", "[101]"), ('["dict"', '["code"')):
        broken = json.loads(
            json.dumps(header)
            .replace(old, new)
            .replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
        )
        broken["__metadata__"]["format"] = "cutlayer value 1"
        text = json.dumps(broken).encode()
        with pytest.raises(EncodingError):
            decode(struct.pack("<Q", len(text)) + text + content[8 + size :])
