"""Find the assumption that a result depends on most, by scaling one assumption at a time.

The base scenario (with the study's settings, without its axes) is run once as it is, and twice for each
assumption, divided and multiplied by the same factor. Assumptions are the fields of `scale` and the
server's slots.
"""

from collections.abc import Sequence

from cutlayer.scenarios.schema import Scale
from cutlayer.scenarios.study import LoadedStudy, Point
from cutlayer.scenarios.study.schema import Sensitivity
from cutlayer.sim.results.columns import Row, ratio
from cutlayer.sim.studies.check import check_point
from cutlayer.sim.studies.measures import Measured
from cutlayer.sim.studies.result import StudyResult
from cutlayer.sim.studies.runner import Runner
from cutlayer.suggestion import suggestion

SLOTS = "server_slots"
ASSUMPTIONS = (*Scale.model_fields, SLOTS)
BASE = Point(-1, {})


def unknown(names: Sequence[str] | None) -> str | None:
    """Return a complaint about the first unknown assumption, or None."""
    for name in names or ():
        if name not in ASSUMPTIONS:
            return f"names {name!r}, which is not an assumption{suggestion(name, ASSUMPTIONS)}"
    return None


def sensitivity_rows(
    study: StudyResult, runner: Runner, section: Sensitivity, measure: Measured
) -> list[Row]:
    """Return a row for each method and assumption, for each method the largest swing first.

    Only the first seed is run. `less` and `more` are the measure with the assumption divided and
    multiplied, None if that does not fit into memory. `swing` is the largest over the smallest of
    `less`, `base` and `more`.
    """
    names = section.of or ASSUMPTIONS
    extras: dict[tuple[str, str], tuple[str, ...]] = {("", "base"): ()}
    for name in names:
        extras[name, "less"], extras[name, "more"] = _settings(study.study, name, section.factor)
    cells = []
    for key, extra in extras.items():
        checked = check_point(
            study.study, BASE, trains=runner.trains, data_dir=runner.data_dir, extra=extra
        )
        feasible = [row.cell for row in checked if row.infeasible is None]
        cells += [(key, cell) for cell in feasible if cell.seed == study.seeds[0]]
    results = runner.run([cell for _, cell in cells])
    values = {
        (cell.label, *key): measure.of(result)
        for (key, cell), result in zip(cells, results, strict=True)
    }
    labels = dict.fromkeys(cell.label for _, cell in cells)
    rows: list[Row] = []
    for label in labels:
        base = values.get((label, "", "base"))
        own: list[Row] = []
        for name in names:
            less, more = (values.get((label, name, direction)) for direction in ("less", "more"))
            known = [value for value in (less, more, base) if value is not None]
            row: Row = {"label": label, "assumption": name, "by": measure.name}
            row |= {"factor": section.factor, "less": less, "base": base, "more": more}
            own.append(row | {"swing": ratio(max(known), min(known)) if known else None})
        rows += sorted(own, key=lambda row: -float(row["swing"] or 0.0))
    return rows


def _settings(
    study: LoadedStudy, name: str, factor: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the overrides that divide and multiply an assumption."""
    scenario = study.base.scenario
    if name != SLOTS:
        base = getattr(scenario.scale, name)
        return (f"scale.{name}={base / factor!r}",), (f"scale.{name}={base * factor!r}",)
    ((form, topology),) = study.base.resolved()["topology"].items()
    slots = int(topology["server"]["slots"])
    path = f"topology.{form}.server.slots"
    return (f"{path}={max(1, round(slots / factor))}",), (f"{path}={round(slots * factor)}",)
