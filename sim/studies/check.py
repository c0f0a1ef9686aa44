"""Every point of a study, validated before anything runs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cutlayer.errors import UserError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import Problem, ScenarioError
from cutlayer.scenarios.study import LoadedStudy, Point
from cutlayer.sim.build.checks import plan_feasible
from cutlayer.sim.data.datasets import load
from cutlayer.sim.studies.cells import Cell, Shared, cells_of

MOST_SHOWN = 10

Progress = Callable[[str, int, int, str], None]  # phase, done, total, what is next


class StudyError(UserError):
    """A study some of whose points cannot be run; the text names them."""


@dataclass(frozen=True)
class CheckedPoint:
    """A point that can be run: its cells, and by label why a method does not fit into memory."""

    point: Point
    cells: tuple[Cell, ...]
    infeasible: Mapping[str, str]

    @property
    def feasible(self) -> tuple[Cell, ...]:
        """The cells that are run."""
        return tuple(cell for cell in self.cells if cell.label not in self.infeasible)


def check_points(
    study: LoadedStudy,
    *,
    trains: bool,
    data_dir: Path | None = None,
    progress: Progress = lambda *_: None,
) -> list[CheckedPoint]:
    """Return all points. Raises StudyError for the wrong ones, before any has run.

    Where the study `trains`, data and weights must be there.
    """
    found: list[CheckedPoint] = []
    wrong: list[str] = []
    data: set[tuple[object, ...]] = set()
    pieces = Shared()
    for point in study.points:
        progress("points checked", point.number, len(study.points), "")
        try:
            found.append(
                check_point(
                    study, point, trains=trains, data_dir=data_dir, seen=data, pieces=pieces
                )
            )
        except ScenarioError as error:
            told = _about_point(error.problems)
            wrong += [f"{study.document.source}: {point}: {problem}" for problem in told]
    progress("points checked", len(study.points), len(study.points), "")
    if wrong:
        more = len(wrong) - MOST_SHOWN
        shown = wrong[:MOST_SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        raise StudyError("\n".join(shown))
    return found


def check_point(
    study: LoadedStudy,
    point: Point,
    *,
    trains: bool,
    data_dir: Path | None = None,
    seen: set[tuple[object, ...]] | None = None,
    extra: Iterable[str] = (),
    pieces: Shared | None = None,
) -> CheckedPoint:
    """Return one point. Raises ScenarioError for what cannot be run, DataError for missing data."""
    loaded = study.scenario(point, extra)
    with looking_in([*beside(loaded.document.source), *beside(study.document.source)]):
        plans, problems = plan_feasible(loaded, trains=trains)
        for info in {plan.info: None for plan in plans} if trains else ():
            key = (info, directory := _directory(loaded, data_dir))
            if seen is None or key not in seen:
                load(info, directory)
            if seen is not None:
                seen.add(key)
        cells = tuple(cells_of(loaded, str(point), pieces or Shared()))
    infeasible = {label: "; ".join(p.rule for p in told) for label, told in problems.items()}
    return CheckedPoint(point, cells, infeasible)


def _directory(loaded: Loaded, data_dir: Path | None) -> Path | None:
    return data_dir or (Path(d) if (d := loaded.scenario.data.dir) else None)


def _about_point(problems: Iterable[Problem]) -> list[str]:
    """Problems of a point without the base scenario's file, whose lines are not to blame."""
    return [str(Problem(p.path, None, p.rule, p.value, "")) for p in problems]
