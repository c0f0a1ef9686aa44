"""Progress of a command: bars on a terminal, a few plain lines elsewhere.

The remaining time of a bar is the host's; virtual time is the emulated one.
"""

from typing import Final, Self

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
from cutlayer.sim.run import run
from cutlayer.topologies.units import format_duration

LINES_PER_PHASE: Final = 10  # where there is no terminal
LINES_PER_METHOD: Final = 5


class PlainColumn(TextColumn):
    """A column of a progress bar that shows its text, which a user may have chosen, unchanged."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """Return the text of a task."""
        return plain(self.text_format.format(task=task))


class _Shown:
    """A context that draws bars on a terminal and prints lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            PlainColumn("{task.fields[name]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            PlainColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def _say(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(plain(text, encoding=self._console.encoding), soft_wrap=True)


class PhaseProgress(_Shown):
    """Shows the phases of a command, one bar each: call it with phase, done, total, what is next."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._tasks: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}

    def __call__(self, phase: str, done: int, total: int, what: str) -> None:
        """Show that `done` of `total` steps of a phase are done, and which step is next."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task("", total=total, name=phase)
        self._bars.update(self._tasks[phase], completed=done, total=total, description=what)
        tenth = LINES_PER_PHASE * done // max(total, 1)
        if tenth > self._tenths.get(phase, -1):
            self._tenths[phase] = tenth
            self._say(f"{phase}: {done} of {total}" + (f" ({what})" if what else ""))


class RunProgress(_Shown, run.Progress):
    """Shows the methods of a run, one bar each; a bar moves with every trained client."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._task = TaskID(0)
        self._closed = 0
        self._label = ""
        self._every = 1

    def method_started(
        self, seed: int, label: str, rounds: int, clients: int, noun: str = "round"
    ) -> None:
        """Add the method's bar."""
        each = f"of {clients} clients" if noun == "round" else "of updates"
        self._closed, self._label = 0, label
        self._every = max(1, rounds // LINES_PER_METHOD)
        self._task = self._bars.add_task(
            f"{noun}s {each}", total=float(rounds), name=f"{label} (seed {seed})"
        )
        self._say(f"{label}: seed {seed}, {rounds} {noun}s {each}")

    def client_trained(self, done: int, total: int) -> None:
        """Move the bar within the round."""
        self._bars.update(self._task, completed=self._closed + done / total)

    def round_closed(self, closed: RoundResult) -> None:
        """Move the bar to the end of the round and show virtual time and accuracy."""
        self._closed = closed.index + 1
        note = f"virtual time {format_duration(closed.virtual_time_s)}"
        if closed.accuracy is not None:
            note += f", accuracy {closed.accuracy:.1%}"
        self._bars.update(self._task, completed=float(self._closed), description=note)
        if self._closed % self._every == 0:
            self._say(f"{self._label}: {closed.noun} {self._closed}, {note}")

    def method_finished(self, result: MethodResult) -> None:
        """Fill the bar, also of a method that stopped early."""
        self._bars.update(self._task, total=float(len(result.rounds) or 1))
