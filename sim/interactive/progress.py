"""Progress of a run in a notebook or script: one updated line, bars on a terminal, otherwise nothing."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TextIO

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.commands.progress import RunProgress, figures_of
from cutlayer.sim.process.interrupts import stop_requested
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.progress import MethodRun, Progress

SECONDS_BETWEEN_LINES: Final = 0.1
STOPPED: Final = "interrupted: these are the results of the rounds that had closed"
STOPPING: Final = "interrupted: finishing the rounds in progress; interrupt again to stop at once"


@contextmanager
def shown_progress(progress: Progress | bool) -> Iterator[Progress]:
    """Return what a run reports to: `progress` itself, what fits the output, or nothing if False."""
    if isinstance(progress, Progress):
        yield progress
    elif progress and in_notebook():
        with LineProgress(sys.stdout).closed_at_the_end() as line:
            yield line
    elif progress and sys.stdout is not None and sys.stdout.isatty():
        with RunProgress(make_console()) as bars:
            yield bars
    else:
        yield Progress()


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class LineProgress(Progress):
    """Writes one line and updates it: the methods done, and the latest round."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._methods = self._done = 0
        self._seeds = False
        self._text = ""
        self._shown = ""
        self._next_s = 0.0  # of the host's clock: the time of the next update

    @contextmanager
    def closed_at_the_end(self) -> Iterator["LineProgress"]:
        """Show the last state and end the line when the block ends."""
        try:
            yield self
        finally:
            self._write(at_once=True)
            if self._shown:
                self._output.write("\n")

    def planned(self, methods: Sequence[MethodRun]) -> None:
        """Count the methods."""
        self._methods = len(methods)
        self._seeds = len({method.seed for method in methods}) > 1

    def method_started(self, method: MethodRun) -> None:
        """Show the method."""
        self._say(method, f"{method.noun} 0 of {method.rounds}")

    def round_closed(self, method: MethodRun, closed: RoundResult) -> None:
        """Show the round, its virtual time and its first metric."""
        self._say(
            method, f"{method.noun} {closed.index + 1} of {method.rounds}, {figures_of(closed)}"
        )

    def method_finished(self, method: MethodRun, result: MethodResult) -> None:
        """Count the method."""
        del method, result
        before, self._done = self._prefix(), self._done + 1
        self._text = self._prefix() + self._text.removeprefix(before)
        self._write()

    def note(self, line: str) -> None:
        """Write a line of its own, and the progress below it."""
        self._output.write(f"\r{line.ljust(len(self._shown))}\n")
        self._shown = ""
        if line == STOPPED:  # nothing goes on below it
            self._text = ""
        self._write(at_once=True)

    def _prefix(self) -> str:
        return f"{self._done} of {self._methods} methods done; "

    def _say(self, method: MethodRun, text: str) -> None:
        name = f"{method.label} (seed {method.seed})" if self._seeds else method.label
        self._text = f"{self._prefix()}{name}: {text}"
        if stop_requested():
            self._text = STOPPING
        self._write()

    def _write(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._text == self._shown or (now < self._next_s and not at_once):
            return
        self._next_s = now + SECONDS_BETWEEN_LINES
        self._output.write(f"\r{self._text.ljust(len(self._shown))}")
        self._output.flush()
        self._shown = self._text
