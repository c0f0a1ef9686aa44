"""Scenarios made from Python objects: the checks of a file, objects for names, changes, YAML."""

import json
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from command_line import TINY, CommandLine
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from cutlayer import Scenario, ScenarioError, UserError, add_draws, load_scenario, run
from cutlayer.models import Model
from cutlayer.models.own_object import OwnObjectError, import_own
from cutlayer.sim.methods.splitfed import SplitFed

HERE = __name__
SECTIONS: dict[str, Any] = {
    "name": "phones",
    "data": {"dataset": "digits", "test_fraction": 0.2, "train_samples": 60, "test_samples": 20},
    "model": {"name": "lenet", "cut": 1},
    "training": {"rounds": 2, "batch_size": 10, "optimizer": {"name": "sgd", "lr": 0.05}},
    "topology": {
        "star": {
            "server": {"device": "server-8-core", "slots": 1},
            "clients": [{"device": "raspberry-pi-4b", "count": 3, "link": "4g"}],
        }
    },
    "methods": ["splitfed"],
}


def net(classes: int, input_shape: tuple[int, ...]) -> Model:
    """A model for rows of features."""
    first = nn.Sequential(nn.Linear(input_shape[0], 4), nn.ReLU())
    blocks: list[tuple[str, nn.Module]] = [("first", first), ("last", nn.Linear(4, classes))]
    return Model("net", blocks, input_shape, classes, feature_blocks=0)


class Patient(SplitFed):
    """SplitFed by another name."""

    name = "patient"


def samples() -> tuple[Tensor, Tensor]:
    inputs = torch.arange(120.0).reshape(60, 2) % 7
    return inputs, (inputs.sum(1) > 6).long()


ROWS = TensorDataset(*samples())


class Kind(Enum):
    MODEL = "lenet"


def made(**changes: Any) -> Scenario:
    return Scenario(**{**SECTIONS, **changes})


def refusal(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        call()
    return str(error.value).splitlines()


@pytest.fixture
def local() -> Iterator[Scenario]:
    """A scenario whose model, data set and method only this process knows."""

    class Hidden(Patient):
        """Not at the top level of a module."""

    scenario = made(
        data={"dataset": TensorDataset(*samples()), "test_fraction": 0.2},
        model={"name": lambda classes, input_shape: net(classes, input_shape), "cut": 1},
        methods=[{Hidden: {}, "label": "hidden"}],
    )
    yield scenario  # noqa: PT022 - the objects live as long as the scenario


def test_keyword_arguments_are_the_sections_of_a_file(tmp_path: Path) -> None:
    scenario = made()
    file = tmp_path / "phones.yaml"
    file.write_text(json.dumps(SECTIONS), encoding="utf-8")  # JSON is YAML
    assert scenario.scenario == load_scenario(file).scenario
    assert repr(scenario) == "<Scenario phones: lenet with splitfed>"
    events = [
        run(one, executor="none")[0].methods["splitfed"].event_digest for one in (scenario, file)
    ]
    assert events[0] == events[1]


def test_numpy_paths_ranges_and_enumerations_are_plain_values() -> None:
    training = {**SECTIONS["training"], "rounds": np.int64(2), "targets": np.array([0.5, 0.9])}
    training["optimizer"] = {"name": "sgd", "lr": np.float32(0.5)}
    scenario = made(
        seeds=range(3),
        model={"name": Kind.MODEL, "cut": {"default": np.int8(1)}},
        training=training,
        data={**SECTIONS["data"], "dir": Path("data")},
        methods=("splitfed",),
    ).scenario
    assert scenario.all_seeds == (0, 1, 2)
    assert (scenario.model.name, scenario.training.optimizer.lr) == ("lenet", 0.5)
    assert scenario.training.targets == (0.5, 0.9)
    assert scenario.data.dir == "data"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training": {**SECTIONS["training"], "rounds": 0}},
            "Scenario: training.rounds: must be at least 1 (got 0)",
        ),
        ({"modl": 1}, "Scenario: modl: is an unknown key; did you mean 'model'? (got 1)"),
        (
            {"model": {"name": "lenett", "cut": 1}},
            "Scenario: model.name: is not a known model; did you mean 'lenet'? (got \"lenett\")",
        ),
        (
            {"model": {"name": "lenet", "cut": 9}},
            "Scenario: model.cut: must be 0 (all on the server) to 5 (all on the device) for lenet"
            " (got 9)",
        ),
        ({"seed": net}, f'Scenario: seed: must be a whole number (got "{HERE}:net")'),
        (
            {"seed": {1.5: 1}},
            "Scenario: seed: must have text as keys (got 1.5)",
        ),
        (
            {"description": b"phones"},
            "Scenario: description: must be text, a number, true or false, a list, a mapping, or a"
            " function or class (got b'phones')",
        ),
    ],
)
def test_mistakes_have_the_messages_of_a_file_at_the_path_of_the_argument(
    changes: dict[str, Any], message: str
) -> None:
    def make() -> None:
        run(made(**changes), executor="none")

    assert refusal(make) == [message]


def test_sections_that_are_missing_are_named_all_at_once() -> None:
    missing = {line.split(":")[1].strip() for line in refusal(Scenario)}
    assert missing == {"name", "data", "model", "training", "topology", "methods"}


def test_a_value_that_contains_itself_is_refused() -> None:
    clients: list[Any] = []
    clients.append(clients)
    (line,) = refusal(lambda: made(seeds=clients))
    assert "is nested more than 32 levels deep" in line


def test_objects_of_modules_have_their_names_and_a_learning_digest() -> None:
    scenario = made(
        data={"dataset": ROWS, "test_fraction": 0.2},
        model={"name": net, "cut": 1},
        methods=[Patient, {Patient: {}, "label": "again"}],
    )
    written = scenario.resolved()
    assert written["data"]["dataset"]["torch"]["train"] == f"{HERE}:ROWS"
    assert written["model"]["name"] == f"{HERE}:net"
    assert [method["label"] for method in written["methods"]] == ["Patient", "again"]
    (result,) = run(scenario, executor="none")
    assert all(method.learning_digest for method in result.methods.values())


def test_objects_of_this_process_train_and_have_no_learning_digest(local: Scenario) -> None:
    for executor in ("none", "inline", "stacked"):
        (result,) = run(local, executor=executor)
        assert result.status == "complete"
        assert result.methods["hidden"].learning_digest is None
    named = made(
        data={"dataset": ROWS, "test_fraction": 0.2},
        model={"name": net, "cut": 1},
        methods=[{Patient: {}, "label": "hidden"}],
    )
    digests = [run(one)[0].methods["hidden"].weights_digest for one in (local, named)]
    assert digests[0] == digests[1] is not None


@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_objects_that_workers_cannot_import_are_refused_at_once(
    local: Scenario, executor: str
) -> None:
    lines = refusal(lambda: run(local, executor=executor))
    assert {line.split(": ")[1] for line in lines} == {
        "data.dataset.torch",
        "model.name",
        "methods.0." + local.scenario.methods[0].name,
    }
    for line in lines:
        assert (
            "cannot be imported by worker processes: define it at the top level of a module (a file such"
            f' as my_objects.py), or use the executor inline, not {executor} (got "__main__:'
        ) in line


def test_draws_of_objects_of_this_process_are_made_in_it(local: Scenario) -> None:
    drawn = local.replace({"uncertainty.draws": 2})
    results = run(drawn, executor="none")
    add_draws(drawn, results, jobs=2)
    assert len(results[0].frame("draws")) == 2


def test_a_name_never_stands_for_a_second_object() -> None:
    first, second = (made(model={"name": partial(net), "cut": 1}) for _ in range(2))
    names = [one.scenario.model.name for one in (first, second)]
    assert names[0] != names[1]
    held = import_own(names[0])
    assert made(model={"name": held, "cut": 1}).scenario.model.name == names[0]
    del first, held
    with pytest.raises(OwnObjectError, match="move it from the script or notebook to a module"):
        import_own(names[0])


def test_an_object_behind_the_name_of_another_is_not_named_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run imports the module of the working directory, which is another one."""
    (tmp_path / f"{HERE}.py").write_text("net = 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert made(model={"name": net, "cut": 1}).scenario.model.name.startswith("__main__:net")


def test_values_are_replaced_as_by_set() -> None:
    scenario = made()
    slow = scenario.replace(
        {"topology.star.clients.0.link": {"up": "1 Mbit/s", "down": "5 Mbit/s", "delay": "20 ms"}},
        seeds=[3, 4],
    )
    faster = slow.replace({"topology.star.clients.0.link.up": "5 Mbit/s"})
    assert [one.scenario.all_seeds for one in (scenario, slow, faster)] == [(0,), (3, 4), (3, 4)]
    times = [
        run(one, executor="none")[0].methods["splitfed"].virtual_time_s for one in (slow, faster)
    ]
    assert times[0] > times[1]
    (line,) = refusal(lambda: slow.replace({"topology.star.clients.0.link.up": 50}))
    assert line.startswith("replace: topology.star.clients.0.link.up: the rate 50 has no unit")
    (line,) = refusal(lambda: slow.replace({"topology.star.clients.7.count": 1}))
    assert line.startswith(
        "replace: topology.star.clients.7: must be the number of one of the 1 en"
    )


def test_files_stay_where_they_are_when_values_of_a_loaded_scenario_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    text = TINY.replace("dataset: digits", "dataset: digits, dir: images")
    (tmp_path / "folder" / "s.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = load_scenario("folder/s.yaml")
    again = loaded.replace({"training.rounds": 2}).replace({"data.test_samples": 10})
    assert loaded.scenario.data.dir == again.scenario.data.dir == str(Path("folder", "images"))
    here = again.replace({"data.dir": Path("elsewhere")})
    assert here.scenario.data.dir == "elsewhere"
    (line,) = refusal(lambda: again.replace({"model.cut": True}))
    assert line.startswith("replace: model.cut")


def test_yaml_is_read_back_as_the_same_scenario(tmp_path: Path, local: Scenario) -> None:
    file = tmp_path / "written.yaml"
    for scenario in (load_scenario("quickstart"), made(methods=[Patient], seeds=[1, 2])):
        file.write_text(scenario.to_yaml(), encoding="utf-8")
        assert load_scenario(file).resolved() == scenario.resolved()
    lines = refusal(local.to_yaml)
    assert len(lines) == 3
    assert all("cannot be imported by a name, which a file needs" in line for line in lines)


def test_check_prints_what_the_command_prints(
    cli: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = cli("check", "tiny.yaml")
    load_scenario("tiny.yaml").check()
    assert capsys.readouterr().out == answer.out != ""
    with pytest.raises(ScenarioError, match=r"must be 0 .* to 5"):
        load_scenario("tiny.yaml", ["model.cut=9"]).check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": {}}, r"^scenario: must be a Scenario, .*\(got dict\): write Scenario\(\*\*"),
        ({"log": "event"}, r"^log: must be rounds or events \(got 'event'\)$"),
        ({"threads": 0}, r"^threads: must be at least 1 \(got 0\)$"),
        ({"progress": "yes"}, "^progress: must be True, False or a Progress"),
        ({"loggers": [3]}, r"^loggers: must be classes of loggers \(got 3\)$"),
    ],
)
def test_wrong_arguments_of_run_are_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(**{"scenario": made(), "executor": "none", **options})


class Sixty(TensorDataset):
    """A data set whose class can be called."""

    def __init__(self) -> None:
        super().__init__(*samples())


def test_a_data_set_may_be_a_class_or_a_list_of_pairs() -> None:
    inputs, labels = samples()
    for value in (Sixty, Sixty(), list(zip(inputs, labels.tolist(), strict=True))):
        scenario = made(
            data={"dataset": value, "test_fraction": 0.2}, model={"name": net, "cut": 1}
        )
        assert run(scenario, executor="none")[0].status == "complete"


@pytest.mark.parametrize(
    "value",
    [samples(), samples()[0], samples()[0].numpy(), dict(enumerate(samples())), [1, 2]],
    ids=["pair", "tensor", "array", "mapping", "numbers"],
)
def test_samples_that_are_not_a_data_set_are_one_sentence(value: Any) -> None:
    (line,) = refusal(lambda: made(data={"dataset": value, "test_fraction": 0.2}))
    assert line.startswith(
        "Scenario: data.dataset: must be a torch Dataset, such as TensorDataset("
    )


def test_frames_have_the_columns_of_the_files(tmp_path: Path) -> None:
    (result,) = run(made(), out=str(tmp_path / "out"))
    for name in ("rounds", "accuracy", "links", "utilisation", "devices", "classes", "clients"):
        saved = pandas.read_csv(tmp_path / "out" / f"{name}.csv")
        assert list(result.frame(name).columns) == list(saved.columns), name
        assert len(result.frame(name)) == len(saved) > 0, name
    methods = result.frame("methods").set_index("label")
    method = result.methods["splitfed"]
    assert methods.accuracy_final["splitfed"] == method.final_accuracy
    assert methods.virtual_time_s["splitfed"] == method.virtual_time_s
    assert result.frame().equals(result.frame("rounds"))
    assert result.frame("updates").empty
    assert "staleness" in result.frame("updates").columns
    with pytest.raises(UserError, match="unknown table 'round'; did you mean 'rounds'"):
        result.frame("round")
