"""`cutlayer.Scenario`: a scenario made from Python objects or loaded from a file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import yaml

from cutlayer.models.catalogue import MODELS
from cutlayer.models.given_objects import Given, given_names
from cutlayer.scenarios.document import Document
from cutlayer.scenarios.file_paths import absolute, place_files
from cutlayer.scenarios.load import Loaded, document_of, find_file, load_document, read_text
from cutlayer.scenarios.overrides import apply_changes
from cutlayer.scenarios.problems import Problem, ScenarioError
from cutlayer.scenarios.shipped import shipped_names, shipped_path
from cutlayer.sim.build.checks import problems_beside
from cutlayer.sim.commands.check import print_outlook
from cutlayer.sim.data.datasets import DATASETS
from cutlayer.sim.interactive.plain_data import PlainData
from cutlayer.sim.methods.registry import OPTIONS

_MADE: Final = "Scenario"  # the sources in messages
_REPLACED: Final = "replace"
_NAMELESS: Final = (
    "cannot be imported by a name, which a file needs: define it at the top level of a module"
)


class Scenario(Loaded):
    """A scenario: what is trained, on which data, where, and with which methods.

    The keyword arguments are the sections of a scenario file, as dicts and lists, with units as there:
    `link={"up": "5 Mbit/s", "down": "25 Mbit/s", "delay": "25 ms"}`. Files are relative to the working
    directory. A function or class may stand for the name of a model, data set, method or controller, and
    a `torch.utils.data.Dataset` for a data set. Worker processes can import objects of modules only, and
    the learning digest covers only these.

    Raises ScenarioError, a ValueError that lists all problems: `Scenario: training.rounds: must be ...`.
    """

    def __init__(self, **sections: Any) -> None:
        plain = PlainData(_MADE)
        document = Document(_MADE, plain.of(sections), {})
        self._load(document, (), plain.objects)

    def _load(
        self, written: Document, problems: Iterable[Problem], objects: Sequence[Given]
    ) -> Self:
        """Check a document as it was written, and become its scenario."""
        loaded = load_document(
            written,
            methods=OPTIONS,
            models=MODELS,
            datasets=DATASETS,
            problems=problems,
            further=problems_beside,
        )
        # The dataclass is frozen. The objects are kept for their names.
        vars(self).update(vars(loaded), _written=written, _objects=tuple(objects))
        return self

    @classmethod
    def load(cls, path_or_name: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Return the scenario of a file, or a shipped one; see `cutlayer.load_scenario`."""
        path = find_file(path_or_name, shipped_names(), shipped_path, "scenario")
        document, problems = document_of(read_text(path), str(path), overrides)
        return cls.__new__(cls)._load(document, problems, ())

    def replace(self, changes: Mapping[str, Any] | None = None, /, **sections: Any) -> Self:
        """Return the scenario with other values, as `--set` makes it.

        `changes` are by dotted path, with the numbers of list entries from 0:
        `scenario.replace({"topology.star.clients.0.link.up": "5 Mbit/s"})`. Keyword arguments replace
        whole sections. Raises ScenarioError.
        """
        plain = PlainData(_REPLACED)
        values = {
            path: plain.of(value, tuple(path.split(".")))
            for path, value in ({**(changes or {}), **sections}).items()
        }
        document, problems = apply_changes(self._written, values, _REPLACED)
        objects = (*self._objects, *plain.objects)
        return type(self).__new__(type(self))._load(document, problems, objects)

    def check(self, *, executor: str = "inline", data_dir: str | Path | None = None) -> None:
        """Print what `cutlayer check` prints: what would run, its time, traffic and memory.

        Raises the UserError that `run` would raise with this executor.
        """
        print_outlook(self, executor, None if data_dir is None else Path(data_dir))

    def to_yaml(self) -> str:
        """Return the text of a scenario file, with absolute paths of files.

        Raises ScenarioError if it uses an object that cannot be imported by a name.
        """
        if nameless := list(given_names(self.document.data)):
            raise ScenarioError(self.problem(path, _NAMELESS, name) for path, name in nameless)
        data = place_files(self.document.data, absolute)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def __repr__(self) -> str:
        methods = ", ".join(method.label for method in self.scenario.methods)
        return f"<Scenario {self.scenario.name}: {self.scenario.model.name} with {methods}>"

    _written: Document
    _objects: tuple[Given, ...]


def load_scenario(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Scenario:
    """Load a scenario file, or a shipped scenario by name, with overrides such as `seed=3`.

    Raises ScenarioError, a ValueError that lists all of its problems.
    """
    return Scenario.load(path_or_name, overrides)
