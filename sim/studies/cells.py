"""A cell: one method of a scenario with one seed, at one point of a study."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.training import values_of
from cutlayer.sim.studies.content_address import cell_address


@dataclass(frozen=True)
class Cell:
    """The unit that is timed by itself. `scenario` is resolved and has only this method and seed.

    An `alone` cell must be trained as it is timed, because an accuracy ends its run. `where` is its
    point, for messages.
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
        """The number of rounds between evaluations."""
        return int(self.scenario["training"]["evaluate_every"])

    @property
    def targets(self) -> tuple[float, ...]:
        """The values of the metric for which times and bytes are reported."""
        return values_of(self.scenario["training"].get("targets", ()))


class Shared:
    """Stores equal pieces of plain data once, since the scenarios of many points are nearly equal."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Any] = {}

    def keep(self, value: Any) -> Any:
        """Return an equal value that shares its mappings and lists with earlier equal values."""
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
    """Yield the cells of a scenario: for each seed, its methods in order."""
    resolved = shared_pieces.keep(loaded.resolved())
    shared = {k: v for k, v in resolved.items() if k not in ("seed", "seeds", "methods")}
    alone = loaded.scenario.stop.by_metric
    for seed in loaded.scenario.all_seeds:
        for entry, written in zip(loaded.scenario.methods, resolved["methods"], strict=True):
            scenario = {**shared, "seed": seed, "methods": [written]}
            yield Cell(
                entry.label, entry.name, seed, scenario, cell_address(scenario), alone, where
            )
