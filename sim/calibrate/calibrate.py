"""Measure, fit, and try the fit on what it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cutlayer.errors import UserError
from cutlayer.sim.calibrate.campaign import Measured, Progress, measure
from cutlayer.sim.calibrate.errors import CaseError, case_errors
from cutlayer.sim.calibrate.fit import Fit, fit
from cutlayer.sim.calibrate.held_out import HELD_OUT, Case
from cutlayer.sim.calibrate.machine import description, memory_bytes
from cutlayer.sim.calibrate.observations import observations, rest_seconds, step_observations
from cutlayer.sim.calibrate.probes import PROBES
from cutlayer.sim.calibrate.timing import loader_seconds

LOADER_BATCH = 32
LOADER_REPEATS = 30


class CalibrationError(UserError):
    """A machine that is too slow for the time given, so that no profile can be fitted."""


@dataclass(frozen=True)
class Calibration:
    """A fitted profile, its errors on held-out cases, and what could not be measured."""

    fit: Fit
    errors: list[CaseError]
    measured: Measured


def calibrate(
    name: str,
    *,
    threads: int,
    passes: int,
    budget_s: float,
    progress: Progress,
    probes: Sequence[str] = PROBES,
    cases: Sequence[Case] = HELD_OUT,
) -> Calibration:
    """Measure this machine with so many torch threads and return its profile.

    Raises CalibrationError if the time (seconds) does not do for any probe.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        loader = loader_seconds(LOADER_BATCH, LOADER_REPEATS) / LOADER_BATCH
    finally:
        torch.set_num_threads(before)
    measured = measure(
        probes, cases, threads=threads, passes=passes, budget_s=budget_s, progress=progress
    )
    if not measured.probes:
        raise CalibrationError(
            f"no iteration is short enough for {budget_s / 60:.3g} minutes: give more time"
        )
    found = fitted(name, measured, loader, threads)
    return Calibration(found, case_errors(found.profile, measured), measured)


def fitted(name: str, measured: Measured, loader_s_per_sample: float, threads: int) -> Fit:
    """Return the profile that suits the measured probes."""
    return fit(
        name,
        list(observations(measured)),
        step_observations(measured),
        rest_s=rest_seconds(measured.probes.values()),
        loader_s_per_sample=loader_s_per_sample,
        memory_bytes=memory_bytes(),
        description=description(threads),
        source="measured on the machine itself by cutlayer calibrate",
    )
