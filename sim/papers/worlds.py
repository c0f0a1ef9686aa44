"""Simulate a scenario with device profiles that a table defines."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.run import load_scenario, run
from cutlayer.topologies.catalogue.profile_file import measured, profile_text
from cutlayer.topologies.device import DeviceProfile

MBIT = 1e6


def played(
    scenario: str,
    devices: Mapping[str, DeviceProfile] | None = None,
    overrides: Iterable[str] = (),
) -> dict[str, MethodResult]:
    """Return each method's result of a scenario, without training.

    `scenario` is the name of a shipped scenario or a YAML text; `devices` are the profiles of devices
    that it names.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, profile in (devices or {}).items():
            path = Path(folder, f"{name}.yaml")
            text = profile_text(measured(profile, "made for a reproduced table"))
            path.write_text(text, encoding="utf-8")
            files[name] = {"profile": str(path)}
        source: str | Path = scenario
        sets = list(overrides)
        if "\n" in scenario:
            source = Path(folder, "scenario.yaml")
            source.write_text(scenario, encoding="utf-8")
        if files:
            text = yaml.safe_dump(files, default_flow_style=True, width=1_000_000)
            sets.append(f"devices={text.strip()}")
        (result,) = run(load_scenario(source, sets), executor="none")
        return result.methods


def seconds_per_round(result: MethodResult, round_type: str | None = None) -> float:
    """Return the mean round time, of all rounds or of one type, in seconds."""
    times = [r.round_time_s for r in result.rounds if round_type in (None, r.round_type)]
    return sum(times) / len(times)


def additive_seconds(result: MethodResult) -> float:
    """Return the mean of EcoFed's additive round time, in seconds."""
    return sum(r.additive_round_time_s for r in result.rounds) / len(result.rounds)


def bytes_per_client_round(result: MethodResult) -> float:
    """Return the mean wire bytes per client and round, both directions."""
    return result.wire_bytes / sum(r.clients for r in result.rounds)
