"""Check the values of a data set against its declaration, and scale them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError, DatasetInfo

CHECKED_SAMPLES = 4096  # at a time, to bound the extra memory


def checked_values(info: DatasetInfo, values: NDArray[Any], split: str) -> NDArray[Any]:
    """Return the inputs of a split, scaled from the declared `value_range` if there is one.

    Raises DataError for NaN, infinity, and values out of the declared range.
    """
    low, high = np.inf, -np.inf
    for start, part in _parts(values):
        if part.dtype.kind == "f":
            invalid = np.flatnonzero(~np.isfinite(part).all(axis=tuple(range(1, part.ndim))))
            if invalid.size:
                raise DataError(
                    f"data set {info.name!r}: {split} sample {start + invalid[0]} holds NaN or infinity"
                )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if not len(values):
        return values
    finding = f"data set {info.name!r}: the {split} inputs hold values from {low:g} to {high:g}"
    if info.value_range is not None:
        smallest, largest = info.value_range
        if low < smallest or high > largest:
            raise DataError(
                f"{finding}, beyond the declared value_range of {smallest:g} to {largest:g}"
            )
        return _scaled(values, smallest, largest)
    if info.is_image and values.dtype != np.uint8 and (low < 0 or high > 1):
        raise DataError(
            f"{finding}, and float32 images have 0 to 1: declare a value_range to have them scaled"
        )
    if info.is_image and values.dtype == np.uint8 and high == 1:
        raise DataError(
            f"{finding}, and uint8 images have 0 to 255: declare value_range=(0, 1) if that is meant"
        )
    return values


def _scaled(values: NDArray[Any], smallest: float, largest: float) -> NDArray[np.float32]:
    scaled = np.empty(values.shape, np.float32)
    for start, part in _parts(values):
        scaled[start : start + len(part)] = (part - np.float64(smallest)) / (largest - smallest)
    return scaled


def _parts(values: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(0, len(values), CHECKED_SAMPLES):
        yield start, values[start : start + CHECKED_SAMPLES]
