"""Validate a scenario by the measured times of its testbed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.schema import Uncertainty
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.files.user_csv import UserCsvError
from cutlayer.sim.uncertainty.draw import drawn_topology
from cutlayer.sim.uncertainty.factors import Factors
from cutlayer.sim.validate.comparison import Comparison, Figures, compare
from cutlayer.sim.validate.measured import Measured, read_measured
from cutlayer.sim.validate.predict import check_rows, predicted

Progress = Callable[[str, int, int, str], None]  # what, done, total, what is next


def validate(measured: Path, loaded: Loaded, progress: Progress = lambda *_: None) -> Comparison:
    """Return the measured figures of a CSV file beside those of the scenario's first seed.

    With an `uncertainty` section in the scenario, predicted times and speedups have intervals. Raises
    UserCsvError, and ScenarioError as a run does.
    """
    rows = read_measured(measured, [entry.label for entry in loaded.scenario.methods])
    with looking_in(beside(loaded.document.source)):
        plan = plan_checked(loaded, trains=False)[0]
        check_rows(rows, plan)
        figures = predicted(rows, plan)
        section, factors = loaded.scenario.uncertainty, Factors.of(plan)
        uncertain = bool(factors.deviations)
        if section is None:
            return compare(rows, figures, uncertain=uncertain)
        drawn = list(_drawn(rows, plan, factors, section, progress))
        return compare(rows, figures, drawn, level=section.interval, uncertain=uncertain)


def _drawn(
    rows: Sequence[Measured],
    plan: Plan,
    factors: Factors,
    section: Uncertainty,
    progress: Progress,
) -> Iterator[Figures]:
    """Yield the predicted figures of each draw of what is not known exactly."""
    seed = plan.seed if section.seed is None else section.seed
    for number in range(section.draws):
        progress("draws", number, section.draws, "")
        topology = drawn_topology(plan.topology, factors.draw(seed, number))
        try:
            yield predicted(rows, replace(plan, topology=topology))
        except UserCsvError as error:  # a draw that ends before a round of the file
            raise UserCsvError(f"{error}, in draw {number} of {section.draws}") from None
    progress("draws", section.draws, section.draws, "")
