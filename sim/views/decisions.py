"""The decisions of a controller in a run, as sentences."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import SavedRun

MAX_ROUNDS: Final = 8  # with decisions; further ones are only counted


def decision_sentences(run: SavedRun, labels: Sequence[str]) -> Iterator[str]:
    """Yield the controller's decisions for each method, round by round."""
    if not run.has("decisions"):  # a run of an earlier version
        return
    rows = run.table("decisions")
    for label in labels:
        decided = [row for row in rows if row["label"] == label]
        rounds = list(dict.fromkeys(int(row["round"] or 0) for row in decided))
        each = [
            f"round {index}: {_summary([r for r in decided if r['round'] == index])}"
            for index in rounds[:MAX_ROUNDS]
        ]
        if each:
            rest = len(rounds) - MAX_ROUNDS
            more = f"; and in {rest} more rounds (decisions.csv)" if rest > 0 else ""
            yield f"Decisions for {label}: {'; '.join(each)}{more}."


def _summary(rows: Sequence[Row]) -> str:
    """Return the decisions of a round, with the number of clients of each device."""
    counts = Counter((row["cut"], row["batch_size"], row["device"]) for row in rows)
    sizes = len({row["batch_size"] for row in rows}) > 1
    parts = [
        f"cut {cut}{f', batches of {size}' if sizes else ''} for {count} {device}"
        for (cut, size, device), count in sorted(counts.items(), key=str)
    ]
    return ", ".join(parts)
