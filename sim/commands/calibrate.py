"""`cutlayer calibrate`: the profile of the machine that it runs on."""

import math
from dataclasses import replace
from pathlib import Path

import torch

from cutlayer.errors import UserError
from cutlayer.sim.calibrate.calibrate import Calibration, calibrate
from cutlayer.sim.calibrate.errors import mean_error, rms_error
from cutlayer.sim.calibrate.report import (
    HEADINGS,
    error_rows,
    prior_notes,
    undetermined,
    verdict,
    write_errors,
)
from cutlayer.sim.commands.console import CommandConsole, make_console
from cutlayer.sim.commands.progress import PhaseProgress
from cutlayer.sim.files.atomic import check_output_file, write_text
from cutlayer.sim.views.columns import print_grid
from cutlayer.topologies.catalogue.profile_file import measured, profile_text


def calibrate_command(
    out: Path,
    *,
    name: str,
    threads: int | None,
    minutes: float,
    passes: int,
    errors_file: Path | None,
    force: bool,
) -> None:
    """Measure, fit, print the errors and write the profile; check the options first."""
    if not name.strip():
        raise UserError("calibrate: --name must not be empty")
    if not math.isfinite(minutes):
        raise UserError(f"calibrate: --minutes must be finite (got {minutes})")
    for option, path in (("--out", out), ("--errors", errors_file)):
        if path is not None:
            check_output_file(path, option, force=force)
    used = torch.get_num_threads() if threads is None else threads
    console = make_console()
    with PhaseProgress(console) as progress:
        found = calibrate(
            name, threads=used, passes=passes, budget_s=60 * minutes, progress=progress
        )
    _report(found, passes, console)
    _write(out, found, used, force)
    if errors_file is not None:
        write_errors(errors_file, found.errors, replace=force)
    console.say(
        f"saved: {out}; use it in a scenario as devices: {{{name}: {{profile: {out}}}}}",
    )


def _report(found: Calibration, passes: int, console: CommandConsole) -> None:
    if found.errors:
        print_grid(console, HEADINGS, error_rows(found.errors))
        console.say(verdict(found.errors))
    else:
        console.print("No held-out case was short enough to be timed: the error is not known.")
    fit = found.fit
    console.print(
        f"On the probes themselves: blocks {fit.block_error:.1%}, passes {fit.pass_error:.1%}.",
    )
    if fit.undetermined:
        console.say(undetermined(fit))
    made = found.measured.passes_made
    if made < passes:
        console.print(f"The time limit was reached after {made} of {passes} passes.")
    for line in found.measured.left_out:
        console.say(f"left out: {line}")


def _write(out: Path, found: Calibration, threads: int, force: bool) -> None:
    tried = f"mean error on {len(found.errors)} held-out cases: "
    tried += f"{mean_error(found.errors):.1%}" if found.errors else "not known"
    comment = f"{found.fit.profile.description}\nBatches of 8 to 128, SGD with momentum; {tried}."
    note = f"fitted by cutlayer calibrate to timed training, {threads} threads"
    profile = measured(found.fit.profile, note, prior_notes(found.fit))
    if found.errors:
        tried = f"root mean square error on {len(found.errors)} held-out cases"
        profile = replace(
            profile,
            form_error=rms_error(found.errors),
            status={**profile.status, "form_error": "derived"},
            notes={**profile.notes, "form_error": tried},
        )
    write_text(out, profile_text(profile, comment), replace=force)
