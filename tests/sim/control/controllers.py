"""Controllers of a user's own, for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from cutlayer.sim.control.controller import Controller, Decisions, History


class Script(Controller):
    """Decides what its options say, by round."""

    sets = frozenset({"cuts", "batch_sizes", "participants"})
    remembers = 2
    seen: list[History] = []  # noqa: RUF012

    class Options(BaseModel):
        """The decisions of each round."""

        model_config = ConfigDict(extra="forbid")

        cuts: Sequence[int] | None = None
        rounds: Mapping[int, Mapping[str, Any]] = {}

    def decide(self, history: History) -> Decisions:
        """Return those of this round."""
        self.seen.append(history)
        of_round = self.options.rounds.get(history.index, {})
        return Decisions(**{field: _by_client(value) for field, value in of_round.items()})


def _by_client(value: Any) -> Any:
    """Return a mapping with whole numbers as keys, as they are not in YAML from JSON."""
    return {int(key): of for key, of in value.items()} if isinstance(value, Mapping) else value


class SettledScript(Script):
    """A script that promises to change no cut after the first round."""

    settles = True


class OnlyCuts(Script):
    """A script that may only set cuts."""

    sets = frozenset({"cuts"})


class Undecided(Controller):
    """It lacks `decide`."""

    sets = frozenset({"cuts"})


class Asks(Controller):
    """It asks for the time at an impossible cut."""

    sets = frozenset({"cuts"})

    def decide(self, history: History) -> Decisions:
        """Ask."""
        history.predict(1, 9)
        return Decisions()


class NoSets(Script):
    """It does not say what it sets."""

    sets = frozenset()
