"""Blocks of memory: the elements that tensors span, and where each tensor lies in its block."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

DTYPES: Final = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.complex128: "F64",  # pairs of floats
    torch.complex64: "F32",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
NAMED: Final = {str(dtype).removeprefix("torch."): dtype for dtype in DTYPES}
NAME_OF: Final = {dtype: name for name, dtype in NAMED.items()}

with warnings.catch_warnings():
    # Torch warns once in a process of a buffer that cannot be written to. Views are only read.
    warnings.simplefilter("ignore")
    torch.frombuffer(b"0", dtype=torch.uint8)


class _Extent(NamedTuple):
    """The elements that a tensor spans in memory: `address` is that of the first, in bytes."""

    storage: tuple[int, int, str, int]  # equal if two tensors may share elements
    address: int
    end: int
    number: int


# Of each tensor: its block, type, shape, strides and offset in the block, in elements.
Place = tuple[int, str, list[int], list[int], int]


def blocks_of(tensors: list[Tensor]) -> tuple[list[Tensor], list[Place]]:
    """Return one-dimensional blocks of elements, the widest first, and the place of each tensor."""
    extents = []
    for number, tensor in enumerate(tensors):
        storage = tensor.untyped_storage()
        address = tensor.data_ptr()
        within = address % tensor.element_size()
        same = (storage.data_ptr(), storage.nbytes(), NAME_OF[tensor.dtype], within)
        extents.append(_Extent(same, address, address + _bytes(tensor), number))
    merged: list[list[_Extent]] = []
    end = 0
    for extent in sorted(extents):
        if merged and extent.storage == merged[-1][0].storage and extent.address < end:
            merged[-1].append(extent)
        else:
            merged.append([extent])
            end = 0
        end = max(end, extent.end)
    merged.sort(key=lambda group: (-tensors[group[0].number].element_size(), group[0].number))
    blocks, places = [], dict[int, Place]()
    for index, group in enumerate(merged):
        first = tensors[group[0].number]
        width = first.element_size()
        length = (max(extent.end for extent in group) - group[0].address) // width
        blocks.append(first.as_strided((length,), (1,)))
        for extent in group:
            tensor = tensors[extent.number]
            offset = (extent.address - group[0].address) // width
            shape, strides = list(tensor.shape), list(tensor.stride())
            places[extent.number] = (index, NAME_OF[tensor.dtype], shape, strides, offset)
    return blocks, [places[number] for number in range(len(tensors))]


def _bytes(tensor: Tensor) -> int:
    """Return the bytes from a tensor's first element to the end of its last."""
    if not tensor.numel():
        return 0
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return (1 + sum((size - 1) * stride for size, stride in steps)) * tensor.element_size()


def read_block(
    data: memoryview, offsets: Sequence[int], dtype: torch.dtype, *, copy: bool
) -> Tensor:
    """Return the elements of a block."""
    begin, end = offsets
    if not 0 <= begin <= end <= len(data):
        raise ValueError("the content is cut off")
    count = (end - begin) // dtype.itemsize
    if not count:
        return torch.empty(0, dtype=dtype)
    if not copy:
        return torch.frombuffer(data, dtype=dtype, count=count, offset=begin)
    block = torch.empty(count, dtype=dtype)
    block.view(torch.uint8).numpy()[:] = np.frombuffer(data, np.uint8, end - begin, begin)
    return block


def tensor_in(blocks: Mapping[int, Tensor], place: Place) -> Tensor:
    """Return the tensor of a place. Raises RuntimeError if it lies outside of its block."""
    block, _, shape, strides, offset = place
    return blocks[block].as_strided(shape, strides, offset)
