"""A cell: one method of a scenario with one seed, at one point of a study."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutlayer.scenarios.load import Loaded
from cutlayer.sim.studies.addresses import cell_address


@dataclass(frozen=True)
class Cell:
    """What is run on the clock by itself. `scenario` is resolved, with this method and seed alone.

    `alone` says that it cannot be timed without being trained: it asks for an accuracy to decide.
    `where` is its point, for messages.
    """

    label: str
    method: str
    seed: int
    scenario: Mapping[str, Any]
    address: str
    alone: bool
    where: str

    @property
    def evaluate_every(self) -> int:
        """After how many rounds the accuracy is taken."""
        return int(self.scenario["training"]["evaluate_every"])

    @property
    def targets(self) -> tuple[float, ...]:
        """The accuracies that times and bytes are told for."""
        return tuple(self.scenario["training"].get("targets", ()))


class Shared:
    """Plain data of which equal pieces are kept once: the scenarios of many points are nearly alike."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Any] = {}

    def keep(self, value: Any) -> Any:
        """Return an equal value whose mappings and lists are those of earlier values where equal."""
        if isinstance(value, Mapping):
            inner = {key: self.keep(one) for key, one in value.items()}
            identity = (dict, *((key, self._identity(one)) for key, one in inner.items()))
            return self._kept.setdefault(identity, inner)
        if isinstance(value, list | tuple):
            entries = [self.keep(one) for one in value]
            return self._kept.setdefault((list, *map(self._identity, entries)), entries)
        return value

    @staticmethod
    def _identity(value: Any) -> Any:
        return id(value) if isinstance(value, dict | list) else (type(value), repr(value))


def cells_of(loaded: Loaded, where: str, shared_pieces: Shared) -> Iterator[Cell]:
    """Yield the cells of a scenario: its seeds, and with each its methods in order."""
    resolved = shared_pieces.keep(loaded.resolved())
    shared = {k: v for k, v in resolved.items() if k not in ("seed", "seeds", "methods")}
    alone = loaded.scenario.stop.target_accuracy is not None
    for seed in loaded.scenario.all_seeds:
        for entry, written in zip(loaded.scenario.methods, resolved["methods"], strict=True):
            scenario = {**shared, "seed": seed, "methods": [written]}
            yield Cell(
                entry.label, entry.name, seed, scenario, cell_address(scenario), alone, where
            )
