"""The interface of a logger, and the loggers by name.

A logger follows the run of one seed. Cutlayer calls `run_started` once, `round_closed` as each round of
each method closes, and `run_finished` once. Methods may run at the same time, so calls of different
labels alternate. A logger of your own is any object with these three methods; the class, or a function
without parameters that returns such an object, is named as `package.module:Object`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own_or, reason_of
from cutlayer.suggestion import suggestion

Figures = Mapping[str, str | int | float | None]
METHODS: Final = ("run_started", "round_closed", "run_finished")


@dataclass(frozen=True)
class About:
    """What is known of a run when it begins.

    `methods` has the name of each method by label, `scenario` is the scenario as resolved, `versions`
    are those of versions.json. `folder` is the run folder, None if nothing is written.
    """

    name: str
    seed: int
    methods: Mapping[str, str]
    scenario: Mapping[str, Any]
    versions: Mapping[str, Any]
    folder: Path | None = None


class Logger:
    """Receives the figures of one seed's run and ignores them; override what you need."""

    def run_started(self, about: About) -> None:
        """Begin. Nothing has been simulated yet."""

    def round_closed(self, label: str, figures: Figures) -> None:
        """Log a round of the method `label`: its row of rounds.csv, without label and method.

        Metrics of the task besides accuracy follow by name, in rounds that were evaluated.
        `figures["round"]` counts from 0 within the method, and `figures["virtual_time_s"]` is when the
        round closed. Of an asynchronous method it is a window. Figures that are not known are None.
        """

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """End. `summary` is the content of summary.json; after an error its status is "failed"."""


class LoggerError(UserError):
    """A logger that is unknown, lacks its package, or cannot begin."""


MakeLogger = Callable[[], Logger]

# The module of each logger; its function `make` imports the package.
LOGGERS: Final[Mapping[str, str]] = {
    "tensorboard": "cutlayer.sim.loggers.tensorboard",
    "wandb": "cutlayer.sim.loggers.weights_and_biases",
    "mlflow": "cutlayer.sim.loggers.mlflow",
}


def loggers_named(names: Iterable[str]) -> list[MakeLogger]:
    """Return what makes each logger, named by a key of LOGGERS or as `package.module:Object`.

    Raises LoggerError, also if the package of an extra is missing.
    """
    return [_maker(name) for name in dict.fromkeys(names)]


def _maker(name: str) -> MakeLogger:
    if name in LOGGERS:
        module: Any = import_module(LOGGERS[name])
        make: MakeLogger = module.make()
        return make
    if ":" not in name:
        raise LoggerError(
            f"unknown logger {name!r}{suggestion(name, LOGGERS)} (your own is named"
            " package.module:Object)"
        )
    own = import_own_or(LoggerError, f"logger {name!r} cannot be loaded", name)
    if not callable(own):
        raise LoggerError(
            f"logger {name!r} is of type {type(own).__name__}, expected a class, or a function that"
            " returns a logger"
        )
    return partial(_made, name, own)


def _made(name: str, own: Callable[[], Any]) -> Logger:
    try:
        logger = own()
    except Exception as error:  # a user's class may raise anything
        raise LoggerError(f"logger {name!r} cannot be made ({reason_of(error)})") from error
    missing = [method for method in METHODS if not callable(getattr(logger, method, None))]
    if missing:
        raise LoggerError(
            f"logger {name!r} has no method {missing[0]!r}; a logger has {', '.join(METHODS)}"
        )
    made: Logger = logger
    return made


def missing_package(title: str, extra: str) -> LoggerError:
    """Return the error for a logger whose package is not installed."""
    return LoggerError(f"{title} needs its package: pip install 'cutlayer[{extra}]'")


def numbers(figures: Figures) -> dict[str, float]:
    """Return the figures that are known numbers, without the round's, which is the step."""
    return {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, int | float) and name != "round"
    }


def step(figures: Figures) -> int:
    """Return the number of a row's round."""
    return int(figures["round"] or 0)


def outcome(summary: Mapping[str, Any], label: str) -> dict[str, str | int | float]:
    """Return the figures of a method's entry of summary.json that one value describes.

    Nested entries get names with a dot, such as `accuracy.final`; what is not known is left out.
    """
    found: dict[str, str | int | float] = {"status": summary["status"]}
    for name, value in summary["methods"].get(label, {}).items():
        entries = (
            {f"{name}.{key}": one for key, one in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        found |= {key: one for key, one in entries.items() if isinstance(one, str | int | float)}
    return found
