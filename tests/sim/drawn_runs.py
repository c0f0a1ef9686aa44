"""Draws added by hand to the folder of a run, with times that follow from the factors by a formula."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cutlayer.sim.files.checksums import read_checksums, write_checksums
from cutlayer.sim.files.csv_text import write_rows
from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.uncertainty.statistics import columns_of, summary_of

Powers = Mapping[str, Mapping[str, float]]  # by label: the exponent of each factor in its times


def factors_of(spreads: Mapping[str, float], draws: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Lognormal factors with the given standard deviations of their logarithms."""
    rng = np.random.default_rng(seed)
    return {name: np.exp(spread * rng.normal(size=draws)) for name, spread in spreads.items()}


def with_draws(
    folder: Path, spreads: Mapping[str, float], powers: Powers, draws: int = 200
) -> SavedRun:
    """Add draws to a run: a method's times are the stated ones times powers of the factors."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    factors = factors_of(spreads, draws)
    rows = []
    for draw in range(draws):
        for label, entry in summary["methods"].items():
            times = [factors[name][draw] ** power for name, power in powers[label].items()]
            slower = float(np.prod(times))
            rows.append(
                {
                    "draw": draw,
                    "label": label,
                    "round_time_s": entry["round_time_s"]["mean"] * slower,
                    "virtual_time_s": entry["virtual_time_s"] * slower,
                    "target_s": None,
                }
            )
    drawn = [
        {"draw": draw, **{name: float(values[draw]) for name, values in factors.items()}}
        for draw in range(draws)
    ]
    summary["uncertainty"] = summary_of(columns_of(rows), factors)
    for name, table in (("draws", rows), ("factors", drawn)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            write_rows(file, table)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    names = {*read_checksums(folder), "draws.csv", "factors.csv"}
    write_checksums(folder, sorted(names), {})
    return read_run(folder)
