"""A calibration's result in words and as a table: errors on what the fit has not seen."""

from pathlib import Path

from rich.table import Table

from sim.calibrate.errors import CaseError, mean_error
from sim.csv_text import CsvWriter
from topologies.units import format_duration

COLUMNS = ("case", "measured_s", "noise", "predicted_s", "error", "one_number_error")


def error_table(errors: list[CaseError]) -> Table:
    """Return the held-out cases as a table: measured, its noise, predicted, error."""
    table = Table("not in the fit", "measured", "+/-", "predicted", "error", "one number's error")
    for one in errors:
        table.add_row(
            str(one.case),
            format_duration(one.measured_s, 3),
            f"{one.noise:.1%}",
            format_duration(one.predicted_s, 3),
            f"{one.error:+.1%}",
            f"{one.one_number_error:+.0%}",
        )
    return table


def verdict(errors: list[CaseError]) -> str:
    """Return the mean error, the noise beside it, and what one number would have given."""
    noise = sum(one.noise for one in errors) / len(errors)
    coarse = sum(abs(one.one_number_error) for one in errors) / len(errors)
    return (
        f"Mean error on {len(errors)} cases that were left out of the fit: {mean_error(errors):.1%}"
        f" (repeats differ by {noise:.1%}; one speed for everything would miss by {coarse:.0%})."
    )


def write_errors(path: Path, errors: list[CaseError]) -> None:
    """Write the held-out cases as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = CsvWriter(file, COLUMNS)
        for one in errors:
            figures = (one.measured_s, one.noise, one.predicted_s, one.error, one.one_number_error)
            writer.add_values([str(one.case), *(f"{figure:.6g}" for figure in figures)])
