"""A round that has been played on the clock, and whose training may still be running."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutlayer.sim.learning.pending import Evaluation, Pending, TrainedRound
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.results.round import RoundResult


@dataclass
class Played:
    """A played round: its figures without those of the training, and what adds it to the result.

    `learned` has the figures of a training with the same digest, by the names of their fields. `effects`
    run when it is committed; `energy_j` adds the use of the devices and returns their energy. `models`
    are those that an evaluation after the round uses, by the states of their parts. `personal` is the
    evaluation of the clients' own models, if they keep tensors.
    """

    row: RoundResult
    trained: TrainedRound
    energy_j: Callable[[], float | None]
    effects: Sequence[Callable[[], None]]
    evaluation: Pending[Evaluation] | None = None
    personal: Pending[Evaluation] | None = None
    learned: Mapping[str, Any] = field(default_factory=dict)
    models: Sequence[tuple[StateKey, ...]] = ()
    further: list[Callable[[], None]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether its training and evaluations are done."""
        evaluations = (self.evaluation, self.personal)
        return self.trained.done and all(one is None or one.done for one in evaluations)

    def wait(self) -> None:
        """Wait until its training and evaluations are done. Raises the error of a chain."""
        self.trained.result()
        for one in (self.evaluation, self.personal):
            if one is not None:
                one.result()
