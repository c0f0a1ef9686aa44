"""Metrics of a regression, from the outputs and targets of all test samples, [samples, values]."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def mae(outputs: Values, targets: Values) -> float:
    """Return the mean absolute error over samples and values."""
    return float(np.abs(outputs - targets).mean())


def rmse(outputs: Values, targets: Values) -> float:
    """Return the root of the mean squared error over samples and values."""
    return float(np.sqrt(np.square(outputs - targets).mean()))


def r2(outputs: Values, targets: Values) -> float:
    """Return the coefficient of determination, the mean over the values.

    It is 1 - (sum of squared errors) / (sum of squared deviations from the test mean): 1 for exact
    outputs, 0 for the mean of the targets (Draper and Smith, "Applied Regression Analysis", 1998). A
    value that is the same in all test samples does not count; NaN if all are.
    """
    errors = np.square(outputs - targets).sum(axis=0)
    deviations = np.square(targets - targets.mean(axis=0)).sum(axis=0)
    varies = deviations > 0
    return float((1 - errors[varies] / deviations[varies]).mean()) if varies.any() else float("nan")
