"""What a training left beside its accuracy: losses, accuracies of classes and clients, confusion."""

from collections.abc import Mapping, Sequence
from typing import Final

from cutlayer.sim.results.estimate import mean_of_all
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.accuracy import LEGEND_NOTE, evaluations, mean_curve, seeds_note
from cutlayer.sim.views.charts import Chart, Series, Table
from cutlayer.sim.views.quantities import TIMES, common_unit

LOSSES: Final = {"training_loss": "training loss", "test_loss": "test loss"}
SPREAD: Final = {
    "mean": "Mean",
    "std": "Standard deviation",
    "worst_decile": "Worst decile",
    "min": "Lowest",
    "max": "Highest",
}
MOST_MARKED: Final = 20  # classes of a heat map with numbers in its cells


def loss_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return training and test loss over rounds and virtual time; none if nothing was trained.

    Several seeds give means, as for accuracies.
    """
    charts = []
    for column, title in LOSSES.items():
        curves = {
            label: curve
            for label in runs[0].methods
            if (curve := mean_curve([evaluations(run, label, column) for run in runs]))["time"]
        }
        if not curves:
            continue
        unit, factor = common_unit([max(c["time"][-1] for c in curves.values())], TIMES)
        for key, scale, x_title, over in (
            ("round", 1.0, "rounds", "rounds"),
            ("time", factor, f"virtual time ({unit})", "virtual time"),
        ):
            series = [
                Series(
                    label,
                    [x / scale for x in curve[key]],
                    curve["accuracy"],
                    number,
                    texts=[
                        f"{label}\n{x_title}: {x / scale:.4g}\n{title} {value:.4g}"
                        for x, value in zip(curve[key], curve["accuracy"], strict=True)
                    ],
                    half=curve["half"] if any(curve["half"]) else None,
                )
                for number, (label, curve) in enumerate(curves.items())
            ]
            note = LEGEND_NOTE + seeds_note(len(runs))
            choice = f"{title} over {over}"
            charts.append(
                Chart("loss", "Loss", "lines", series, x_title, title, choice=choice, note=note)
            )
    return tuple(charts)


def class_chart(runs: Sequence[SavedRun]) -> Chart | None:
    """Return a heat map of the final accuracy by method and class, means over the seeds."""
    known = {}
    for label in runs[0].methods:
        lists = [run.methods[label].get("class_accuracy") or () for run in runs]
        if all(lists):
            known[label] = lists
    if not known:
        return None
    classes = len(next(iter(known.values()))[0])
    cells = [
        [mean_of_all(one[i] for one in lists) for i in range(classes)] for lists in known.values()
    ]
    return Chart(
        "classes",
        "Accuracy by class",
        "heat",
        [Series("", [str(i) for i in range(classes)], list(known))],
        "class",
        cells=cells,
        marks=[[_mark(value, classes) for value in row] for row in cells],
        note="Share of right answers in the last evaluation (%)." + seeds_note(len(runs)),
    )


def fairness_table(runs: Sequence[SavedRun]) -> Table | None:
    """Return how the final accuracy is spread over the clients, means over the seeds."""
    rows = []
    for label in runs[0].methods:
        spreads = [run.methods[label].get("client_accuracy") for run in runs]
        if all(spreads):
            values = [mean_of_all(one.get(key) for one in spreads if one) for key in SPREAD]
            rows.append([label, *("-" if value is None else f"{value:.1%}" for value in values)])
    if not rows:
        return None
    note = (
        "A client's accuracy is that of the classes, weighted by their shares in its training data."
        " Worst decile: the mean of the tenth of the clients with the lowest accuracy."
    )
    columns = ["Method", *SPREAD.values()]
    return Table("fairness", "Accuracy of the clients", columns, rows, note + seeds_note(len(runs)))


def confusion_charts(run: SavedRun) -> tuple[Chart, ...]:
    """Return a heat map of labels and predictions for each method; none if they were not asked for."""
    if not run.has("confusion"):
        return ()
    counts: dict[str, dict[tuple[int, int], int]] = {}
    for row in run.table("confusion"):
        pair = int(row["class"] or 0), int(row["predicted"] or 0)
        counts.setdefault(str(row["label"]), {})[pair] = int(row["samples"] or 0)
    return tuple(_confusion(label, of_label) for label, of_label in counts.items())


def _confusion(label: str, counts: Mapping[tuple[int, int], int]) -> Chart:
    classes = range(1 + max(number for number, _ in counts))
    cells = []
    for number in classes:
        total = sum(counts[number, predicted] for predicted in classes)
        shares = [counts[number, predicted] / total if total else None for predicted in classes]
        cells.append(shares)
    names = [str(number) for number in classes]
    return Chart(
        "confusion",
        "Confusion of classes",
        "heat",
        [Series("", names, names)],
        "predicted class",
        "class",
        choice=label,
        cells=cells,
        marks=[[_mark(value, len(names)) for value in row] for row in cells],
        note="Share of the test samples of each class in the last evaluation (%).",
    )


def _mark(share: float | None, classes: int) -> str:
    """Return a share in percent, unless there are too many classes for a text in each cell."""
    return "" if share is None or classes > MOST_MARKED else f"{100 * share:.0f}"
