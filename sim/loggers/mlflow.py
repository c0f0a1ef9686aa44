"""MLflow: an MLflow run for each method and seed, in the experiment of the scenario's name.

The package's own settings hold: MLFLOW_TRACKING_URI names the store, such as
`sqlite:////home/me/mlflow.db` or a server; MLFLOW_EXPERIMENT_NAME another experiment.
"""

import os
import time
from collections.abc import Mapping
from typing import Any, Final

import yaml

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

STATUS: Final = {"complete": "FINISHED", "stopped": "KILLED"}
MAX_TEXT: Final = 5000  # characters of a tag


class MLflow(Logger):
    """Logs each method as a run whose step is the round."""

    def __init__(self, client: Any, metric: Any) -> None:
        self._client, self._metric = client, metric
        self._runs: dict[str, str] = {}

    def run_started(self, about: About) -> None:
        """Begin an MLflow run for each method, and store the resolved scenario as its artifact."""
        client = self._client
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", about.name)
        known = client.get_experiment_by_name(name)
        experiment = client.create_experiment(name) if known is None else known.experiment_id
        scenario = yaml.safe_dump(about.scenario, sort_keys=False, allow_unicode=True)
        for label, method in about.methods.items():
            run = client.create_run(experiment, run_name=label).info.run_id
            self._runs[label] = run
            settings = {"label": label, "method": method, "seed": about.seed}
            for key, value in settings.items():
                client.log_param(run, key, value)
            client.log_text(run, scenario, "scenario.yaml")

    def round_closed(self, label: str, figures: Figures) -> None:
        """Log the numbers of a round."""
        now_ms, at = int(time.time() * 1000), step(figures)
        metrics = [
            self._metric(name, value, now_ms, at) for name, value in numbers(figures).items()
        ]
        self._client.log_batch(self._runs[label], metrics=metrics)

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """Store the results of each method as tags, and end the runs."""
        for label, run in self._runs.items():
            for key, value in outcome(summary, label).items():
                self._client.set_tag(run, key, str(value)[:MAX_TEXT])
            self._client.set_terminated(run, STATUS.get(summary["status"], "FAILED"))


def make() -> MakeLogger:
    """Return a function that makes a logger. Raises LoggerError if the package is missing."""
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric
    except ImportError:
        raise missing_package("MLflow", "mlflow") from None
    return lambda: MLflow(MlflowClient(), Metric)
