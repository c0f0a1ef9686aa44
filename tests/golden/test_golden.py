"""The numbers of every shipped scenario and study are those recorded beside this file.

They came out of Cutlayer itself: they say that nothing changed, and other tests that it is right.
`make golden` records them anew where they are meant to change.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from golden_differences import compare
from golden_numbers import HERE, TRAINED, numbers, recorded_file, scenario_names, study_names

from cutlayer.sim.methods.registry import METHODS

CASES = [("scenario", name) for name in scenario_names()]
CASES += [("study", name) for name in study_names()]


def recorded(kind: str, name: str) -> Any:
    return json.loads(recorded_file(kind, name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_numbers_are_those_recorded(kind: str, name: str) -> None:
    found = compare(recorded(kind, name), numbers(kind, name))
    assert found.compared > 100, "nothing to speak of was compared"
    if found.differences:
        pytest.fail(found.text(f"{kind} {name}"), pytrace=False)
    if found.left_out:
        fields = "event_digest", "weights_digest", "time_to_accuracy_s", "decisions"
        left_out = [name for name in fields if any(name in where for where in found.left_out)]
        pytest.skip(
            f"{found.compared} numbers agree, but {len(found.left_out)} depend on single bits and "
            f"were not compared ({', '.join(left_out)}). {' '.join(found.notes)}"
        )


def test_every_shipped_file_is_recorded_and_no_other() -> None:
    assert {file.name for file in HERE.glob("*.json")} == {recorded_file(*c).name for c in CASES}
    assert set(TRAINED) == set(scenario_names())


def test_every_method_is_timed_and_trained() -> None:
    methods = set()
    for name in scenario_names():
        found = recorded("scenario", name)
        timed, trained = found["timed"]["methods"], found["trained"]["methods"]
        assert all(entry["event_digest"] and entry["virtual_time_s"] for entry in timed.values())
        for entry in trained.values():
            assert all(entry[key] for key in ("learning_digest", "weights_digest", "curve"))
            methods.add(entry["method"])
    assert methods == METHODS.keys()


def _set(field: str, value: Any) -> Callable[[Any], None]:
    def change(now: Any) -> None:
        now["trained"]["methods"]["splitfed"][field] = value

    return change


def _slightly_longer(now: Any) -> None:
    now["timed"]["methods"]["splitfed"]["virtual_time_s"] *= 1 + 1e-15


def _longer(now: Any) -> None:
    now["timed"]["methods"]["splitfed"]["virtual_time_s"] *= 1 + 1e-8


def _another_byte(now: Any) -> None:
    now["timed"]["methods"]["splitfed"]["wire_bytes"]["up"] += 1


def _less_accurate(now: Any) -> None:
    now["trained"]["methods"]["splitfed"]["accuracy"]["final"] -= 0.15


def _field_gone(now: Any) -> None:
    del now["trained"]["methods"]["splitfed"]["weights_digest"]


NOT_ON_THE_SAME_MACHINE = [_slightly_longer, _set("event_digest", "?"), _set("weights_digest", "?")]
NOWHERE = [_longer, _another_byte, _less_accurate, _field_gone, _set("learning_digest", "?")]


@pytest.mark.parametrize("change", [*NOT_ON_THE_SAME_MACHINE, *NOWHERE])
@pytest.mark.parametrize("other_machine", [False, True])
def test_what_counts_as_a_difference(change: Callable[[Any], None], other_machine: bool) -> None:
    was = recorded("scenario", "quickstart")
    now = copy.deepcopy(was)
    if other_machine:
        now["arithmetic"] = {"clock": "another", "training": "another"}
    change(now)
    found = compare(was, now)
    allowed = other_machine and change in NOT_ON_THE_SAME_MACHINE
    assert len(found.differences) == (not allowed)
    assert bool(found.left_out) == other_machine
