"""What a run reports while it works: which methods it will play, and how far each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult


@dataclass(frozen=True)
class MethodRun:
    """A method with one seed: `rounds` rounds with `clients` clients each, or windows (`noun`)."""

    seed: int
    label: str
    rounds: int
    clients: int
    noun: str = "round"


class Progress:
    """Receives the progress of a run and ignores it; `commands/progress` shows it on a terminal.

    Several methods may be in progress at the same time, so each call names the one it is about.
    """

    def planned(self, methods: Sequence[MethodRun]) -> None:
        """The run will play these methods; it begins them in this order."""

    def method_started(self, method: MethodRun) -> None:
        """A method begins."""

    def client_trained(self, method: MethodRun, done: int, total: int) -> None:
        """`done` of the `total` clients of the method's round have been trained."""

    def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
        """A round of a method closed."""

    def method_finished(self, method: MethodRun, result: MethodResult) -> None:
        """A method ended."""

    def note(self, line: str) -> None:
        """Something happened to the training, such as the death of a worker process."""
