"""The result of a calibration in words and as a table: errors on held-out cases."""

from pathlib import Path
from typing import Final

from cutlayer.sim.calibrate.errors import CaseError, mean_error
from cutlayer.sim.calibrate.fit import Fit
from cutlayer.sim.files.atomic import whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.topologies.units import format_duration

COLUMNS = ("case", "measured_s", "noise", "predicted_s", "error", "one_number_error")

_PRIORS: Final = {
    "memory_bandwidth": "4 times the fastest observed movement of bytes",
    "weight_bandwidth": "4 times the fastest observed movement of bytes",
    "weight_stream": "4 times the fastest observed movement of bytes",
    "columns": "4 times the fastest observed movement of bytes",
    "layer_overhead": "a quarter of the shortest observed time per layer",
    "optimizer_overhead": "a quarter of the shortest observed time per tensor",
    "optimizer_bandwidth": "4 times the fastest observed step",
}
_RATES: Final = "the median speed of the probes, pulled towards the other pass"


HEADINGS = ("held-out case", "measured", "+/-", "predicted", "error", "one-speed error")


def error_rows(errors: list[CaseError]) -> list[tuple[str, ...]]:
    """Return the held-out cases as rows under HEADINGS."""
    return [
        (
            str(one.case),
            format_duration(one.measured_s, 3),
            f"{one.noise:.1%}",
            format_duration(one.predicted_s, 3),
            f"{one.error:+.1%}",
            f"{one.one_number_error:+.0%}",
        )
        for one in errors
    ]


def verdict(errors: list[CaseError]) -> str:
    """Return a sentence with the mean error, the noise, and the error of a profile with one speed."""
    noise = sum(one.noise for one in errors) / len(errors)
    coarse = sum(abs(one.one_number_error) for one in errors) / len(errors)
    return (
        f"Mean error on {len(errors)} held-out cases: {mean_error(errors):.1%}"
        f" (repeats differ by {noise:.1%}; a profile with one speed would err by {coarse:.0%})."
    )


def undetermined(fit: Fit) -> str:
    """Return a line that names the undetermined figures; empty if there are none."""
    if not fit.undetermined:
        return ""
    named = [
        f"{name} ({', '.join(passes)})" if passes else name
        for name, passes in fit.undetermined.items()
    ]
    return f"Not determined by the probes and left at their priors: {'; '.join(named)}."


def prior_notes(fit: Fit) -> dict[str, str]:
    """Return a note on the value of each undetermined figure."""
    notes = {}
    for name, passes in fit.undetermined.items():
        value = _PRIORS.get(name, _RATES)
        note = f"not determined by the probes and left at {value}"
        notes[name] = f"{', '.join(passes)}: {note}" if passes else note
    return notes


def write_errors(path: Path, errors: list[CaseError], *, replace: bool = True) -> None:
    """Write the held-out cases as CSV. Raises OutputError."""
    with whole_text(path, replace=replace) as file:
        writer = CsvWriter(file, COLUMNS)
        for one in errors:
            figures = (one.measured_s, one.noise, one.predicted_s, one.error, one.one_number_error)
            writer.add_values([str(one.case), *(f"{figure:.6g}" for figure in figures)])
