"""Scenarios: what is asked of a simulation, as YAML files with units, and the shipped ones.

`load` reads a file or a shipped scenario and validates it; every problem is reported at once.
"""

from scenarios.export import json_schema
from scenarios.load import Loaded, load, load_text
from scenarios.methods import Method
from scenarios.problems import NOTHING, KeyPath, Problem, ScenarioError
from scenarios.schema import Scenario
from scenarios.shipped import shipped_names, shipped_path

__all__ = [
    "NOTHING",
    "KeyPath",
    "Loaded",
    "Method",
    "Problem",
    "Scenario",
    "ScenarioError",
    "json_schema",
    "load",
    "load_text",
    "shipped_names",
    "shipped_path",
]
