"""Encode the values of states, messages and groups as safetensors bytes, and decode them.

A value is None, a bool, an int, a float, a text, a tensor, a registered dataclass or named tuple, or a
list, tuple or dictionary of values. The structure is JSON in the metadata of the safetensors content;
nothing is pickled. Decoded values are equal bit for bit, and tensors have the same strides: the bits
that a kernel computes can depend on the layout. Gradients and graphs of tensors are left out.

Tensors of one type whose elements overlap in memory are stored once, and overlap again when decoded.
Elements between those of a tensor with gaps are stored as well.
"""

import json
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from math import isfinite
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from cutlayer.errors import UserError
from cutlayer.models.own_object import plain_name
from cutlayer.models.quantise import Quantised
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.pending import ChainReport, Evaluation
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.tensor_blocks import (
    DTYPES,
    NAME_OF,
    NAMED,
    blocks_of,
    read_block,
    tensor_in,
)

Buffer = bytes | bytearray | memoryview
T = TypeVar("T")

FORMAT: Final = "cutlayer value 1"
_ALIGNMENT: Final = 64


class UnknownValueError(UserError):
    """A value that cannot be encoded."""


class EncodingError(ValueError):
    """Content that is not an encoded value."""


_registered: dict[str, type] = {}


def register(kind: type[T]) -> type[T]:
    """Let values of a dataclass or named tuple be encoded; usable as a decorator.

    Its fields are encoded by name. It must be registered in the process that decodes as well.
    """
    assert is_dataclass(kind) or hasattr(kind, "_fields"), f"{kind} has no fields"
    _registered[_name(kind)] = kind
    return kind


def _name(kind: type) -> str:
    return f"{plain_name(kind.__module__)}:{kind.__qualname__}"


for _kind in (Quantised, StateKey, Batch, ChainReport, Evaluation):
    register(_kind)


def encode(value: Any) -> bytes:
    """Return a value as safetensors bytes. Raises UnknownValueError for a value of another type."""
    return b"".join(encode_pieces(value))


def encode_pieces(value: Any) -> list[bytes | memoryview]:
    """Return the pieces whose concatenation is `encode(value)`; those of tensors are not copied."""
    writer = _Writer()
    structure = writer.structure(value)
    blocks, places = blocks_of(writer.tensors)
    metadata = {
        "format": FORMAT,
        "structure": json.dumps(structure, separators=(",", ":")),
        "tensors": json.dumps(places, separators=(",", ":")),
    }
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for number, block in enumerate(blocks):
        begin, end = end, end + block.numel() * block.element_size()
        width = 2 if block.is_complex() else 1
        header[f"{number}"] = {
            "dtype": DTYPES[block.dtype],
            "shape": [block.numel() * width],
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)  # so that the data are aligned
    pieces: list[bytes | memoryview] = [struct.pack("<Q", len(text)), text]
    for block in blocks:
        pieces.append(block.cpu().view(torch.uint8).numpy().data)
    return pieces


def decode(content: Buffer, *, copy: bool = True) -> Any:
    """Return the value that `encode` made from bytes. Raises EncodingError if the content is damaged.

    Tensors are new, and aligned as torch aligns them. Without `copy` they are views of `content`, which
    must not be written to and need not be aligned.
    """
    try:
        header, data = _parts(content)
        metadata = header.pop("__metadata__")
        if metadata["format"] != FORMAT:
            raise EncodingError(f"the format is {metadata['format']!r}, not {FORMAT!r}")
        places = json.loads(metadata["tensors"])
        dtypes = {block: NAMED[dtype] for block, dtype, *_ in places}
        blocks = {
            number: read_block(data, header[f"{number}"]["data_offsets"], dtype, copy=copy)
            for number, dtype in dtypes.items()
        }
        tensors = [tensor_in(blocks, place) for place in places]
        return _value(json.loads(metadata["structure"]), tensors)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, struct.error) as error:
        if isinstance(error, EncodingError):
            raise
        raise EncodingError(f"damaged content: {type(error).__name__}: {error}") from error


def plain(value: Any) -> Any:
    """Return a value without tensors as plain data for JSON. Raises UnknownValueError."""
    writer = _Writer()
    structure = writer.structure(value)
    if writer.tensors:
        raise UnknownValueError("a tensor is not plain data")
    return structure


def from_plain(structure: Any) -> Any:
    """Return the value that `plain` made plain data from. Raises EncodingError."""
    try:
        return _value(structure, [])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EncodingError(f"damaged content: {type(error).__name__}: {error}") from error


class _Writer:
    """Collects the tensors of a value and returns its structure, in which they are numbers."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def structure(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            bits = ["float", struct.pack(">d", value).hex()]
            return value if isfinite(value) else bits
        if isinstance(value, Tensor):
            return ["tensor", self._number(value)]
        if kind in (list, tuple):
            return [kind.__name__, *map(self.structure, value)]
        if kind in (dict, OrderedDict):
            pairs = [[self.structure(key), self.structure(own)] for key, own in value.items()]
            return [kind.__name__, *pairs]
        if kind is torch.dtype and value in NAME_OF:
            return ["dtype", NAME_OF[value]]
        if kind is torch.Size:
            return ["size", *value]
        if _registered.get(name := _name(kind)) is kind:
            own = {field: self.structure(getattr(value, field)) for field in _fields(kind)}
            return ["of", name, own]
        raise UnknownValueError(
            f"a value of type {kind.__module__}.{kind.__qualname__} cannot be saved or sent to another"
            " process: operations may keep and return tensors, numbers, texts, lists, tuples,"
            " dictionaries and dataclasses registered with cutlayer.sim.learning.values.register"
        )

    def _number(self, tensor: Tensor) -> int:
        if tensor.layout != torch.strided or tensor.dtype not in DTYPES:
            raise UnknownValueError(
                f"a tensor of type {tensor.dtype} and layout {tensor.layout} cannot be saved or sent"
            )
        self.tensors.append(tensor.detach().resolve_conj().resolve_neg())
        return len(self.tensors) - 1


def _fields(kind: type) -> Iterator[str]:
    if is_dataclass(kind):
        yield from (field.name for field in fields(kind))
    else:
        yield from kind._fields  # type: ignore[attr-defined]


def _value(structure: Any, tensors: list[Tensor]) -> Any:
    """Return the value of a structure."""
    if not isinstance(structure, list):
        return structure
    kind, *rest = structure
    match kind:
        case "tensor":
            return tensors[rest[0]]
        case "list" | "tuple":
            values = [_value(one, tensors) for one in rest]
            return values if kind == "list" else tuple(values)
        case "dict" | "OrderedDict":
            pairs = [(_value(key, tensors), _value(own, tensors)) for key, own in rest]
            return dict(pairs) if kind == "dict" else OrderedDict(pairs)
        case "float":
            return struct.unpack(">d", bytes.fromhex(rest[0]))[0]
        case "dtype":
            return NAMED[rest[0]]
        case "size":
            return torch.Size(rest)
        case "of":
            name, own = rest
            if name not in _registered and name.startswith("cutlayer."):
                import_module(name.partition(":")[0])  # which registers it
            make: Callable[..., Any] = _registered[name]
            return make(**{field: _value(one, tensors) for field, one in own.items()})
    raise EncodingError(f"unknown kind of value {kind!r}")


def _parts(content: Buffer) -> tuple[dict[str, Any], memoryview]:
    """Return the header of safetensors content, and its data."""
    view = memoryview(content).cast("B")
    (length,) = struct.unpack("<Q", view[:8])
    if length > len(view) - 8:
        raise EncodingError("the content is cut off")
    header = json.loads(bytes(view[8 : 8 + length]))
    return header, view[8 + length :]
