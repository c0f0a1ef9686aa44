"""`cutlayer compare`: the scenarios and the results of two runs, side by side."""

from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.results.compare import figure_changes, same_learning, scenario_differences
from cutlayer.sim.results.read import read_run
from cutlayer.sim.views.columns import print_grid
from cutlayer.sim.views.studies import formatted

MOST_DIFFERENCES = 40
LEARNED = {
    None: "whether both trained the same models is unknown, as the data's identity is not recorded",
    True: "both trained the same models; only times differ",
    False: "they trained different models",
}


def compare_command(one: Path, other: Path) -> None:
    """Print where two runs differ: scenario, figures, and whether they trained the same models."""
    first, second = read_run(one), read_run(other)
    console = make_console()
    console.say(f"first:  {one}")
    console.say(f"second: {other}")
    console.print()
    differences = scenario_differences(first, second)
    if differences:
        rows = [(d.path, str(d.one), str(d.other)) for d in differences[:MOST_DIFFERENCES]]
        print_grid(console, ("field", "first", "second"), rows, "Scenario, seed and versions")
    else:
        console.print("Scenario, seed and versions are the same.")
    if len(differences) > MOST_DIFFERENCES:
        console.print(f"... and {len(differences) - MOST_DIFFERENCES} more")
    console.print()
    results = []
    for change in figure_changes(first, second):
        if change.one is not None or change.other is not None:
            texts = (formatted(change.figure, value, {}) for value in (change.one, change.other))
            ratio = "-" if change.ratio is None else f"{change.ratio:.4g}"
            results.append((change.label, change.figure, *texts, ratio))
    headings = ("method", "figure", "first", "second", "ratio")
    print_grid(console, headings, results, "Results")
    console.print()
    for label, same in same_learning(first, second).items():
        console.print(f"{label}: {LEARNED[same]}")
