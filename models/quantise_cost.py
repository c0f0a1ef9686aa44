"""Costs of quantising and dequantising (`cutlayer.models.quantise`): operations and bytes."""

from typing import Final

from cutlayer.models.block_cost import FLOAT_BYTES, LayerCost

CODE, BYTE = 2, 1  # bytes of a code before packing, and of one packed in 8 bits

Step = tuple[str, int, int]  # name, bytes read and bytes written for each value

# Only 8 and 16 bits are not packed bit by bit.
_TO_CODES: Final = (
    ("abs", FLOAT_BYTES, FLOAT_BYTES),
    ("max", FLOAT_BYTES, 0),
    ("divide", FLOAT_BYTES, FLOAT_BYTES),
    ("round", FLOAT_BYTES, FLOAT_BYTES),
    ("clamp", FLOAT_BYTES, FLOAT_BYTES),
    ("to codes", FLOAT_BYTES, CODE),
)
_FROM_CODES: Final = (
    ("to floats", BYTE, FLOAT_BYTES),
    ("multiply", FLOAT_BYTES, FLOAT_BYTES),
    ("clamp", FLOAT_BYTES, FLOAT_BYTES),
)


def packed_bytes(values: int, bits: int) -> int:
    """Return the bytes of packed values: ceil(values * bits / 8)."""
    return (values * bits + 7) // 8


def quantise_costs(values: int, bits: int) -> tuple[LayerCost, ...]:
    """Return the costs of packing `values` float32 values per sample."""
    packing: tuple[Step, ...] = () if bits == 16 else (("pack", CODE, BYTE),)
    if bits not in (8, 16):
        packing = (
            ("shift", CODE, CODE * bits),
            ("mask", CODE * bits, CODE * bits),
            ("to bits", CODE * bits, bits),
            ("to places", bits, bits),
            ("sum", bits, BYTE),
        )
    return _costs("quantise", (*_TO_CODES, *packing), values)


def dequantise_costs(values: int, bits: int) -> tuple[LayerCost, ...]:
    """Return the costs of unpacking `values` float32 values per sample."""
    unpacking: tuple[Step, ...] = ()
    if bits not in (8, 16):
        unpacking = (
            ("shift", BYTE, bits),
            ("mask", bits, bits),
            ("to places", bits, 2 * FLOAT_BYTES * bits),
            ("sum", FLOAT_BYTES * bits, FLOAT_BYTES),
            ("sign", 2 * FLOAT_BYTES, FLOAT_BYTES),
        )
    return _costs("dequantise", (*unpacking, *_FROM_CODES), values)


def _costs(name: str, steps: tuple[Step, ...], values: int) -> tuple[LayerCost, ...]:
    return tuple(
        LayerCost(
            name=f"{name}: {step}",
            op_class="elementwise",
            forward_flops=values,
            backward_flops=0,
            weight_bytes=0,
            input_bytes=read * values,
            output_bytes=written * values,
            parameters=0,
        )
        for step, read, written in steps
    )
