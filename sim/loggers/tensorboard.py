"""TensorBoard: an event file for each method, in the folder `tensorboard` of the run.

Steps are rounds. The wall times of events are virtual seconds, so that TensorBoard's horizontal axis
"relative" shows virtual time.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cutlayer.sim.files.atomic import errors_named
from cutlayer.sim.files.plain_text import FileNames
from cutlayer.sim.loggers.logger import (
    About,
    Figures,
    Logger,
    LoggerError,
    MakeLogger,
    missing_package,
    numbers,
    step,
)

FOLDER: Final = "tensorboard"
_NOT_LOGGED: Final = ("seed", "point")  # columns of a study's curves that name the curve


def summary_writer() -> Callable[[Path], Any]:
    """Return the class of event files. Raises LoggerError if its package is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise missing_package("TensorBoard", "tensorboard") from None
    make: Any = SummaryWriter
    return lambda folder: make(log_dir=str(folder))


def add_scalars(writer: Any, figures: Figures) -> None:
    """Write the numbers of a row with the columns `round` and `virtual_time_s`."""
    time_s = float(figures["virtual_time_s"] or 0.0)
    for name, value in numbers(figures).items():
        if name not in _NOT_LOGGED:
            writer.add_scalar(name, value, step(figures), walltime=time_s)


class TensorBoard(Logger):
    """Writes an event file for each method, complete up to the last round that closed."""

    def __init__(self, make: Callable[[Path], Any]) -> None:
        self._make = make
        self._writers: dict[str, Any] = {}

    def run_started(self, about: About) -> None:
        """Create a folder for each method; event files of an earlier run in it are removed."""
        if about.folder is None:
            raise LoggerError("TensorBoard needs a folder for the results")
        names = FileNames()
        for label in about.methods:
            folder = about.folder / FOLDER / names.of(label)
            with errors_named(folder):
                for old in folder.glob("events.out.tfevents.*"):
                    old.unlink()
                self._writers[label] = self._make(folder)

    def round_closed(self, label: str, figures: Figures) -> None:
        """Write a round and flush it."""
        add_scalars(self._writers[label], figures)
        self._writers[label].flush()

    def run_finished(self, summary: object) -> None:  # noqa: ARG002
        """Close the files."""
        for writer in self._writers.values():
            writer.close()


def make() -> MakeLogger:
    """Return a function that makes a logger. Raises LoggerError if the package is missing."""
    writer = summary_writer()
    return lambda: TensorBoard(writer)
