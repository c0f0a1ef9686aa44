"""Fit a device with the program of a user to their own timed iterations, as one profile.

Figures of the device move by their spreads (`cutlayer.topologies.spreads`), the factors, the loader and
the loop of the program by `FREE_STACK`. The profile has both: the device's figures with the factors of
the program, and its loader and loop. What the rows do not tell stays, and its spread with it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Final

import numpy as np

from cutlayer.sim.calibrate.adjust import (
    LOOPS,
    Adjusted,
    Freedom,
    adjust,
    left_out,
    predicted,
    seconds_by_figure,
)
from cutlayer.sim.calibrate.kinds import Kind, kind_of
from cutlayer.sim.calibrate.timed_csv import TimedIteration
from cutlayer.sim.calibrate.timed_rows import TimedRow
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.device import DeviceProfile, Status, least_sure
from cutlayer.topologies.figures import COSTS, attribute_of, figures_of
from cutlayer.topologies.spreads import form_error_of, spread_of
from cutlayer.topologies.stack import GROUPS, HOST_FIGURES, Stack, group_of, on_stack

PROGRAM: Final = "own"
LOADER_S: Final = 1e-3  # of a program about which nothing is said, on a Raspberry Pi 4B
LOOP_S: Final = 10e-3
FREE_STACK: Final = {**dict.fromkeys(GROUPS, 0.4), **dict.fromkeys(LOOPS, 1.0)}
MIN_NETWORKS: Final = 3  # for an error on networks that were left out
SAME: Final = 0.01  # logarithm of a factor that counts as none
LARGEST_ERROR: Final = 2.0  # of the form, a factor of 7: more says only that nothing is known
LEAST_SHARE: Final = 0.001  # of the time of a row
TOLD: Final = 0.8  # of its standard deviation: a figure of which more remains was not told


@dataclass(frozen=True)
class Fitted:
    """A device fitted to rows: its `profile`, and what it was `before` the fit.

    `left_out_s` has the predictions of the rows by fits on the other networks; empty if there are less
    than `MIN_NETWORKS` of them.
    """

    profile: DeviceProfile
    before: DeviceProfile
    iterations: Sequence[TimedIteration]
    left_out_s: Mapping[int, float]  # by line
    prior: Mapping[str, float]  # standard deviations before

    def seconds(self, one: TimedIteration) -> float:
        """Return the fitted time of a row."""
        return predicted(self.profile, None, _own(one.row, ""))

    def seconds_before(self, one: TimedIteration) -> float:
        """Return the time of a row by the device that the fit began with."""
        return predicted(self.before, None, _own(one.row, ""))

    @cached_property
    def factors(self) -> dict[str, float]:
        """The factor on each figure that is positive before and after."""
        before, after = figures_of(self.before), figures_of(self.profile)
        return {name: after[name] / before[name] for name in self.known}

    @cached_property
    def known(self) -> dict[str, float]:
        """The standard deviation of the logarithm of each figure after the fit."""
        assert self.profile.covariance is not None
        return self.profile.covariance.deviations

    @cached_property
    def told(self) -> tuple[str, ...]:
        """The figures of which the rows say something."""
        return tuple(name for name in self.known if self.known[name] < TOLD * self.prior[name])

    @cached_property
    def moved(self) -> tuple[str, ...]:
        """The figures that moved or of which the rows say something, and that cost any row time."""
        shares: dict[str, float] = {}
        for one in self.iterations:
            seconds = seconds_by_figure(self.profile, one.row)
            for name, part in seconds.items():
                shares[name] = max(shares.get(name, 0.0), part / sum(seconds.values()))
        return tuple(
            name
            for name, factor in self.factors.items()
            if shares.get(name, 0.0) > LEAST_SHARE
            and (name in self.told or abs(math.log(factor)) >= SAME)
        )

    @cached_property
    def kinds(self) -> dict[int, Kind]:
        """The kind of each row, by its line."""
        return {one.line: kind_of(one, self.profile) for one in self.iterations}


def fit_device(
    base: DeviceProfile, stack: Stack | None, iterations: Sequence[TimedIteration], name: str
) -> Fitted:
    """Return `base`, with a program like `stack`, fitted to rows; the result is called `name`.

    `base` must have rates; without a `stack` it is taken to be what `base` has, or else a plain loop.
    """
    device, start = _start(base, stack)
    rows = [_own(one.row, PROGRAM) for one in iterations]
    spread = spread_of(device)
    loop = {name: sd for name, sd in FREE_STACK.items() if getattr(start, name) > 0}
    freedom = Freedom(spread, {PROGRAM: loop})
    found = adjust(device, {PROGRAM: start}, rows, freedom)
    networks = dict.fromkeys(row.network for row in rows)
    left = {}
    if len(networks) >= MIN_NETWORKS:
        by_row = left_out(device, {PROGRAM: start}, rows, freedom)
        left = {one.line: by_row[row] for one, row in zip(iterations, rows, strict=True)}
    before, profile = (
        replace(on_stack(replace(one, covariance=None), program), host_speed=base.host_speed)
        for one, program in ((device, start), (found.device, found.stacks[PROGRAM]))
    )
    figures = figures_of(profile)
    names = [
        figure
        for figure in spread
        if 0 < figures[figure] < math.inf and figure != "round_overhead"  # rows have no round
    ]
    covariance, prior = _covariance(names, found, freedom)
    named = replace(profile, name=name, covariance=covariance)
    fitted = Fitted(named, before, iterations, left, prior)
    return replace(fitted, profile=_stated(fitted, base))


def _start(base: DeviceProfile, stack: Stack | None) -> tuple[DeviceProfile, Stack]:
    """Return the device without its program, and the program to start with."""
    speed = base.host_speed or 1.0
    device = replace(base, stack="", host_speed=speed)
    if stack is not None:
        return device, replace(stack, name=PROGRAM)
    of_base = {time: attribute_of(name) for name, time in HOST_FIGURES.items()}
    own = Stack(
        PROGRAM,
        **{time: getattr(base, name) * speed for time, name in of_base.items()},
        status={time: base.status[name] for time, name in of_base.items() if name in base.status},
        notes={time: base.notes[name] for time, name in of_base.items() if name in base.notes},
    )
    if any(getattr(own, time) for time in LOOPS):
        return device, own
    plain = replace(own, loader_s_per_sample=LOADER_S, loop_s_per_iteration=LOOP_S)
    guess: Status = "guess"
    return device, replace(
        plain,
        status={**own.status, **dict.fromkeys(LOOPS, guess)},
        notes={**own.notes, **dict.fromkeys(LOOPS, "of a plain loop")},
    )


def _own(row: TimedRow, stack: str) -> TimedRow:
    return replace(row, stack=stack)


def _covariance(
    names: Sequence[str], found: Adjusted, freedom: Freedom
) -> tuple[Covariance, dict[str, float]]:
    """Return the covariance of figures that include the program, and their deviations before the fit."""
    program = {f"{PROGRAM}: {part}": sd for part, sd in freedom.stacks[PROGRAM].items()}
    before = {**freedom.figures, **program}
    parts = list(before)
    prior = np.diag([before[part] ** 2 for part in parts])
    after = prior.copy()
    free = [parts.index(name) for name in found.names]
    after[np.ix_(free, free)] = found.covariance
    mix = np.zeros((len(names), len(parts)))
    for number, name in enumerate(names):
        if name in HOST_FIGURES:
            loop = f"{PROGRAM}: {HOST_FIGURES[name]}"
            mix[number] = [part == loop for part in parts]
        else:
            mix[number, parts.index(name)] = 1
            factor = parts.index(f"{PROGRAM}: {group_of(name)}")
            mix[number, factor] = 1 if name in COSTS else -1
    deviations = np.sqrt((mix @ prior @ mix.T).diagonal()).tolist()
    return Covariance.of(names, mix @ after @ mix.T), dict(zip(names, deviations, strict=True))


def _form_error(fitted: Fitted, base: DeviceProfile) -> tuple[float, str]:
    """Return the relative error that the figures leave open, and how it is known."""
    if not fitted.left_out_s:
        few = f"fewer than {MIN_NETWORKS} networks were timed"
        return form_error_of(base), f"as for {base.name}, since {few}"
    off = [math.log(fitted.left_out_s[one.line] / one.row.seconds) for one in fitted.iterations]
    error = math.sqrt(fmean(one**2 for one in off))
    return min(error, LARGEST_ERROR), "root mean square error on networks left out"


def _stated(fitted: Fitted, base: DeviceProfile) -> DeviceProfile:
    """Return the profile with the status of each figure, and a note on how it moved."""
    figures: dict[str, list[str]] = {}
    for name in figures_of(fitted.profile):
        figures.setdefault(attribute_of(name), []).append(name)
    form_error, origin = _form_error(fitted, base)
    status: dict[str, Status] = {**fitted.profile.status, "form_error": "derived"}
    notes = {**fitted.profile.notes, "form_error": origin}
    status["loader_s_per_iteration"] = "derived"
    notes["loader_s_per_iteration"] = "a part of iteration_overhead and loader_per_sample"
    for attribute, names in figures.items():
        if not any(name in fitted.known for name in names):
            continue
        told = any(name in fitted.told for name in names)
        status[attribute] = (
            "derived" if told else least_sure(status.get(attribute, "derived"), "derived")
        )
        texts = {name.rpartition(".")[2]: _note(fitted, name, base) for name in names}
        alike = len(set(texts.values())) == 1
        notes[attribute] = "; ".join(
            [next(iter(texts.values()))]
            if alike
            else [f"{pass_} {text}" for pass_, text in texts.items()]
        )
    count = len(fitted.iterations)
    rows = f"{count} timed iteration{'s' if count > 1 else ''}"
    return replace(
        fitted.profile,
        description=f"{base.description}; fitted to {rows}",
        sources=(*base.sources, f"cutlayer fit: {rows} of the user"),
        status=status,
        notes=notes,
        form_error=form_error,
    )


def _note(fitted: Fitted, figure: str, base: DeviceProfile) -> str:
    factor = fitted.factors[figure]
    if abs(math.log(factor)) < SAME and figure not in fitted.told:
        return f"not told by the rows, as in {base.name}"
    return f"moved by x{factor:.2f}, known to {fitted.known[figure]:.0%}"
