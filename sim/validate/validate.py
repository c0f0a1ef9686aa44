"""Validate a scenario by the measured times of its testbed."""

from pathlib import Path

from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.validate.comparison import Comparison, compare
from cutlayer.sim.validate.measured import read_measured
from cutlayer.sim.validate.predict import check_rows, predicted


def validate(measured: Path, loaded: Loaded) -> Comparison:
    """Return the measured figures of a CSV file beside those of the scenario's first seed.

    Raises UserCsvError, and ScenarioError as a run does.
    """
    rows = read_measured(measured, [entry.label for entry in loaded.scenario.methods])
    with looking_in(beside(loaded.document.source)):
        plan = plan_checked(loaded, trains=False)[0]
        check_rows(rows, plan)
        return compare(rows, predicted(rows, plan))
