"""Solve for the figures that fit times and a prior best, and for how well the times determine each."""

import math
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from cutlayer.sim.calibrate.law import Floats
from cutlayer.sim.calibrate.prior import SOFT, Prior

DETERMINED: Final = math.log(2)  # largest standard deviation of a logarithm that counts as known
AT_BOUND: Final = 0.01  # distance within which a logarithm counts as held by a bound
TOLERANCE: Final = 1e-10
MAX_EVALUATIONS: Final = 200


class Times(Protocol):
    """Times as a function of the logarithms of figures."""

    def seconds(self, logs: Floats) -> Floats:
        """Return the times."""

    def derivatives(self, logs: Floats) -> Floats:
        """Return d seconds / d logs."""


@dataclass(frozen=True)
class Solution:
    """Logarithms of figures, and their covariance for errors of `SOFT` in the times."""

    logs: Floats
    covariance: Floats
    held: tuple[bool, ...]  # by a bound

    @property
    def deviations(self) -> Floats:
        """The standard deviations of the logarithms."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def determined(self) -> tuple[bool, ...]:
        """Whether the times determine each figure to a factor of 2."""
        return tuple(
            bool(deviation <= DETERMINED) and not held
            for deviation, held in zip(self.deviations, self.held, strict=True)
        )


def solve(law: Times, seconds: Floats, scale: Floats, prior: Prior) -> Solution:
    """Return the figures that minimise the soft squared errors plus the squares of the prior.

    An error is (the law's time - `seconds`) / `scale`. Because every figure has a prior, small changes
    of the times move the minimum in proportion; the prior's bounds keep exponentials from overflowing.
    """

    def errors(logs: Floats) -> Floats:
        off = (law.seconds(logs) - seconds) / scale
        return np.concatenate([off, prior.rows @ logs - prior.values])

    def slopes(logs: Floats) -> Floats:
        return np.vstack([law.derivatives(logs) / scale[:, None], prior.rows])

    def softened(squares: Floats) -> Floats:
        return _softened(squares, len(seconds))

    least, greatest = prior.bounds
    optimize: Any = import_module("scipy.optimize")  # slow to import, partly untyped
    # Threads of the linear algebra cost far more than they gain here, and change the last bits.
    with threadpool_limits(limits=1, user_api="blas"):  # type: ignore[no-untyped-call]
        logs: Floats = optimize.least_squares(
            errors,
            prior.centre,
            slopes,
            bounds=(least, greatest),
            loss=softened,
            f_scale=SOFT,
            xtol=TOLERANCE,
            ftol=TOLERANCE,
            gtol=TOLERANCE,
            max_nfev=MAX_EVALUATIONS,
        ).x
        slope = slopes(logs)
        weights = softened((errors(logs) / SOFT) ** 2)[1]
        known = slope.T @ (slope * weights[:, None])
        covariance = SOFT**2 * np.linalg.inv(known)
    held = np.minimum(logs - least, greatest - logs) < AT_BOUND
    return Solution(logs, covariance, tuple(map(bool, held)))


def _softened(squares: Floats, times: int) -> Floats:
    """Return the loss of squared errors and its two derivatives, soft for times, plain for the prior."""
    loss = np.empty((3, len(squares)))
    loss[0], loss[1], loss[2] = squares, 1.0, 0.0
    more = 1 + squares[:times]
    loss[0, :times] = 2 * (np.sqrt(more) - 1)
    loss[1, :times] = more**-0.5
    loss[2, :times] = -0.5 * more**-1.5
    return loss
