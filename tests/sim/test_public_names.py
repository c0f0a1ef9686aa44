"""The public namespace: `from cutlayer import load_scenario, run`, plain results, tables for pandas."""

import inspect
from dataclasses import is_dataclass
from pathlib import Path

import pandas
import pytest
from command_line import TINY

import cutlayer
from cutlayer import (
    DataError,
    MethodResult,
    RoundResult,
    RunResult,
    Scenario,
    ScenarioError,
    UserError,
    load_scenario,
    run,
)

PUBLIC = [
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


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    return file


def test_the_public_names_are_these() -> None:
    assert cutlayer.__all__ == PUBLIC
    assert dir(cutlayer) == PUBLIC
    for name in PUBLIC:
        assert inspect.getdoc(getattr(cutlayer, name)), name
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        cutlayer.runn  # noqa: B018
    assert all(is_dataclass(kind) for kind in (MethodResult, RoundResult, RunResult))
    assert issubclass(ScenarioError, UserError)
    assert issubclass(DataError, UserError)
    assert issubclass(UserError, ValueError)


def test_a_scenario_runs_from_python(tiny: Path) -> None:
    (result,) = run(load_scenario(tiny, ["training.rounds=2"]), executor="none")
    assert isinstance(result, RunResult)
    assert (result.status, result.seed, result.path) == ("complete", 0, None)
    assert list(result.methods) == ["splitfed", "frozen"]
    method = result.methods["frozen"]
    assert isinstance(method, MethodResult)
    assert (method.label, method.method, method.weights_digest) == ("frozen", "ecofed", None)
    assert [closed.index for closed in method.rounds] == [0, 1]
    assert all(isinstance(closed, RoundResult) for closed in method.rounds)
    assert sorted(path.name for path in tiny.parent.iterdir()) == ["tiny.yaml"]


def test_run_takes_a_path_a_name_or_a_loaded_scenario(tiny: Path) -> None:
    times = [
        run(scenario, executor="none")[0].methods["splitfed"].virtual_time_s
        for scenario in (tiny, str(tiny), load_scenario(tiny))
    ]
    assert isinstance(load_scenario(tiny), Scenario)
    assert times[0] == times[1] == times[2] > 0
    (shipped,) = run("quickstart", executor="none")
    assert "ecofed" in shipped.methods


def test_the_table_is_what_pandas_wants(tiny: Path) -> None:
    (result,) = run(tiny)
    frame = result.frame()
    assert pandas.DataFrame(result.table()).equals(frame)
    assert len(frame) == 6
    last = frame.groupby("label").virtual_time_s.max()
    for label, method in result.methods.items():
        assert last[label] == method.virtual_time_s
        assert frame[frame.label == label].accuracy.tolist() == [v for _, v in method.curve]
    assert RunResult({}, 0, {}, {}).table() == {}


def test_time_to_an_accuracy_is_the_first_that_reaches_it(tiny: Path) -> None:
    (result,) = run(tiny)
    for method in result.methods.values():
        for wanted in (0.0, *(value for _, value in method.curve), 1.1):
            expected = next((t for t, v in method.curve if v >= wanted), None)
            assert method.time_to(wanted) == expected


def test_mistakes_are_raised_before_anything_is_written(tiny: Path) -> None:
    out = tiny.parent / "out"
    with pytest.raises(ScenarioError, match=r"must be 0 .* to 5"):
        run(load_scenario(tiny, ["model.cut=9"]), out=out)
    with pytest.raises(ScenarioError, match=r"training\.rounds"):
        load_scenario(tiny, ["training.rounds=0"])
    with pytest.raises(DataError, match="cifar10"):
        run(load_scenario(tiny, ["data={dataset: cifar10}"]), out=out, data_dir=tiny.parent)
    assert not out.exists()


def test_all_seeds_are_run_and_given_back_in_order(tiny: Path) -> None:
    results = run(load_scenario(tiny, ["seeds=[3, 1]"]), executor="none")
    assert [result.seed for result in results] == [3, 1]
    one, other = (result.methods["splitfed"].learning_digest for result in results)
    assert one != other


def test_a_run_repeats_bit_by_bit(tiny: Path) -> None:
    first, second = (run(tiny)[0].summary()["methods"] for _ in range(2))
    assert first == second
