"""Move a device's figures, and the factors of software stacks, to timed iterations.

Regularised least squares of the logarithms of times: an error of `NOISE` in a row counts as much as one
standard deviation of a figure from where it was. Figures that the rows say nothing about stay, and their
uncertainty remains. The covariance says what is left to know about each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cutlayer.sim.calibrate.timed_rows import TimedRow
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.figures import COSTS, figures_of, with_figures
from cutlayer.topologies.spreads import form_error_of
from cutlayer.topologies.stack import GROUPS, Stack, group_of

Floats = NDArray[np.float64]

LOOPS: Final = ("loader_s_per_sample", "loop_s_per_iteration")  # of a stack; rows have no rounds
NOISE: Final = 0.1  # relative error of a row that counts as one standard deviation
STEPS: Final = 500
LARGEST_MOVE: Final = math.log(100)  # of a figure or a factor, in case rows contradict each other


@dataclass(frozen=True)
class Freedom:
    """How far figures may move: standard deviations of logarithms.

    `figures` are those of the device, `stacks` those of each stack, by their names; what is not named
    stays as it is.
    """

    figures: Mapping[str, float]
    stacks: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Adjusted:
    """The moved device and stacks, and the covariance of the logarithms of the `names` that were free.

    Names are those of figures, and `stack: name` for those of a stack.
    """

    device: DeviceProfile
    stacks: Mapping[str, Stack]
    names: tuple[str, ...]
    covariance: Floats
    moved: Mapping[str, float]  # factor on the value, by name

    def seconds(self, row: TimedRow) -> float:
        """Return the predicted time of a row."""
        return predicted(self.device, self.stacks.get(row.stack), row)


def predicted(device: DeviceProfile, stack: Stack | None, row: TimedRow) -> float:
    """Return the seconds of a row on a device, with a stack or the device's own."""
    stacks = {} if stack is None else {row.stack: stack}
    return float(_Rows([row], device, stacks).seconds()[0])


def seconds_by_figure(device: DeviceProfile, row: TimedRow) -> dict[str, float]:
    """Return the seconds that each figure of a device, with its own loop, adds to a row."""
    figures = figures_of(device)
    return {
        name: amount * figures[name] if name in COSTS else amount / figures[name]
        for name, amount in _resolved(_with_loop(row), device, figures).items()
    }


def spread_of_time(device: DeviceProfile, row: TimedRow) -> float:
    """Return the standard deviation of the logarithm of a predicted row.

    By the device's covariance, linearly, and the error of its form.
    """
    seconds = seconds_by_figure(device, row)
    total = sum(seconds.values())
    form = form_error_of(device)
    if device.covariance is None:
        return form
    slopes = np.array(
        [_sign(name) * seconds.get(name, 0.0) / total for name in device.covariance.names]
    )
    return math.sqrt(max(slopes @ device.covariance.matrix @ slopes, 0.0) + form**2)


def adjust(
    device: DeviceProfile, stacks: Mapping[str, Stack], rows: Sequence[TimedRow], freedom: Freedom
) -> Adjusted:
    """Return `device` and `stacks` moved to the rows, as far as `freedom` lets them."""
    table = _Rows(rows, device, stacks)
    names = [name for name in table.names if _deviation(name, freedom) > 0]
    free = [table.names.index(name) for name in names]
    deviations = np.array([_deviation(name, freedom) for name in names])
    start = table.logs.copy()
    weights = np.array([row.weight for row in rows]) / NOISE
    measured = np.log([row.seconds for row in rows])

    def at(moves: Floats) -> Floats:
        logs = start.copy()
        logs[free] += moves
        return logs

    def errors(moves: Floats) -> Floats:
        off = weights * (np.log(table.seconds(at(moves))) - measured)
        return np.concatenate([off, moves / deviations])

    def slopes(moves: Floats) -> Floats:
        by_name = table.derivatives(at(moves))[:, free] * weights[:, None]
        return np.vstack([by_name, np.diag(1 / deviations)])

    optimize: Any = import_module("scipy.optimize")  # slow to import, partly untyped
    with threadpool_limits(limits=1, user_api="blas"):  # type: ignore[no-untyped-call]
        found = optimize.least_squares(
            errors,
            np.zeros(len(free)),
            slopes,
            bounds=(-LARGEST_MOVE, LARGEST_MOVE),
            xtol=1e-12,
            ftol=1e-12,
            max_nfev=STEPS,
        )
        told = slopes(found.x)[: len(rows)] * deviations
        covariance = _covariance(told, deviations)
    values = dict(zip(names, np.exp(at(found.x)[free]).tolist(), strict=True))
    own = {name: values[name] for name in figures_of(device) if name in values}
    return Adjusted(
        device=with_figures(device, own),
        stacks={name: _stack(stack, values) for name, stack in stacks.items()},
        names=tuple(names),
        covariance=covariance,
        moved={name: math.exp(move) for name, move in zip(names, found.x, strict=True)},
    )


def _covariance(told: Floats, deviations: Floats) -> Floats:
    """Return the covariance of names whose `deviations` the rows narrow, `told` in units of them.

    It is D (1 + T'T)^-1 D, by the singular values of T: rows of any weight leave it positive.
    """
    _, singular, axes = np.linalg.svd(told, full_matrices=True)
    known = np.zeros(len(deviations))
    known[: len(singular)] = singular
    scaled = axes * (1 / np.hypot(1.0, known))[:, None] * deviations
    return np.asarray(scaled.T @ scaled)


def left_out(
    device: DeviceProfile, stacks: Mapping[str, Stack], rows: Sequence[TimedRow], freedom: Freedom
) -> dict[TimedRow, float]:
    """Return the prediction of every row by a fit on the rows of the other networks."""
    found: dict[TimedRow, float] = {}
    for network in dict.fromkeys(row.network for row in rows):
        others = [row for row in rows if row.network != network]
        fitted = adjust(device, stacks, others, freedom)
        found |= {row: fitted.seconds(row) for row in rows if row.network == network}
    return found


def _stack(stack: Stack, values: Mapping[str, float]) -> Stack:
    own: dict[str, Any] = {
        name: values[f"{stack.name}: {name}"]
        for name in (*GROUPS, *LOOPS)
        if f"{stack.name}: {name}" in values
    }
    return replace(stack, **own)


def _deviation(name: str, freedom: Freedom) -> float:
    stack, _, figure = name.rpartition(": ")
    if name in freedom.figures:
        return freedom.figures[name]
    return freedom.stacks.get(stack, {}).get(figure, 0.0)


class _Rows:
    """Rows as arrays: amounts by figure of the device, and which stack's factors apply to them."""

    def __init__(
        self, rows: Sequence[TimedRow], device: DeviceProfile, stacks: Mapping[str, Stack]
    ) -> None:
        figures = figures_of(device)
        self._host = device.host_speed or 1.0
        resolved = [
            _resolved(row.amounts if row.stack in stacks else _with_loop(row), device, figures)
            for row in rows
        ]
        self._figures = sorted({name for amounts in resolved for name in amounts})
        self._stacks = [name for name in stacks if any(row.stack == name for row in rows)]
        self._amounts = np.array(
            [[amounts.get(name, 0.0) for name in self._figures] for amounts in resolved]
        )
        self._signs = np.array([_sign(name) for name in self._figures])
        self._group = np.array([GROUPS.index(group_of(name)) for name in self._figures])
        self._of_stack = np.array([[row.stack == name for name in self._stacks] for row in rows])
        self._times = np.array([[row.batch_size, row.iterations] for row in rows], dtype=np.float64)
        self.names = list(self._figures)
        values = [figures[name] for name in self._figures]
        for name in self._stacks:
            for part in (*GROUPS, *LOOPS):
                self.names.append(f"{name}: {part}")
                values.append(max(getattr(stacks[name], part), 1e-12))
        self.logs = np.log(values)

    def seconds(self, logs: Floats | None = None) -> Floats:
        """Return the seconds of the rows."""
        work, loops = self._parts(self.logs if logs is None else logs)
        return np.asarray(work.sum(1) + loops.sum(1))

    def derivatives(self, logs: Floats) -> Floats:
        """Return d log seconds / d logs, rows by names."""
        work, loops = self._parts(logs)
        columns = [work * self._signs]
        for number in range(len(self._stacks)):
            mine = self._of_stack[:, [number]]
            groups = [work[:, self._group == g].sum(1, keepdims=True) for g in range(len(GROUPS))]
            columns.append(np.hstack([*groups, loops]) * mine)
        total = (work.sum(1) + loops.sum(1))[:, None]
        return np.asarray(np.hstack(columns) / total)

    def _parts(self, logs: Floats) -> tuple[Floats, Floats]:
        """Return the seconds by figure, and those of loader and loop."""
        count = len(self._figures)
        own = np.exp(logs[count:]).reshape(len(self._stacks), len(GROUPS) + len(LOOPS))
        of_row = self._of_stack @ own
        without = ~self._of_stack.any(1)
        of_row[without, : len(GROUPS)] = 1.0
        work = self._amounts * np.exp(self._signs * logs[:count]) * of_row[:, self._group]
        loops = self._times * of_row[:, len(GROUPS) :] / self._host
        return work, loops


def _sign(figure: str) -> float:
    """Return the sign of a time's derivative with respect to a figure."""
    return 1.0 if figure in COSTS else -1.0


def _with_loop(row: TimedRow) -> dict[str, float]:
    """Return the amounts of a row with the loop and the loader of the device itself."""
    loops = {"iteration_overhead": row.iterations, "loader_per_sample": row.batch_size}
    return {**row.amounts, **loops}


def _resolved(
    amounts: Mapping[str, float], device: DeviceProfile, figures: Mapping[str, float]
) -> dict[str, float]:
    """Return amounts by figures that the device has; those of absent bandwidths cost nothing."""
    known: dict[str, float] = {}
    for name, amount in amounts.items():
        figure = name
        if name.startswith("rates."):
            _, op_class, pass_ = name.split(".")
            figure = f"rates.{device.rate_class(op_class)}.{pass_}"
        elif name == "weight_bandwidth" and name not in figures:
            figure = "memory_bandwidth"
        if amount and figures.get(figure):
            known[figure] = known.get(figure, 0.0) + amount
    return known
