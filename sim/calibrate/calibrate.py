"""Measure this machine, fit a profile, and test it on models that the fit has not seen."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cutlayer.errors import UserError
from cutlayer.sim.calibrate.campaign import Measured, Progress, measure
from cutlayer.sim.calibrate.errors import CaseError, case_errors
from cutlayer.sim.calibrate.fit import Fit, fit
from cutlayer.sim.calibrate.held_out import HELD_OUT, Case
from cutlayer.sim.calibrate.observations import observations, step_observations
from cutlayer.sim.calibrate.probes import PROBES
from cutlayer.sim.calibrate.timing import loader_seconds

LOADER_BATCH = 32
LOADER_REPEATS = 30


class CalibrationError(UserError):
    """A machine that is too slow to calibrate in the given time."""


@dataclass(frozen=True)
class Calibration:
    """A fitted profile, its errors on held-out cases, and the measurements."""

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
    """Measure this machine with `threads` torch threads for about `budget_s` seconds; fit its profile.

    Raises CalibrationError if the time is too short for every probe.
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
    """Return the profile fitted to the measured probes."""
    return fit(
        name,
        list(observations(measured)),
        step_observations(measured),
        rest_s=[timed.seconds("rest") for timed in measured.probes.values()],
        loader_s_per_sample=loader_s_per_sample,
        memory_bytes=memory_bytes(),
        description=description(threads),
        source="measured on the machine itself by cutlayer calibrate",
    )


def processor() -> str:
    """Return the name of the board or the processor."""
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text(encoding="utf-8", errors="replace").rstrip("\0\n ")
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Return the machine's memory in bytes, or None if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def description(threads: int) -> str:
    """Return the description of a profile: processor, threads and version of torch."""
    used = f"{threads} thread{'s' if threads > 1 else ''} of {os.cpu_count()}"
    return f"{processor()}, {used}, PyTorch {torch.__version__} on the CPU"
