"""Loading a study file, or a shipped study by name, with its points."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cutlayer.scenarios.aliases import current_path
from cutlayer.scenarios.document import Document
from cutlayer.scenarios.file_paths import beside, place_files
from cutlayer.scenarios.load import Loaded, find_file, read_text
from cutlayer.scenarios.messages import problems_of
from cutlayer.scenarios.overrides import apply_overrides
from cutlayer.scenarios.problems import ScenarioError, file_error
from cutlayer.scenarios.schema import Uncertainty
from cutlayer.scenarios.shipped import shipped_names, shipped_studies, study_path
from cutlayer.scenarios.study.points import (
    ConditionError,
    Point,
    Step,
    amount,
    count_values,
    override,
    points_of,
    steps_of,
)
from cutlayer.scenarios.study.schema import Axis, Study
from cutlayer.scenarios.study.values import AxisError
from cutlayer.scenarios.yaml_text import read

T = TypeVar("T")
Loader = Callable[[str | Path, Iterable[str]], Loaded]


@dataclass(frozen=True)
class LoadedStudy:
    """A valid study, its points in order, and the loader of their scenarios."""

    study: Study
    document: Document
    axes: dict[str, list[Step]]
    points: tuple[Point, ...]
    base: Loaded
    loader: Loader

    def scenario(self, point: Point, extra: Iterable[str] = ()) -> Loaded:
        """Return the scenario of a point, with `extra` set last. Raises ScenarioError."""
        file = base_file(self.study.scenario, self.document.source)
        return self.loader(file, (*self.overrides(point), *extra))

    def overrides(self, point: Point) -> tuple[str, ...]:
        """Return all settings of a point, with an entry for each entry of a `*`."""
        data, source = self.base.document.data, self.document.source
        return (*_settings(self.study, data, source), *spread(point.settings, data, source))

    def written(self) -> dict[str, Any]:
        """Return the study as plain data."""
        return self.study.model_dump(mode="json", by_alias=True, exclude_none=True)


def load_study(path_or_name: str | Path, loader: Loader, draws: int | None = None) -> LoadedStudy:
    """Read a study; `loader` loads scenarios. Raises ScenarioError with all problems of the file.

    `draws` is the number of draws of each point, in place of the study's own.
    """
    path = find_file(path_or_name, shipped_studies(), study_path, "study")
    source = str(path)
    document = read(read_text(path), source)
    if not isinstance(document.data, dict) or not document.data:
        rule = "is empty" if not document.data else "must be a mapping with name, scenario and axes"
        raise file_error(source, rule, 1)
    if document.problems:
        raise ScenarioError(document.problems)
    try:
        study = Study.model_validate(document.data)
    except ValidationError as error:
        raise ScenarioError(problems_of(document, error, Study)) from None
    study = _with_current_paths(document, study)
    if draws is not None:
        more = (study.uncertainty or Uncertainty(draws=draws)).model_copy(update={"draws": draws})
        study = study.model_copy(update={"uncertainty": more})
    _check_counts(document, study)
    base = _base(document, study, loader)
    steps = _of_axes(document, study, steps_of)
    axes = {axis.name: of_axis for axis, of_axis in zip(study.axes, steps, strict=True)}
    _check_numeric(document, study, axes)
    try:
        points = tuple(points_of(study, axes))
    except ConditionError as error:
        raise ScenarioError([document.problem(error.path, error.rule)]) from None
    return LoadedStudy(study, document, axes, points, base, loader)


def _with_current_paths(document: Document, study: Study) -> Study:
    """Return the study with the present names in the fields that it sets."""

    def current(path: str, *at: str | int) -> str:
        origin = document.origin(at)
        return current_path(path, f"{origin.source}:{origin.line}")

    axes = []
    for index, axis in enumerate(study.axes):
        at = ("axes", index)
        fields, columns = enumerate(axis.fields or ()), (axis.zip or {}).items()
        changes = {
            "field": axis.field and current(axis.field, *at, "field"),
            "fields": tuple(current(path, *at, "fields", i) for i, path in fields) or None,
            "zip": {current(path, *at, "zip", path): column for path, column in columns} or None,
        }
        axes.append(axis.model_copy(update=changes))
    settings = {current(path, "set", path): value for path, value in study.set.items()}
    return study.model_copy(update={"axes": tuple(axes), "set": settings})


def base_file(named: str, source: str) -> str | Path:
    """Return the scenario that a study names: a file, relative to the study's, or a shipped one."""
    file = Path(source).parent / named
    try:
        is_file = file.is_file()
    except OSError:  # the loader reports it
        return named
    return file if is_file or named not in shipped_names() else named


def spread(settings: Iterable[tuple[str, Any]], data: Any, source: str) -> tuple[str, ...]:
    """Return settings of the study in the file `source` as overrides of the scenario `data`.

    A `*` gives one override for each entry of the list. Files are relative to the study's file.
    """
    place = beside(source)
    texts = [
        override(path, place_files(value, place, tuple(path.split("."))))
        for path, value in settings
    ]
    return tuple(one for text in texts for one in _entries(text, data))


def _entries(text: str, data: Any) -> Iterator[str]:
    """Yield an override once for each entry of every list for which a `*` stands in `data`."""
    path, equals, value = text.partition("=")
    before, star, after = path.partition(".*")
    if not star:
        yield text
        return
    node = data
    for key in before.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    count = len(node) if isinstance(node, list) else 0
    if not count:
        raise file_error(path, f"has a * where {before} is not a list with entries")
    for index in range(count):
        yield from _entries(f"{before}.{index}{after}{equals}{value}", data)


def _base(document: Document, study: Study, loader: Loader) -> Loaded:
    """Return the base scenario with the settings of the study."""
    file = base_file(study.scenario, document.source)
    base = loader(file, ())
    settings = _settings(study, base.document.data, document.source)
    _, problems = apply_overrides(base.document, settings)
    if problems:
        raise ScenarioError(problems)
    return loader(file, settings)


def _settings(study: Study, data: Any, source: str) -> tuple[str, ...]:
    """Return the settings of all points of a study."""
    seeds = () if study.seeds is None else (override("seeds", list(study.seeds)),)
    drawn = study.uncertainty and study.uncertainty.model_dump(mode="json", exclude_none=True)
    draws = () if drawn is None else (override("uncertainty", drawn),)
    return (*seeds, *spread(study.set.items(), data, source), *draws)


def _check_counts(document: Document, study: Study) -> None:
    """Refuse more values and combinations than a study may have, before any is generated."""
    counts = _of_axes(document, study, lambda axis: count_values(axis, study.max_points))
    combinations = math.prod(counts)
    if combinations > study.max_combinations:
        rule = (
            f"have {amount(combinations)} combinations of values, "
            f"more than max_combinations ({study.max_combinations:,})"
        )
        raise ScenarioError([document.problem(("axes",), rule)])


def _of_axes(document: Document, study: Study, make: Callable[[Axis], T]) -> list[T]:
    """Return what `make` returns for each axis. Raises ScenarioError with all problems."""
    made, problems = [], []
    for index, axis in enumerate(study.axes):
        try:
            made.append(make(axis))
        except AxisError as error:
            section = "range" if axis.range is not None else "log_range"
            path = () if error.field == "labels" else (section,)
            field = () if error.field is None else (error.field,)
            problems.append(document.problem(("axes", index, *path, *field), str(error)))
    if problems:
        raise ScenarioError(problems)
    return made


def _check_numeric(document: Document, study: Study, axes: dict[str, list[Step]]) -> None:
    if study.crossovers is None:
        return
    name = study.crossovers.axis
    zipped = any(axis.name == name and axis.zip is not None for axis in study.axes)
    numbers = [math.inf if step.number is None else step.number for step in axes[name]]
    if zipped or len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        rule = "needs an axis of at least two finite numbers in one kind of unit, without zip and labels"
        raise ScenarioError([document.problem(("crossovers", "axis"), rule)])
