"""Loading and validating a scenario file, or a shipped scenario by name."""

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
from cutlayer.scenarios.populations import mapping
from cutlayer.scenarios.problems import KeyPath, Problem, ScenarioError, file_error
from cutlayer.scenarios.schema import Scenario
from cutlayer.scenarios.shipped import shipped_names, shipped_path, shipped_studies
from cutlayer.scenarios.stand_ins import without
from cutlayer.scenarios.yaml_text import MAX_BYTES, read
from cutlayer.suggestion import suggestion
from cutlayer.topologies.catalogue import device_names, link_names, stack_names


@dataclass(frozen=True)
class Loaded:
    """A valid scenario and the document from which it was read."""

    scenario: Scenario
    document: Document

    def problem(self, path: KeyPath, rule: str, value: object = ...) -> Problem:
        """Return a problem of a later check at `path`; `value` is by default the value there."""
        return self.document.problem(path, rule, value)

    def resolved(self) -> dict[str, Any]:
        """Return plain data that loads to an equal scenario, with all defaults and absolute paths."""
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
    """Return the scenario in a file, or the shipped one of that name.

    `methods` maps every method to its options model; `overrides` are `path.to.key=value`. Raises
    ScenarioError with all problems of the file. If the schema refuses a part, `further` returns the
    problems of the rest; it gets the scenario with stand-ins, and the paths of the refused parts.
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
    """Return the scenario in `text`, as `load`; problems name `source` as their file."""
    document, problems = document_of(text, source, overrides)
    return load_document(
        document,
        methods=methods,
        models=models,
        datasets=datasets,
        problems=problems,
        further=further,
    )


def document_of(
    text: str, source: str, overrides: Iterable[str] = ()
) -> tuple[Document, list[Problem]]:
    """Return the document in `text` with overrides applied, and the overrides that do not fit.

    Raises ScenarioError if it is not a mapping.
    """
    document, problems = apply_overrides(read(text, source), overrides)
    if not isinstance(document.data, dict) or not document.data:
        empty = document.data is None or document.data == {}
        rule = "is empty" if empty else "must be a mapping with name, data, model and so on"
        raise file_error(source, rule, 1)
    return document, problems


def load_document(
    document: Document,
    *,
    methods: Mapping[str, type[BaseModel]],
    models: Collection[str],
    datasets: Collection[str],
    problems: Iterable[Problem] = (),
    further: Further | None = None,
) -> Loaded:
    """Return the scenario in a document, a mapping, as `load`; `problems` are those found before."""
    problems = [*problems, *document.problems]
    document = _with_files_placed(document)
    sound_methods, method_problems = read_methods(document, methods)
    problems += method_problems
    problems += check_sections(document)
    names = Names(
        devices=(*device_names(), *mapping(document.data.get("devices"))),
        stacks=stack_names(),
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
    """Return the document with its files relative to the working directory.

    Those of `--set` are so already.
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
    """Return what `further` finds in the parts of a scenario that the schema has not refused."""
    if further is None:
        return ()
    refused = {problem.path for problem in problems if problem.path[:1] != ("methods",)}
    try:
        scenario = Scenario.model_validate(without(raw, refused), context=names)
    except ValidationError:  # a refused part has no stand-in
        return ()
    return further(Loaded(scenario, document), refused)


def find_file(
    path_or_name: str | Path, shipped: Collection[str], home: Callable[[str], Path], noun: str
) -> Path:
    """Return the file of that path if it looks like one or exists, or else the shipped one."""
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
    if named and path_or_name in (*shipped_names(), *shipped_studies()):
        hint = (
            "; it is a scenario: use `run`" if noun == "study" else "; it is a study: use `sweep`"
        )
    raise file_error(str(path_or_name), rule + hint)


def _unreadable(source: str, error: OSError) -> ScenarioError:
    return file_error(source, f"cannot be read: {error.strerror or error}")


def read_text(path: Path) -> str:
    """Return the text of a file. Raises ScenarioError if it cannot be read."""
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
            raise file_error(source, "is text in UTF-16; save it in UTF-8", 1) from None
        if len(content) > MAX_BYTES:  # cut within a character; `read` reports the size
            return content.decode("utf-8", "replace")
        line = content.count(b"\n", 0, error.start) + 1
        raise file_error(source, "is not text in UTF-8", line) from None
