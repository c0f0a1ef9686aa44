"""Scenarios: the descriptions of simulations, as YAML files with units, and the shipped ones.

`load` reads and validates a file or a shipped scenario and reports all problems at once.
"""

from cutlayer.scenarios.export import json_schema
from cutlayer.scenarios.load import Loaded, load, load_text
from cutlayer.scenarios.problems import MISSING, Problem, ScenarioError
from cutlayer.scenarios.schema import Scenario
from cutlayer.scenarios.shipped import shipped_names, shipped_path

__all__ = [
    "MISSING",
    "Loaded",
    "Problem",
    "Scenario",
    "ScenarioError",
    "json_schema",
    "load",
    "load_text",
    "shipped_names",
    "shipped_path",
]
