"""Progress of a run: bars with virtual time on a terminal, plain lines otherwise.

The bars' remaining time is the host's; the virtual time is the emulated one.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.topologies.units import format_duration

LINES_PER_METHOD = 5


class PlainColumn(TextColumn):
    """A column of a progress bar whose text, which a user may have chosen, is shown as it is."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """Return the text of a task."""
        return plain(self.text_format.format(task=task))


class Bars:
    """One bar per method, which counts trained clients; for terminals."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            PlainColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            PlainColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = TaskID(0)
        self._round = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def method_started(self, seed: int, label: str, rounds: int, clients: int) -> None:
        """Add the method's bar."""
        self._round = 0
        self._task = self._progress.add_task(
            f"{label} (seed {seed})", total=float(rounds), note=f"{clients} clients a round"
        )

    def client_trained(self, done: int, total: int) -> None:
        """Move the bar within the round."""
        self._progress.update(self._task, completed=self._round + done / total)

    def round_closed(self, closed: RoundResult) -> None:
        """Move the bar to the round's end and show virtual time and accuracy."""
        self._round = closed.index + 1
        self._progress.update(self._task, completed=float(self._round), note=note(closed))

    def method_finished(self, result: MethodResult) -> None:
        """Fill the bar, also where the method stopped early."""
        self._progress.update(self._task, total=float(len(result.rounds) or 1))


class Lines:
    """A few plain lines per method; for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._every = 1
        self._label = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def method_started(self, seed: int, label: str, rounds: int, clients: int) -> None:
        """Say which method begins."""
        self._label = label
        self._every = max(1, rounds // LINES_PER_METHOD)
        self._say(f"{label}: seed {seed}, {rounds} rounds of {clients} clients")

    def client_trained(self, done: int, total: int) -> None:
        """Say nothing: a line per client would be too many."""

    def round_closed(self, closed: RoundResult) -> None:
        """Say where the method is, about five times."""
        if (closed.index + 1) % self._every == 0:
            self._say(f"{self._label}: round {closed.index + 1}, {note(closed)}")

    def method_finished(self, result: MethodResult) -> None:
        """Say nothing: the table will."""

    def _say(self, text: str) -> None:
        self._console.print(plain(text, encoding=self._console.encoding), soft_wrap=True)


def note(closed: RoundResult) -> str:
    """Return virtual time and accuracy after a round, in words."""
    text = f"virtual time {format_duration(closed.virtual_time_s)}"
    if closed.accuracy is not None:
        text += f", accuracy {closed.accuracy:.1%}"
    return text
