"""Progress of a command: bars on a terminal, a few plain lines elsewhere.

The remaining time of a bar is the host's; virtual time is the emulated one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.progress_bar import ProgressBar
from rich.text import Text

from cutlayer.sim.files.plain_text import plain
from cutlayer.sim.process.interrupts import stop_requested
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun, Progress
from cutlayer.topologies.units import format_duration

LINES_PER_PHASE: Final = 10  # where there is no terminal
LINES_PER_METHOD: Final = 5
REFRESHES_PER_S: Final = 4  # each takes some milliseconds of the process that plays the clocks
BAR_WIDTH: Final = 20  # characters
SPEED_OVER_S: Final = 600.0  # the remaining time is estimated from the last minutes
MIN_BARS: Final = 3
LINES_BESIDE_BARS: Final = 4  # the prompt, the command, the hidden bars, the note on Ctrl-C
STOPPING: Final = "interrupted: finishing the rounds in progress; Ctrl-C again stops at once"


class PlainColumn(TextColumn):
    """A column of a progress bar that shows its text, which a user may have chosen, unchanged.

    The text of a bar that has not begun is dimmed.
    """

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False)

    def render(self, task: Task) -> Text:
        """Return the text of a task."""
        text = plain(self.text_format.format(task=task))
        if not task.started:
            text.stylize("dim")
        return text


class _StillBar(BarColumn):
    """A bar that does not move by itself, unlike rich's of a task that has not begun."""

    def render(self, task: Task) -> ProgressBar:
        """Return the bar of a task."""
        bar = super().render(task)
        bar.pulse = False
        return bar


class _Bars(Bars):
    """Bars on a terminal, with counts and the remaining time, or the time taken when they are full."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            PlainColumn("{task.fields[name]}"),
            _StillBar(BAR_WIDTH),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            PlainColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=REFRESHES_PER_S,
            speed_estimate_period=SPEED_OVER_S,
        )


class _MethodBars(_Bars):
    """Bars of methods; only those in progress and the next ones if the terminal has too few lines."""

    def __init__(self, console: Console) -> None:
        self._height = console.size.height
        super().__init__(console)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bars that fit, and the number of the others."""
        tasks, room = self.tasks, max(MIN_BARS, self._height - LINES_BESIDE_BARS)
        left = [task for task in tasks if not task.finished]
        over = [task for task in tasks if task.finished]
        shown_over = over[len(over) - min(len(over), max(0, room - len(left))) :]
        shown = {task.id for task in (*shown_over, *left[:room])}
        yield self.make_tasks_table([task for task in tasks if task.id in shown])
        counts = {
            "finished": len(over) - len(shown_over),
            "to come": len(left) - len(left[:room]),
        }
        if any(counts.values()):
            texts = [f"{count} {what}" for what, count in counts.items() if count]
            yield Text(f"... and {', '.join(texts)}", "dim")
        if stop_requested():
            yield Text(STOPPING, "bold")


class _Shown:
    """A context that draws bars on a terminal and prints lines elsewhere."""

    def __init__(self, console: Console, bars: _Bars) -> None:
        self._console = console
        self._bars = bars

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
        super().__init__(console, _Bars(console))
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


@dataclass
class _Bar:
    task: TaskID
    name: str
    closed: int = 0
    at: float = 0.0  # where the bar is, in rounds


class RunProgress(_Shown, Progress):
    """Shows the methods of a run, one bar each from the start; a bar moves with every trained client."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, _MethodBars(console))
        self._of: dict[MethodRun, _Bar] = {}
        self._said_stopping = False

    def planned(self, methods: Sequence[MethodRun]) -> None:
        """Add a bar for each method."""
        several_seeds = len({method.seed for method in methods}) > 1
        for method in methods:
            name = f"{method.label} (seed {method.seed})" if several_seeds else method.label
            task = self._bars.add_task(
                _rounds_of(method), start=False, total=float(method.rounds), name=name
            )
            self._of[method] = _Bar(task, name)

    def method_started(self, method: MethodRun) -> None:
        """Start the clock of the method's bar."""
        self._bars.start_task(self._of[method].task)
        what = f"{method.rounds} {_rounds_of(method)}"
        self._say(f"{method.label}: seed {method.seed}, {what}")

    def client_trained(self, method: MethodRun, done: int, total: int) -> None:
        """Move the bar within the round."""
        bar = self._of[method]
        self._move(bar, min(bar.closed + done / total, method.rounds))

    def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
        """Move the bar to the end of the round and show virtual time and accuracy."""
        bar = self._of[method]
        bar.closed = closed.index + 1
        note = figures_of(closed)
        self._move(bar, bar.closed, note)
        if bar.closed % max(1, method.rounds // LINES_PER_METHOD) == 0:
            self._say(f"{bar.name}: {closed.noun} {bar.closed}, {note}")

    def method_finished(self, method: MethodRun, result: MethodResult) -> None:
        """Fill the bar, also of a method that stopped early."""
        rounds = float(len(result.rounds) or 1)
        self._bars.update(self._of[method].task, completed=rounds, total=rounds)

    def note(self, line: str) -> None:
        """Print a line, on a terminal above the bars."""
        self._bars.console.print(plain(line, encoding=self._console.encoding), soft_wrap=True)

    def _move(self, bar: _Bar, at: float, note: str | None = None) -> None:
        """Move a bar forwards; clients of the next round may train before a round has closed."""
        bar.at = max(bar.at, at)
        self._bars.update(bar.task, completed=bar.at, description=note)
        if stop_requested() and not self._said_stopping:
            self._said_stopping = True
            self._say(STOPPING)


def figures_of(closed: RoundResult) -> str:
    """Return the virtual time of a closed round and, if it was evaluated, its first metric."""
    text = f"virtual time {format_duration(closed.virtual_time_s)}"
    for name, value in closed.evaluated[:1] if closed.test_loss is not None else ():
        text += f", {name} {value:.1%}" if name == "accuracy" else f", {name} {value:.4g}"
    return text


def _rounds_of(method: MethodRun) -> str:
    each = f"of {method.clients} clients" if method.noun == "round" else "of updates"
    return f"{method.noun}s {each}"
