"""Cutlayer from Python: load a scenario, run it, look at the results.

    from sim import load_scenario, run

    (result,) = run(load_scenario("quickstart"), executor="none")
    result.methods["ecofed"].virtual_time_s

`ScenarioError` (a ValueError) lists everything that is wrong with a scenario. Importing this package
imports neither torch nor anything else that is slow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.problems import ScenarioError
    from sim.learning.dataset_info import DataError
    from sim.results import MethodResult, RunResult
    from sim.round_results import RoundResult
    from sim.runs import load_scenario, run
    from sim.saved import read_run, read_study
    from sim.studies.result import StudyResult
    from sim.studies.sweep import load_study, sweep

__all__ = [
    "DataError",
    "MethodResult",
    "RoundResult",
    "RunResult",
    "ScenarioError",
    "StudyResult",
    "load_scenario",
    "load_study",
    "read_run",
    "read_study",
    "run",
    "sweep",
]

_HOME = {
    "DataError": "sim.learning.dataset_info",
    "MethodResult": "sim.results",
    "RoundResult": "sim.round_results",
    "RunResult": "sim.results",
    "ScenarioError": "scenarios.problems",
    "StudyResult": "sim.studies.result",
    "load_scenario": "sim.runs",
    "load_study": "sim.studies.sweep",
    "read_run": "sim.saved",
    "read_study": "sim.saved",
    "run": "sim.runs",
    "sweep": "sim.studies.sweep",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its file when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
