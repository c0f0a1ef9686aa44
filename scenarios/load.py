"""A scenario file, or a shipped scenario by its name, read and validated."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cutlayer.scenarios.checks import check_sections
from cutlayer.scenarios.document import Document
from cutlayer.scenarios.fields import Names
from cutlayer.scenarios.file_paths import beside, place_files
from cutlayer.scenarios.messages import problems_of
from cutlayer.scenarios.methods import read_methods
from cutlayer.scenarios.overrides import SOURCE, apply_overrides
from cutlayer.scenarios.problems import NOTHING, KeyPath, Problem, ScenarioError
from cutlayer.scenarios.schema import Scenario
from cutlayer.scenarios.shipped import shipped_names, shipped_path
from cutlayer.scenarios.stand_ins import without
from cutlayer.scenarios.yaml_text import MAX_BYTES, read
from cutlayer.suggestion import suggestion
from cutlayer.topologies.catalogue import device_names, link_names


@dataclass(frozen=True)
class Loaded:
    """A valid scenario together with the document it was read from."""

    scenario: Scenario
    document: Document

    def problem(self, path: KeyPath, rule: str, value: object = ...) -> Problem:
        """A problem that a later check found at `path`; without a `value`, what stands there."""
        return self.document.problem(path, rule, value)

    def option_problems(
        self, path: KeyPath, error: ValidationError, model: type[BaseModel]
    ) -> list[Problem]:
        """The problems that `model` found in what stands at `path`: a user's own method."""
        return problems_of(self.document, error, model, path)

    def error(self, problems: Iterable[Problem]) -> ScenarioError:
        """The error to raise for such problems."""
        return ScenarioError(problems)

    def resolved(self) -> dict[str, Any]:
        """Plain data that loads again to an equal scenario: defaults spelled out, paths absolute."""
        return self.scenario.written()


Further = Callable[[Loaded, Collection[KeyPath]], Iterable[Problem]]


def load(
    path_or_name: str | Path,
    *,
    methods: Mapping[str, type[BaseModel]],
    models: Collection[str],
    datasets: Collection[str],
    overrides: Iterable[str] = (),
    further: Further | None = None,
) -> Loaded:
    """The scenario in a file, or the shipped one of that name.

    `methods` maps every method to its options model; `overrides` are `path.to.key=value`. Raises
    ScenarioError with every problem of the file. Where there is one, `further` is asked for those that
    the schema cannot see: it gets the scenario with stand-ins, and the paths that they stand at.
    """
    path = find_file(path_or_name, shipped_names(), shipped_path, "scenario")
    return load_text(
        read_text(path),
        source=str(path),
        methods=methods,
        models=models,
        datasets=datasets,
        overrides=overrides,
        further=further,
    )


def load_text(
    text: str,
    *,
    source: str,
    methods: Mapping[str, type[BaseModel]],
    models: Collection[str],
    datasets: Collection[str],
    overrides: Iterable[str] = (),
    further: Further | None = None,
) -> Loaded:
    """The scenario in `text`, as `load`; problems name `source` as their file."""
    document, problems = apply_overrides(read(text, source), overrides)
    if not isinstance(document.data, dict) or not document.data:
        empty = document.data is None or document.data == {}
        rule = "is empty" if empty else "must be a mapping with name, data, model and so on"
        raise ScenarioError([Problem((), 1, rule, NOTHING, source)])
    problems += document.problems
    document = _with_files_placed(document)
    sound_methods, found = read_methods(document, methods)
    problems += found
    problems += check_sections(document, device_names())
    names = Names(
        devices=(*device_names(), *_keys(document.data.get("devices"))),
        links=link_names(),
        models=models,
        datasets=datasets,
    )
    raw = {**document.data, "methods": sound_methods}
    scenario = None
    try:
        scenario = Scenario.model_validate(raw, context=names)
    except ValidationError as error:
        problems += problems_of(document, error, Scenario)
    if scenario is None or problems:
        raise ScenarioError([*problems, *_beside(document, raw, names, problems, further)])
    return Loaded(scenario, document)


def _with_files_placed(document: Document) -> Document:
    """Return the document with the files that it names relative to the working directory.

    What `--set` names is so already.
    """

    def place(path: KeyPath, file: str) -> str:
        source = document.origin(path).source
        return file if source == SOURCE else beside(source)(path, file)

    return replace(document, data=place_files(document.data, place))


def _beside(
    document: Document,
    raw: dict[str, Any],
    names: Names,
    problems: Iterable[Problem],
    further: Further | None,
) -> Iterable[Problem]:
    """What `further` finds in the parts of a scenario that the schema has not refused."""
    if further is None:
        return ()
    refused = {problem.path for problem in problems if problem.path[:1] != ("methods",)}
    try:
        scenario = Scenario.model_validate(without(raw, refused), context=names)
    except ValidationError:  # a part is refused that has no stand-in
        return ()
    return further(Loaded(scenario, document), refused)


def _keys(section: object) -> tuple[str, ...]:
    return tuple(section) if isinstance(section, dict) else ()


def find_file(
    path_or_name: str | Path, shipped: Collection[str], home: Callable[[str], Path], noun: str
) -> Path:
    """The file: as a path where it looks like one or exists, or else the shipped one of that name."""
    path = Path(path_or_name)
    try:
        exists, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise _unreadable(str(path)[:100], error) from None
    named = isinstance(path_or_name, str) and path.name == path_or_name and not path.suffix
    if named and path_or_name in shipped:
        return home(str(path_or_name))
    if exists:
        return path
    rule = "is a folder, not a file" if is_folder else f"is neither a file nor a shipped {noun}"
    hint = suggestion(path.stem, shipped)
    raise ScenarioError([Problem((), None, rule + hint, NOTHING, str(path_or_name))])


def _unreadable(source: str, error: OSError) -> ScenarioError:
    rule = f"cannot be read: {error.strerror or error}"
    return ScenarioError([Problem((), None, rule, NOTHING, source)])


def read_text(path: Path) -> str:
    """The text of a file. Raises ScenarioError where it cannot be read."""
    source = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(source, error) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            rule = "is text in UTF-16; save it in UTF-8"
            raise ScenarioError([Problem((), 1, rule, NOTHING, source)]) from None
        if len(content) > MAX_BYTES:  # cut in the middle of a character: `read` says the rest
            return content.decode("utf-8", "replace")
        line = content.count(b"\n", 0, error.start) + 1
        rule = "is not text in UTF-8"
        raise ScenarioError([Problem((), line, rule, NOTHING, source)]) from None
