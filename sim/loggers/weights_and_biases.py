"""Weights & Biases: a W&B run for each method and seed, in the group of the scenario's name.

The package's own settings hold: WANDB_MODE=offline keeps everything in the folder `wandb` of the run
folder, for `wandb sync` later; WANDB_PROJECT, WANDB_ENTITY and the others work as usual.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from cutlayer.sim.loggers.logger import (
    About,
    Figures,
    Logger,
    MakeLogger,
    missing_package,
    numbers,
    outcome,
    step,
)

PROJECT: Final = "cutlayer"


class WeightsAndBiases(Logger):
    """Logs each method as a run whose step is the round."""

    def __init__(self, package: Any) -> None:
        self._package = package
        self._runs: dict[str, Any] = {}

    def run_started(self, about: About) -> None:
        """Begin a W&B run for each method."""
        for label, method in about.methods.items():
            settings = {"label": label, "method": method, "seed": about.seed}
            self._runs[label] = self._package.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                group=about.name,
                name=label if about.seed == 0 else f"{label}, seed {about.seed}",
                dir=None if about.folder is None else str(about.folder),
                config={**settings, "scenario": about.scenario, "versions": about.versions},
                reinit="create_new",
            )

    def round_closed(self, label: str, figures: Figures) -> None:
        """Log the numbers of a round."""
        self._runs[label].log(numbers(figures), step=step(figures))

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """Add the results of each method to its summary, and end the runs."""
        for label, run in self._runs.items():
            run.summary.update(outcome(summary, label))
            run.finish(exit_code=int(summary["status"] not in ("complete", "stopped")))


def make() -> MakeLogger:
    """Return a function that makes a logger. Raises LoggerError if the package is missing."""
    try:
        import wandb
    except ImportError:
        raise missing_package("Weights & Biases", "wandb") from None
    return lambda: WeightsAndBiases(wandb)
