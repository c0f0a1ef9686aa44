"""Cutlayer from Python: load or make a scenario, run it, look at the results.

    from cutlayer import load_scenario, run

    (result,) = run(load_scenario("quickstart"), executor="none")
    result.methods["ecofed"].virtual_time_s

Invalid input raises a `UserError`, a ValueError; `ScenarioError` is the one that lists everything that
is wrong with a scenario. `import cutlayer` is fast: torch and other large packages are imported when a
function needs them.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutlayer.version import __version__ as __version__

# In a clone, `sim`, `models`, `topologies` and `scenarios` in this folder are links to the folders
# beside it. Git on Windows may write text files instead of links; then the folders are found here:
if not (Path(__file__).parent / "sim").is_dir():
    __path__ = [*__path__, str(Path(__file__).resolve().parents[1])]

if TYPE_CHECKING:
    from cutlayer.errors import UserError
    from cutlayer.models.trained import load_model
    from cutlayer.scenarios.problems import ScenarioError
    from cutlayer.sim.data.info import DataError
    from cutlayer.sim.interactive.run import run
    from cutlayer.sim.interactive.scenario import Scenario, load_scenario
    from cutlayer.sim.loggers.logger import Logger
    from cutlayer.sim.results.method import MethodResult, RunResult
    from cutlayer.sim.results.read import read_run, read_study
    from cutlayer.sim.results.round import RoundResult
    from cutlayer.sim.studies.result import StudyResult
    from cutlayer.sim.studies.sweep import load_study, sweep
    from cutlayer.sim.uncertainty.run import add_draws

_MODULES = {
    "DataError": "cutlayer.sim.data.info",
    "Logger": "cutlayer.sim.loggers.logger",
    "MethodResult": "cutlayer.sim.results.method",
    "RoundResult": "cutlayer.sim.results.round",
    "RunResult": "cutlayer.sim.results.method",
    "Scenario": "cutlayer.sim.interactive.scenario",
    "ScenarioError": "cutlayer.scenarios.problems",
    "StudyResult": "cutlayer.sim.studies.result",
    "UserError": "cutlayer.errors",
    "add_draws": "cutlayer.sim.uncertainty.run",
    "load_model": "cutlayer.models.trained",
    "load_scenario": "cutlayer.sim.interactive.scenario",
    "load_study": "cutlayer.sim.studies.sweep",
    "read_run": "cutlayer.sim.results.read",
    "read_study": "cutlayer.sim.results.read",
    "run": "cutlayer.sim.interactive.run",
    "sweep": "cutlayer.sim.studies.sweep",
}

__all__ = [
    "DataError",
    "Logger",
    "MethodResult",
    "RoundResult",
    "RunResult",
    "Scenario",
    "ScenarioError",
    "StudyResult",
    "UserError",
    "add_draws",
    "load_model",
    "load_scenario",
    "load_study",
    "read_run",
    "read_study",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'cutlayer' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
