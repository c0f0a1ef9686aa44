"""Figures of saved tables as numbers."""

from collections.abc import Sequence

import numpy as np


def number(value: object) -> float | None:
    """Return a number as a float, None for anything else."""
    return float(value) if isinstance(value, int | float) else None


def mean(values: Sequence[object]) -> float | None:
    """Return the mean of numbers, None where one is not known or there is none."""
    known = [float(value) for value in values if isinstance(value, int | float)]
    return float(np.mean(known)) if known and len(known) == len(values) else None
