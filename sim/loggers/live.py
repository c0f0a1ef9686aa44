"""Send the figures of one seed's run to its loggers.

A logger that cannot begin ends the command before anything is simulated. One that fails later is
switched off with a message, since the results in the run folder do not depend on it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cutlayer.errors import UserError
from cutlayer.models.own_object import reason_of
from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.loggers.logger import About, Figures, Logger, LoggerError, MakeLogger


class Loggers:
    """The loggers of a run that still work."""

    def __init__(self, makers: Sequence[MakeLogger]) -> None:
        self._loggers = [make() for make in makers]

    def run_started(self, about: About) -> None:
        """Begin all loggers. Raises LoggerError if one cannot begin."""
        waiting, self._loggers = self._loggers, []
        for logger in waiting:
            try:
                logger.run_started(about)
            except Exception as error:  # packages and users' classes may raise anything
                self.run_finished({"status": "failed", "methods": {}})
                if isinstance(error, UserError):
                    raise
                why = reason_of(error)
                raise LoggerError(f"logger {_name(logger)} cannot begin ({why})") from error
            self._loggers.append(logger)

    def round_closed(self, label: str, figures: Figures) -> None:
        """Log a round of the method `label`."""
        self._all(lambda logger: logger.round_closed(label, figures))

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """End all loggers with the summary of the run."""
        self._all(lambda logger: logger.run_finished(summary))

    def _all(self, call: Callable[[Logger], None]) -> None:
        for logger in list(self._loggers):
            try:
                call(logger)
            except Exception as error:  # packages and users' classes may raise anything
                self._loggers.remove(logger)
                sys.stderr.write(
                    f"logger {_name(logger)} failed and logs no more of this run; the results in"
                    f" the run folder are complete ({visible(reason_of(error))})\n"
                )


@contextmanager
def following(
    makers: Sequence[MakeLogger], about: About, summary: Callable[[], Mapping[str, Any]]
) -> Iterator[Loggers]:
    """Begin a run's loggers, and end them with its summary, also after an error.

    Raises LoggerError if a logger cannot begin.
    """
    loggers = Loggers(makers)
    loggers.run_started(about)
    try:
        yield loggers
    except KeyboardInterrupt:
        loggers.run_finished(summary())
        raise
    except BaseException:
        loggers.run_finished({**summary(), "status": "failed"})
        raise
    loggers.run_finished(summary())


def _name(logger: Logger) -> str:
    return type(logger).__name__
