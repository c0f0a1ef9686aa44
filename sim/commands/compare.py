"""`cutlayer compare`: what two runs were asked, and what came out, side by side."""

from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.results.compare import asked_differences, figure_changes, same_learning
from cutlayer.sim.results.read import read_run
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.studies import formatted

MOST_DIFFERENCES = 40


def compare_command(one: Path, other: Path) -> None:
    """Print where two runs differ: the scenario, the figures, and whether they learned the same."""
    first, second = read_run(one), read_run(other)
    console = make_console()
    differences = asked_differences(first, second)
    if differences:
        asked = [(d.place, str(d.one), str(d.other)) for d in differences[:MOST_DIFFERENCES]]
        print_grid(console, ("asked", str(one), str(other)), asked, "what was asked")
    else:
        console.print("asked the same: scenario, seed and versions")
    if len(differences) > MOST_DIFFERENCES:
        console.print(f"... and {len(differences) - MOST_DIFFERENCES} more")
    found = []
    for change in figure_changes(first, second):
        if change.one is not None or change.other is not None:
            texts = (formatted(change.figure, value, {}) for value in (change.one, change.other))
            ratio = "-" if change.ratio is None else f"{change.ratio:.4g}"
            found.append((change.label, change.figure, *texts, ratio))
    headings = ("method", "figure", str(one), str(other), "second / first")
    print_grid(console, headings, found, "what came out")
    for label, same in same_learning(first, second).items():
        said = {
            None: "nobody can say whether the same was learned (the data's identity is not known)",
            True: "learned the same: only time differs",
            False: "learned something else",
        }[same]
        console.say(f"{label}: {said}")
