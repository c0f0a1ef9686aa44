"""A fold in pieces: members are added to sums, in order, a few of them in each task.

A member can then be freed before the last one exists, so that memory does not grow with their number.
"""

from collections.abc import Sequence
from typing import Final

from cutlayer.sim.learning.aggregation import Aggregation
from cutlayer.sim.learning.graph.set_up import SetUp
from cutlayer.sim.learning.graph.task_graph import FOLD, Graph, Value
from cutlayer.sim.learning.graph.tasks import Addition, Closing, FoldTask
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.state_table import folded

MEMBERS: Final = 8  # in a task


class Folding:
    """A fold to which members are added; `keys` are the states into which it folds, in order."""

    def __init__(self, graph: Graph, set_up: SetUp, aggregation: Aggregation, name: str) -> None:
        self.keys: dict[StateKey, None] = {}
        self._graph = graph
        self._set_up = set_up
        self._aggregation = aggregation
        self._name = f"{name}, fold"
        self._members = 0
        self._additions: list[Addition] = []
        self._inputs: list[Value] = []
        self._sums: Value | None = None

    def next_member(self) -> None:
        """End the additions of a member."""
        self._members += 1

    def add(
        self,
        key: StateKey,
        share: float,
        source: Value,
        item: int | None = None,
        current: Value | None = None,
        start: Value | None = None,
    ) -> None:
        """Add a share of a member, an item of a list or a state itself, to the sum of a state.

        If it started from another version than the current one, the difference is added as well.
        """
        if self._members >= MEMBERS:
            (self._sums,) = self._submit((), 1)
            self._members = 0
        difference = None
        if start is not None and current is not None and start is not current:
            difference = (self._position(current), self._position(start))
        self.keys[key] = None
        position = self._position(source)
        self._additions.append(Addition(key, share, position, item, difference))

    def closed(
        self, before: Sequence[tuple[StateKey, Value, Value | None]]
    ) -> dict[StateKey, Value]:
        """Return the states that the fold gives, given their weights and moments before."""
        if not before:
            return {}
        closings = tuple(
            Closing(
                key, self._position(weights), None if moments is None else self._position(moments)
            )
            for key, weights, moments in before
        )
        written = [state for key, *_ in before for state in folded(key, self._aggregation)]
        return dict(zip(written, self._submit(closings, len(written)), strict=True))

    def _position(self, value: Value) -> int:
        """Return the position of an input."""
        if value not in self._inputs:
            self._inputs.append(value)
        return self._inputs.index(value)

    def _submit(self, closings: tuple[Closing, ...], outputs: int) -> list[Value]:
        sums = None if self._sums is None else self._position(self._sums)
        additions, self._additions = tuple(self._additions), []
        task = FoldTask(self._name, self._set_up, self._aggregation, additions, sums, closings)
        inputs, self._inputs, self._sums = self._inputs, [], None
        return self._graph.add(task, inputs, outputs, FOLD)[1]
