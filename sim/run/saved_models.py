"""Save the trained models of a method while it runs: the best so far, and the final one.

A file holds the weights of a whole model, device and server block together, as evaluation uses it; its
metadata hold the recipe and the figures. The best model is written when its round is committed, before
the round's checkpoint, so that a resumed run finds the models of the rounds that it replays.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cutlayer.models.errors import WeightsError
from cutlayer.models.pretrained import weights_bytes
from cutlayer.models.weights_files import load_metadata
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.initial import initial_weights
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.files.atomic import errors_named, write_bytes
from cutlayer.sim.learning.recipe import NEW, Recipe
from cutlayer.sim.learning.state_key import FROZEN, StateKey
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.played import Played
from cutlayer.sim.tasks.task import DEFAULT
from cutlayer.version import __version__

if TYPE_CHECKING:
    from cutlayer.sim.learning.replica import State

FOLDER: Final = "models"
SUFFIX: Final = ".safetensors"
Parts = tuple[StateKey, ...]


class SavedModels:
    """Writes LABEL.best.safetensors and LABEL.final.safetensors of one method into a folder.

    If a method is evaluated with several models, each has a file with its cut or client in its name.
    `name` is the label as a file name.
    """

    def __init__(
        self, folder: Path, name: str, plan: Plan, entry: MethodEntry, note: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._name = name
        self._label = entry.label
        self._note = note
        self._plan, self._entry = plan, entry
        method, options = options_of(entry)
        self._recipe = plan.recipe(method, entry.name, options)
        self._about = _about(self._recipe, entry, plan)
        self._best: float | None = None
        self._metric = plan.task.metric
        self._last: tuple[Played, RoundResult] | None = None

    def committed(self, played: Played, closed: RoundResult) -> None:
        """Save the models of a committed round with the best metric so far. Raises OutputError."""
        self._last = played, closed
        value = closed.value(self._metric.name)
        if value is not None and self._metric.gains(value, self._best):
            self._best = value
            self._save("best", played, closed)

    def ended(self) -> None:
        """Save the models of the last committed round, whose states are still kept."""
        if self._last is not None:
            self._save("final", *self._last)

    def _save(self, which: str, played: Played, closed: RoundResult) -> None:
        mark = played.trained.mark
        if mark is None or self._has(which, played, closed.index):
            return
        digest = mark.weights_digest()
        if digest is None:  # a round that is replayed
            self._note(f"{self._label}: the {which} model is missing in {self._folder}")
            return
        figures = {
            **self._about,
            "saved": which,
            "round": str(closed.index),
            "accuracy": "none" if closed.accuracy is None else repr(closed.accuracy),
            **{name: repr(value) for name, value in (closed.metrics or {}).items()},
            "weights_digest": digest,
            "learning_digest": str(played.trained.digest),
        }
        values, versions = mark.values(), mark.versions()
        with errors_named(self._folder):
            self._folder.mkdir(exist_ok=True)
        written = set()
        for parts in played.models:
            of_model = dict(self._frozen)
            for key in parts:
                of_model |= values[key, versions[key]]
            cut = _cut(parts, self._recipe)
            file = self._file(which, parts, played.models)
            write_bytes(file, weights_bytes(of_model, {**figures, "cut": str(cut)}))
            written.add(file)
        for file, _ in self._files(which):
            if file not in written:  # of members of an earlier round
                with errors_named(file):
                    file.unlink()

    @cached_property
    def _frozen(self) -> "State":
        """The tensors of the model that are not trained."""
        plan = self._plan
        method, options = options_of(self._entry)
        cut, mixed = max(plan.scenario_cuts), plan.mixed_cuts(method)
        return initial_weights(self._recipe, method, options, cut=cut, mixed=mixed).frozen

    def _has(self, which: str, played: Played, index: int) -> bool:
        """Return whether the folder has the models of this round, and no others, or some of a later one.

        A command that was killed may have written some of the models of its last round only.
        """
        found = {file: int(about["round"]) for file, about in self._files(which)}
        wanted = [self._file(which, parts, played.models) for parts in played.models]
        return max(found.values(), default=-1) > index or found == dict.fromkeys(wanted, index)

    def _file(self, which: str, parts: Parts, models: Sequence[Parts]) -> Path:
        return self._folder / f"{self._name}.{which}{_suffix(parts, models)}{SUFFIX}"

    def _files(self, which: str) -> list[tuple[Path, Mapping[str, str]]]:
        """Return this method's files and their metadata."""
        found: list[tuple[Path, Mapping[str, str]]] = []
        for file in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                about = load_metadata(file)
            except WeightsError:  # damaged: it is written again
                continue
            if (about.get("label"), about.get("saved")) == (self._label, which):
                found.append((file, about))
        return found


def _about(recipe: Recipe, entry: MethodEntry, plan: Plan) -> dict[str, str]:
    """Return the metadata that all models of a method share."""
    return {
        "label": entry.label,
        "method": entry.name,
        "model": recipe.model,
        "classes": str(recipe.classes),
        "input_shape": json.dumps(list(recipe.input_shape)),
        "mean": json.dumps(list(plan.info.mean)),
        "std": json.dumps(list(plan.info.std)),
        "recipe": json.dumps(_settings(recipe), sort_keys=True),
        "cutlayer": __version__,
    }


def _settings(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain data, without the defaults that earlier versions did not write."""
    settings = asdict(recipe)
    if recipe.task == DEFAULT:
        del settings["task"], settings["task_source"]
    for name, default in NEW.items():
        if getattr(recipe, name) == default:
            del settings[name]
    return settings


def _cut(parts: Parts, recipe: Recipe) -> int | None:
    """Return the cut of a model: the number of frozen blocks if clients have different cuts."""
    frozen = [key for key in parts if key.kind == FROZEN]
    return len(frozen) if frozen else recipe.cut


def _suffix(parts: Parts, models: Sequence[Any]) -> str:
    """Return what distinguishes a model from the others in a file name."""
    if len(models) == 1:
        return ""
    owner = next((key.owner for key in parts if key.owner is not None), None)
    if owner is not None:
        return f".client-{owner}"
    return f".cut-{sum(key.kind == FROZEN for key in parts)}"
