"""Solve for the figures that fit times and a prior best, and for how well the times determine each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from cutlayer.sim.calibrate.prior import SOFT, Prior
from cutlayer.sim.calibrate.roofline import Floats

DETERMINED: Final = math.log(2)  # largest standard deviation of a logarithm that counts as known
WORTH: Final = 2.0  # least gain in log-likelihood for which a figure is kept
AT_BOUND: Final = 0.01  # distance within which a logarithm counts as held by a bound
COARSE_TOLERANCE: Final = 1e-6  # relative, before the last stage
FINE_TOLERANCE: Final = 1e-10  # in it
MAX_EVALUATIONS: Final = 200


class Law(Protocol):
    """Times as a function of the logarithms of figures; smooth if the sharpness is finite."""

    def seconds(self, logs: Floats, sharpness: float) -> Floats:
        """Return the times."""

    def derivatives(self, logs: Floats, sharpness: float) -> Floats:
        """Return d seconds / d logs."""


@dataclass(frozen=True)
class Solution:
    """Logarithms of figures, and their standard deviations for errors of `SOFT` in the times."""

    logs: Floats
    deviations: Floats
    held: tuple[bool, ...]  # at its prior or a bound

    @property
    def determined(self) -> tuple[bool, ...]:
        """Whether the times determine each figure to a factor of 2."""
        return tuple(
            bool(deviation <= DETERMINED) and not held
            for deviation, held in zip(self.deviations, self.held, strict=True)
        )


def solve(
    law: Law,
    seconds: Floats,
    scale: Floats,
    prior: Prior,
    *,
    sharpness: Sequence[float] = (math.inf,),
    spare: int | None = None,
) -> Solution:
    """Return the figures that minimise the soft squared errors plus the squares of the prior.

    An error is (the law's time - `seconds`) / `scale`. The values of `sharpness` are used in turn, each
    minimisation starting from the previous minimum. Because every figure has a prior, small changes of
    the times move a minimum in proportion; the prior's bounds keep exponentials from overflowing.

    `spare` is the index of a figure that is left at its prior, and not determined, if the others fit
    the times as well without it.
    """
    problem = _Problem(law, seconds, scale, prior)
    # Threads of the linear algebra cost far more than they gain here, and change the last bits.
    with threadpool_limits(limits=1, user_api="blas"):  # type: ignore[no-untyped-call]
        logs = prior.centre
        for sharp in sharpness[:-1]:
            logs, _ = problem.minimum(logs, sharp, COARSE_TOLERANCE)
        logs, loss = problem.minimum(logs, sharpness[-1], FINE_TOLERANCE)
        spared = False
        if spare is not None:
            without, loss_without = problem.minimum(
                logs, sharpness[-1], FINE_TOLERANCE, fixed=spare
            )
            spared = loss_without - loss < WORTH * SOFT**2
            logs = without if spared else logs
        deviations = problem.deviations(logs, sharpness[-1])
    least, greatest = prior.bounds
    held = np.minimum(logs - least, greatest - logs) < AT_BOUND
    if spared:
        held[spare] = True
    return Solution(logs, deviations, tuple(map(bool, held)))


class _Problem:
    """The errors of times, with a soft loss, and of the prior, in the form of scipy's least squares."""

    def __init__(self, law: Law, seconds: Floats, scale: Floats, prior: Prior) -> None:
        self.law, self.seconds, self.scale, self.prior = law, seconds, scale, prior
        self.optimize: Any = import_module("scipy.optimize")  # slow to import, partly untyped

    def minimum(
        self, start: Floats, sharp: float, tolerance: float, fixed: int | None = None
    ) -> tuple[Floats, float]:
        """Return the minimum near `start` and its loss; the figure `fixed` stays at its prior."""
        free = np.arange(len(start)) != fixed
        logs = np.where(free, start, self.prior.centre)

        def whole(at: Floats) -> Floats:
            logs[free] = at
            return logs

        least, greatest = self.prior.bounds
        found = self.optimize.least_squares(
            lambda at: self.errors(whole(at), sharp),
            logs[free],
            lambda at: self.slopes(whole(at), sharp)[:, free],
            bounds=(least[free], greatest[free]),
            loss=lambda squares: _softened(squares, len(self.seconds)),
            f_scale=SOFT,
            xtol=tolerance,
            ftol=tolerance,
            gtol=tolerance,
            max_nfev=MAX_EVALUATIONS,
        )
        return whole(found.x), float(found.cost)

    def errors(self, logs: Floats, sharp: float) -> Floats:
        off = (self.law.seconds(logs, sharp) - self.seconds) / self.scale
        return np.concatenate([off, self.prior.rows @ logs - self.prior.values])

    def slopes(self, logs: Floats, sharp: float) -> Floats:
        by_figure = self.law.derivatives(logs, sharp) / self.scale[:, None]
        return np.vstack([by_figure, self.prior.rows])

    def deviations(self, logs: Floats, sharp: float) -> Floats:
        """Return the standard deviations of the logarithms for errors of `SOFT` in the times."""
        slopes = self.slopes(logs, sharp)
        squares = (self.errors(logs, sharp) / SOFT) ** 2
        weights = _softened(squares, len(self.seconds))[1]
        known = slopes.T @ (slopes * weights[:, None])
        return np.asarray(SOFT * np.sqrt(np.diag(np.linalg.inv(known))))


def _softened(squares: Floats, times: int) -> Floats:
    """Return the loss of squared errors and its two derivatives, soft for times, plain for the prior."""
    loss = np.empty((3, len(squares)))
    loss[0], loss[1], loss[2] = squares, 1.0, 0.0
    more = 1 + squares[:times]
    loss[0, :times] = 2 * (np.sqrt(more) - 1)
    loss[1, :times] = more**-0.5
    loss[2, :times] = -0.5 * more**-1.5
    return loss
