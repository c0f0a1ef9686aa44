"""`cutlayer fit`: the profile of a device from iterations that a user timed."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.scenarios.profile_file import read_profile
from cutlayer.sim.calibrate.fit_report import (
    FIGURE_HEADINGS,
    figure_rows,
    not_told,
    row_headings,
    timed_rows,
    verdict,
    write_rows,
)
from cutlayer.sim.calibrate.fitted_device import Fitted, fit_device
from cutlayer.sim.calibrate.timed_csv import TimedIteration, read_iterations
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.files.atomic import check_output_file, write_text
from cutlayer.sim.views.columns import print_grid, print_text
from cutlayer.topologies import catalogue
from cutlayer.topologies.catalogue.profile_file import profile_text
from cutlayer.topologies.device import DeviceProfile

PROFILES = (".yaml", ".yml")
FURTHEST = 1000  # how many times a row may take longer, or less long, than the device to begin with


def fit_command(
    measured: Path,
    *,
    device: str,
    stack: str | None,
    name: str,
    out: Path,
    errors_file: Path | None,
    force: bool,
) -> None:
    """Read rows, fit, print what moved and the errors, and write the profile; check everything first."""
    if not name.strip():
        raise UserError("fit: --name must not be empty")
    for option, path in (("--out", out), ("--errors", errors_file)):
        if path is not None:
            check_output_file(path, option, force=force)
    base = _base(device)
    program = None if stack is None else catalogue.stack(stack)
    if program is not None and base.stack:
        raise UserError(
            f"fit: {device} has the program {base.stack!r} in its figures already and cannot have"
            f" --stack {stack}"
        )
    iterations = read_iterations(measured)
    _check_alike(measured, iterations)
    fitted = fit_device(base, program, iterations, name)
    _check_plausible(measured, fitted, device)
    _report(fitted)
    write_text(out, profile_text(fitted.profile, "\n".join(verdict(fitted))), replace=force)
    if errors_file is not None:
        write_rows(errors_file, fitted, replace=force)
    make_console().say(
        f"saved: {out}; use it in a scenario as devices: {{{name}: {{profile: {out}}}}}"
    )


def _base(device: str) -> DeviceProfile:
    """Return the device of the catalogue, or in a file, that a fit begins with."""
    path = Path(device)
    base = read_profile(path, path.stem) if path.suffix in PROFILES else catalogue.device(device)
    if base.coarse:
        raise UserError(
            f"fit: {device} has one speed for everything: --device needs one with rates, such as"
            f" raspberry-pi-4b"
        )
    return base


def _check_alike(path: Path, iterations: Sequence[TimedIteration]) -> None:
    """Raise UserError unless all rows are of one device and one program."""
    first = iterations[0]
    for one in iterations:
        for column, value, others in (
            ("device", one.device, first.device),
            ("stack", one.row.stack, first.row.stack),
        ):
            if value != others:
                raise UserError(
                    f"{path}:{one.line}: {column}: must be the same in all rows of a fit"
                    f" (got {value!r} after {others!r})"
                )


def _check_plausible(path: Path, fitted: Fitted, device: str) -> None:
    """Raise UserError for a time so far from that of the device that its unit must be wrong."""
    for one in fitted.iterations:
        expected = fitted.seconds_before(one)
        if not expected / FURTHEST <= one.row.seconds <= expected * FURTHEST:
            raise UserError(
                f"{path}:{one.line}: seconds: must be within a factor of {FURTHEST} of what {device}"
                f" takes, {expected:.3g} s (got {one.row.seconds:.6g})"
            )


def _report(fitted: Fitted) -> None:
    console = make_console()
    if moved := list(figure_rows(fitted)):
        print_grid(console, FIGURE_HEADINGS, moved)
    if silent := not_told(fitted):
        print_text(console, silent)
    console.print()
    print_grid(console, row_headings(fitted), timed_rows(fitted))
    for sentence in verdict(fitted):
        print_text(console, sentence)
