"""Progress of a command's steps: a bar on a terminal, some lines elsewhere."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TimeRemainingColumn,
)

from cutlayer.sim.commands.reporters import PlainColumn
from cutlayer.sim.files.plain_text import plain

LINES = 10  # where there is no terminal


class StepProgress:
    """Shows how many steps are done; to be used as a context."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._bar = Progress(
            PlainColumn("{task.description:40}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=None)
        self._said = -1

    def __enter__(self) -> "StepProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, done: int, total: int, what: str) -> None:
        """Show how many steps are done, of how many, and which is next."""
        self._bar.update(self._task, completed=done, total=total, description=what)
        tenth = LINES * done // max(total, 1)
        if not self._console.is_terminal and tenth > self._said and done < total:
            self._said = tenth
            line = f"{self._what}: {done} of {total}, next {what}"
            self._console.print(plain(line, encoding=self._console.encoding), soft_wrap=True)


class PhaseProgress:
    """Shows the phases of a long piece of work, one bar each; some lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            PlainColumn("{task.fields[phase]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            PlainColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, int] = {}

    def __enter__(self) -> "PhaseProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, phase: str, done: int, total: int, what: str) -> None:
        """Show how much of a phase is done, and what is under way."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bar.add_task("", total=total, phase=phase)
        self._bar.update(self._tasks[phase], completed=done, total=total, description=what)
        tenth = LINES * done // max(total, 1)
        if not self._console.is_terminal and tenth > self._said.get(phase, -1):
            self._said[phase] = tenth
            text = f"{phase}: {done} of {total}" + (f" ({what})" if what else "")
            self._console.print(plain(text, encoding=self._console.encoding), soft_wrap=True)
