"""A user's own method, model and data set, named as `package.module:Object`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import TINY, CommandLine

from cutlayer import MethodResult, load_scenario, run
from cutlayer.sim.methods.registry import UnknownMethodError, method

MODULE = '''
import torch
from torch import nn
from cutlayer.models.model import Model
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.data.datasets import Dataset, DatasetInfo
from cutlayer.sim.methods.method import MethodOptions
from cutlayer.sim.methods.splitfed import SplitFed


def small(classes, input_shape):
    """A model of two blocks."""
    width = 4
    return Model(
        "small",
        [
            ("conv", nn.Sequential(nn.Conv2d(input_shape[0], width, 3), nn.ReLU(), nn.MaxPool2d(2))),
            ("fc", nn.Sequential(nn.Flatten(), nn.Linear(width * 15 * 15, classes))),
        ],
        input_shape,
        classes,
        feature_blocks=1,
    )


class Options(MethodOptions):
    extra: int
    note: str = ""


class Chatty(SplitFed):
    """SplitFed with additional control messages."""

    name = "chatty"
    summary = "talks more"
    Options = Options

    def device(self, device, rnd):
        for _ in range(self.options.extra):
            yield device.send(wire.control())
        yield from super().device(device, rnd)

    def server(self, server, rnd):
        for _ in range(self.options.extra):
            yield server.receive()
        yield from super().server(server, rnd)


class Stripes:
    """Images of horizontal and of vertical stripes."""

    def __init__(self, checksum):
        self.info = DatasetInfo(
            name="stripes", input_shape=(3, 32, 32), train_counts=(30, 30), test_counts=(10, 10),
            mean=(0.5,) * 3, std=(0.5,) * 3, class_names=("across", "down"), checksum=checksum,
        )

    def __call__(self, data_dir):
        across = (torch.arange(32) % 4 < 2).float().view(1, 1, 32, 1).expand(1, 3, 32, 32)
        both = torch.cat([across, across.transpose(2, 3)])
        labels = torch.arange(60) % 2
        noise = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 2
        images = both[labels] / 2 + noise
        return Dataset(self.info, images, labels, images[:20], labels[:20])


stripes = Stripes("stripes, first edition")
unnamed = Stripes(None)


def explodes(classes, input_shape):
    raise RuntimeError("no such thing\\nas this")


class Failing(Stripes):
    def __call__(self, data_dir):
        raise FileNotFoundError("stripes.bin is not there")


failing = Failing("failing")
'''

OWN = "my_things_for_tests"
EVERYTHING = [
    f"model={{name: '{OWN}:small', cut: 1}}",
    f"data={{dataset: '{OWN}:stripes', partition: iid}}",
    f"methods=[{{'{OWN}:Chatty': {{extra: 5}}}}]",
]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / f"{OWN}.py"
    path.write_text(MODULE, encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield path
    sys.modules.pop(OWN, None)


def only(module: Path, *overrides: str, executor: str = "none") -> MethodResult:
    loaded = load_scenario(module.parent / "tiny.yaml", overrides)
    (result,) = run(loaded, executor=executor)  # type: ignore[arg-type]
    (method,) = result.methods.values()
    return method


def test_all_three_run_from_end_to_end(module: Path) -> None:
    counted = only(module, *EVERYTHING)
    trained = only(module, *EVERYTHING, executor="inline")
    assert counted.method == f"{OWN}:Chatty"
    assert counted.label == "Chatty"
    assert counted.learning_digest == trained.learning_digest is not None
    assert counted.event_digest == trained.event_digest
    assert trained.weights_digest is not None
    assert trained.curve[-1][1] > 0.9  # stripes are easy
    quiet = only(module, *EVERYTHING[:2], "methods=[splitfed]", executor="inline")
    assert quiet.weights_digest == trained.weights_digest
    assert trained.wire_bytes - quiet.wire_bytes == 3 * 2 * 5 * 104  # rounds, clients, messages


@pytest.mark.parametrize("executor", ["none", "inline"])
def test_all_three_run_from_the_command_line(executor: str, module: Path, cli: CommandLine) -> None:
    assert cli.folder == module.parent
    answer = cli.run(*EVERYTHING, executor=executor)
    assert answer.code == 0, answer.err
    assert "Chatty" in answer.out
    assert cli("check", "runs/tiny/scenario.yaml").code in (0, None)


@pytest.mark.parametrize("mine", range(3), ids=["model", "data", "method"])
def test_each_of_them_works_beside_the_catalogues(mine: int, module: Path) -> None:
    catalogue = ["model={name: lenet, cut: 1}", "seed=0", "methods=[splitfed]"]
    overrides = [EVERYTHING[i] if i == mine else catalogue[i] for i in range(3)]
    assert only(module, *overrides, executor="inline").weights_digest is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [("width = 4", "width = 5"), ("range(self.options.extra)", "range(2 * self.options.extra)")],
    ids=["model", "method"],
)
def test_other_code_is_another_training(old: str, new: str, module: Path) -> None:
    before = only(module, *EVERYTHING).learning_digest
    assert only(module, *EVERYTHING).learning_digest == before
    sys.modules.pop(OWN)
    module.write_text(MODULE.replace(old, new), encoding="utf-8")
    for mine in (EVERYTHING, [EVERYTHING[0], "methods=[splitfed]"], [EVERYTHING[2], "seed=0"]):
        assert only(module, *mine).learning_digest not in (before, None)
    after = only(module, *EVERYTHING[1:]).learning_digest
    sys.modules.pop(OWN)
    module.write_text(MODULE, encoding="utf-8")
    assert only(module, *EVERYTHING[1:]).learning_digest != after
    assert only(module, *EVERYTHING).learning_digest == before


def test_code_where_the_object_is_defined_counts_too(module: Path) -> None:
    front = module.with_name("front_of_my_things.py")
    front.write_text(f"from {OWN} import small as mine\n", encoding="utf-8")
    named = ["model={name: 'front_of_my_things:mine', cut: 1}", "methods=[splitfed]"]
    before = only(module, *named).learning_digest
    sys.modules.pop(OWN)
    sys.modules.pop("front_of_my_things")
    module.write_text(MODULE.replace("width = 4", "width = 5"), encoding="utf-8")
    after = only(module, *named).learning_digest
    sys.modules.pop("front_of_my_things")
    assert before != after
    assert None not in (before, after)


def test_data_without_a_declared_identity_leave_the_digest_unknown(module: Path) -> None:
    data = f"data={{dataset: '{OWN}:unnamed', partition: iid}}"
    for executor in ("none", "inline"):
        result = only(module, data, "methods=[splitfed]", executor=executor)
        assert result.learning_digest is None
        assert (result.weights_digest is None) is (executor == "none")


def test_declared_data_count_by_their_identity(module: Path) -> None:
    data = [EVERYTHING[1], "methods=[splitfed]"]
    before = only(module, *data).learning_digest
    sys.modules.pop(OWN)
    module.write_text(MODULE.replace("first edition", "second edition"), encoding="utf-8")
    assert only(module, *data).learning_digest not in (before, None)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (f"methods=['{OWN}:Chatty']", [f"methods.0.{OWN}:Chatty.extra: is required"]),
        (f"methods=[{{'{OWN}:Chatty': {{extra: a}}}}]", ["methods.0", "extra", "must be a"]),
        (
            f"methods=[{{'{OWN}:Chatty': {{extra: 1, more: 2}}}}]",
            ["methods.0", "more", "is an unknown key"],
        ),
        (f"methods=['{OWN}:Stripes']", ["methods.0", "not a subclass"]),
        (f"model.name='{OWN}:stripes'", ["model.name", "classes"]),
        (f"model.name='{OWN}:explodes'", ["model.name", "RuntimeError: no such thing"]),
        (f"model.name='{OWN}:nothing'", ["model.name", "nothing"]),
        (f"data={{dataset: '{OWN}:small'}}", ["data.dataset", "DatasetInfo"]),
        (f"data={{dataset: '{OWN}:failing'}}", ["stripes.bin is not there"]),
        ("data={dataset: 'broken_for_tests:x'}", ["data.dataset", "never closed"]),
        ("model.name='broken_for_tests:x'", ["model.name", "never closed"]),
        ("methods=['broken_for_tests:x']", ["methods.0", "never closed"]),
    ],
)
def test_problems_of_own_objects_are_one_line(
    override: str, words: list[str], module: Path, cli: CommandLine
) -> None:
    module.with_name("broken_for_tests.py").write_text("def x(\n", encoding="utf-8")
    answer = cli.run(override, executor="inline")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1, answer.err
    assert all(word in answer.err for word in words), answer.err
    assert not (module.parent / "runs").exists()


def test_a_method_that_is_not_complete_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unfinished_methods.py").write_text(
        "from cutlayer.sim.methods.method import Method, MethodOptions\n"
        "class Half(Method):\n    name = 'half'\n    Options = MethodOptions\n"
        "class Bare(Method):\n"
        "    name = 'bare'\n"
        "    def open_round(self, index): ...\n"
        "    def run_round(self, rnd): ...\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownMethodError, match="Half is incomplete: it lacks open_round"):
        method("unfinished_methods:Half")
    with pytest.raises(UnknownMethodError, match="Bare has no Options"):
        method("unfinished_methods:Bare")
