"""`cutlayer compare`: what two runs were asked, and what came out, side by side."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim.saved import read_run
from sim.saved.compare import asked_differences, figure_changes, same_learning
from sim.views.studies import formatted

MOST_DIFFERENCES = 40


def compare_command(one: Path, other: Path) -> None:
    """Print where two runs differ: the scenario, the figures, and whether they learned the same."""
    first, second = read_run(one), read_run(other)
    console = Console()
    asked = Table("asked", str(one), str(other), title="what was asked", title_justify="left")
    differences = asked_differences(first, second)
    for difference in differences[:MOST_DIFFERENCES]:
        asked.add_row(difference.place, str(difference.one), str(difference.other))
    if differences:
        console.print(asked)
    else:
        console.print("asked the same: scenario, seed and versions")
    if len(differences) > MOST_DIFFERENCES:
        console.print(f"... and {len(differences) - MOST_DIFFERENCES} more")
    found = Table(
        "method", "figure", str(one), str(other), "second / first",
        title="what came out", title_justify="left",
    )  # fmt: skip
    for change in figure_changes(first, second):
        if change.one is not None or change.other is not None:
            texts = (formatted(change.figure, value, {}) for value in (change.one, change.other))
            ratio = "-" if change.ratio is None else f"{change.ratio:.4g}"
            found.add_row(change.label, change.figure, *texts, ratio)
    console.print(found)
    for label, same in same_learning(first, second).items():
        said = {
            None: "nobody can say whether the same was learned (the data's identity is not known)",
            True: "learned the same: only time differs",
            False: "learned something else",
        }[same]
        console.print(f"{label}: {said}", soft_wrap=True, highlight=False)
