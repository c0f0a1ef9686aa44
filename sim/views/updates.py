"""Charts of asynchronous methods: staleness, versions over time, and contributions of clients.

A fast device sends more updates than a slow one, so that its data have more weight than in a round.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.estimate import mean
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.accuracy import LEGEND_NOTE, seeds_note
from cutlayer.sim.views.charts import Chart, Series, Table
from cutlayer.sim.views.quantities import TIMES, common_unit, significant
from cutlayer.sim.views.style import GREY

MOST_POINTS: Final = 40  # of a line
MOST_CLIENTS: Final = 500  # of a method, drawn one by one
DATA: Final = "data"
HOUR_S: Final = 3600.0

Parts = dict[str, tuple[float, float]]  # by client or device: samples and updates


def asynchronous(runs: Sequence[SavedRun]) -> dict[str, int]:
    """Return the asynchronous methods with any folded update, and their positions among all methods."""
    return {
        label: number
        for number, (label, entry) in enumerate(runs[0].methods.items())
        if runs[0].noun(label) == WINDOW and entry["updates"]["count"]
    }


def staleness_chart(runs: Sequence[SavedRun]) -> Chart:
    """Return the share of the updates whose staleness is at most a value, a line for each method."""
    series = []
    for label, number in asynchronous(runs).items():
        stale = np.array(
            [
                int(row["staleness"])
                for run in runs
                for row in run.updates(label)
                if row["staleness"] is not None
            ]
        )
        values = np.arange(stale.max(initial=0) + 1)
        values = values[np.unique(np.linspace(0, len(values) - 1, MOST_POINTS).astype(int))]
        shares = 100 * np.searchsorted(np.sort(stale), values, side="right") / len(stale)
        texts = [
            f"{label}\n{share:.1f} % of the updates have a staleness of at most {value}"
            for value, share in zip(values.tolist(), shares.tolist(), strict=True)
        ]
        name = f"{label}: mean {significant(float(stale.mean()))}"
        series.append(Series(name, values.tolist(), shares.tolist(), number, texts=texts))
    return Chart(
        "staleness",
        "Staleness of updates",
        "lines",
        series,
        "staleness at most (versions)",
        "share of updates (%)",
        note="The staleness of an update is the number of folds between its dispatch and its own fold."
        + seeds_note(len(runs)).replace("Means over", "Over").replace(" with 95 % t-intervals", ""),
    )


def versions_chart(run: SavedRun) -> Chart:
    """Return the server's version over virtual time, a line for each method."""
    lines = {}
    for label in asynchronous([run]):
        made = {
            int(row["version"]): float(row["folded_s"] or 0.0)
            for row in run.updates(label)
            if row["version"] is not None
        }
        versions = sorted(made)
        chosen = np.unique(np.linspace(0, len(versions) - 1, MOST_POINTS).astype(int))
        lines[label] = [(made[version], version) for version in (versions[i] for i in chosen)]
    unit, factor = common_unit([max((line[-1][0] for line in lines.values()), default=1.0)], TIMES)
    series = []
    for label, number in asynchronous([run]).items():
        times, versions = [0.0, *(t for t, _ in lines[label])], [0, *(v for _, v in lines[label])]
        rate = run.methods[label]["updates"]["versions_per_hour"]
        texts = [
            f"{label}\nversion {version}\nvirtual time: {time / factor:.4g} {unit}"
            for time, version in zip(times, versions, strict=True)
        ]
        name = f"{label}: {significant(rate or 0.0)} per hour"
        series.append(Series(name, [t / factor for t in times], versions, number, texts=texts))
    return Chart(
        "versions",
        "Versions of the server",
        "lines",
        series,
        f"virtual time ({unit})",
        "version",
        note=f"A fold makes a version. {LEGEND_NOTE}",
    )


def contribution_charts(runs: Sequence[SavedRun]) -> tuple[Chart, ...]:
    """Return the shares of the updates beside those of the data, by device and by client.

    Empty if the folder does not have the clients' numbers of samples.
    """
    labels = asynchronous(runs)
    first = next(iter(labels), None)
    if first is None or not _parts(runs, first, "device"):
        return ()
    data = {name: samples for name, (samples, _) in _shares(runs, first, "device").items()}
    series = [_dots(DATA, data, "of the data", -1)]
    for label, number in labels.items():
        shares = {name: updates for name, (_, updates) in _shares(runs, label, "device").items()}
        series.append(_dots(label, shares, "of the updates", number))
    by_device = Chart(
        "contribution",
        "Contribution of each kind of device",
        "dots",
        series,
        "share of the updates, and of the data (%)",
        choice="by device",
        note=" ".join(equality(runs, label) for label in labels),
    )
    clients = [_points(runs, label, number) for label, number in labels.items()]
    most = max((max([*one.x, *one.y]) for one in clients), default=1.0)
    diagonal = [most * i / 20 for i in range(21)]
    even = Series("as much as its data", diagonal, diagonal, -1, colour=GREY)
    by_client = Chart(
        "contribution",
        "Contribution of each client",
        "points",
        [*clients, even],
        "share of the data (%)",
        "share of the updates (%)",
        choice="by client",
        note="A client above the grey points contributes more updates than its data would suggest."
        f" At most {MOST_CLIENTS} clients of a method are drawn.",
    )
    return by_device, by_client


def equality(runs: Sequence[SavedRun], label: str) -> str:
    """Return Jain's index of a method's clients in words, its mean over the seeds."""
    entries = [run.methods[label]["updates"] for run in runs]
    index = mean(entry["clients"]["jain"] for entry in entries) or 0.0
    total = sum(device["clients"] for device in entries[0]["per_device"].values())
    alike = significant(index * total, 2)
    return (
        f"{label}: Jain's index {index:.2f}, as if {alike} of {total} clients contributed equally and"
        " the others nothing."
    )


def updates_table(runs: Sequence[SavedRun]) -> Table:
    """Return the figures of the updates of each asynchronous method, means over the seeds."""
    rows = []
    for label in asynchronous(runs):
        entries = [run.methods[label]["updates"] for run in runs]
        stale = [entry["staleness"] for entry in entries]
        rows.append(
            [
                label,
                _text(entry["count"] for entry in entries),
                _text(entry["dropped"] for entry in entries),
                _text(entry["versions"] for entry in entries),
                _text(entry["versions_per_hour"] for entry in entries),
                *(_text(one[key] for one in stale) for key in ("mean", "p95", "max")),
                _text(entry["clients"]["jain"] for entry in entries),
            ]
        )
    columns = [
        *("Method", "Updates", "Dropped", "Versions", "Versions per hour"),
        *("Mean staleness", "95th percentile", "Largest", "Jain's index"),
    ]
    note = (
        "Jain's index says how equally the clients contribute: 1 if all have as many updates, 1/n if one"
        " of n has all."
    )
    return Table("updates", "Updates", columns, rows, note)


def _text(values: Any) -> str:
    value = mean(values)
    if value is None:
        return "-"
    return f"{value:.0f}" if value == round(value) else significant(value)


def _parts(runs: Sequence[SavedRun], label: str, key: str) -> Parts:
    """Return the samples and updates of each client or device, over the seeds; empty if unknown."""
    parts: Parts = {}
    for run in runs:
        for row in run.table("devices"):
            if row["label"] == label and row.get("samples") is not None:
                samples, updates = parts.get(str(row[key]), (0.0, 0.0))
                more, sent = _number(row, "samples"), _number(row, "updates")
                parts[str(row[key])] = samples + more, updates + sent
    return parts


def _shares(runs: Sequence[SavedRun], label: str, key: str) -> Parts:
    """Return the shares of the data and of the updates, in percent."""
    parts = _parts(runs, label, key)
    samples, updates = (sum(pair[i] for pair in parts.values()) or 1.0 for i in (0, 1))
    return {
        name: (100 * own / samples, 100 * sent / updates) for name, (own, sent) in parts.items()
    }


def _dots(name: str, shares: Mapping[str, float], of: str, number: int) -> Series:
    texts = [f"{row}\n{name}: {share:.1f} % {of}" for row, share in shares.items()]
    colour = GREY if number < 0 else None
    return Series(name, list(shares.values()), list(shares), number, texts=texts, colour=colour)


def _points(runs: Sequence[SavedRun], label: str, number: int) -> Series:
    every = _shares(runs, label, "client")
    chosen = np.unique(np.linspace(0, len(every) - 1, MOST_CLIENTS).astype(int))
    names = list(every)
    shares = {names[i]: every[names[i]] for i in chosen}
    texts = [
        f"{label}\n{client}: {own:.2f} % of the data, {sent:.2f} % of the updates"
        for client, (own, sent) in shares.items()
    ]
    xs, ys = [own for own, _ in shares.values()], [sent for _, sent in shares.values()]
    return Series(label, xs, ys, number, texts=texts)


def _number(row: Row, column: str) -> float:
    value = row.get(column)
    return float(value) if isinstance(value, int | float) else 0.0
