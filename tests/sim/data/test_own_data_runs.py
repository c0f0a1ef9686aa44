"""Scenarios on data of one's own: they train, keep their digests, and notice files that change."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tiny_runs import tiny

from cutlayer import run
from cutlayer.models.own_object import looking_in
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.studies.content_address import cell_address, inputs_of

MODULE = """\
from math import prod

import torch
from torch import nn
from torch.utils.data import TensorDataset

from cutlayer.models import Model
from cutlayer.sim.data.datasets import DatasetInfo

pairs = TensorDataset(torch.eye(4), torch.arange(4) % 2)

def text(data_dir):
    raise AssertionError("a run that does not train reads no data")

text.info = DatasetInfo(
    "text", (4,), (6, 6), (2, 2), (), (), ("a", "b"), input_type="token", vocabulary=9
)

def rows(classes, input_shape):
    first = nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), 4), nn.ReLU())
    last = nn.Linear(4, classes)
    return Model("rows", [("a", first), ("b", last)], input_shape, classes, feature_blocks=0)

def of_tokens(classes, input_shape):
    first = nn.Sequential(nn.Embedding(9, 4), nn.Flatten())
    last = nn.Linear(4 * prod(input_shape), classes)
    blocks = [("a", first), ("b", last)]
    return Model(
        "of_tokens", blocks, input_shape, classes, feature_blocks=0, input_dtype=torch.int64
    )
"""
SCENARIO = """\
name: own
seed: 0
data: {{dataset: {dataset}, partition: {partition}, test_fraction: 0.5}}
model: {{name: "small_rows:rows", cut: 1}}
training: {{rounds: 2, batch_size: 2, optimizer: {{name: sgd, lr: 0.1}}}}
topology:
  star:
    server: {{device: server-8-core, slots: 1}}
    clients: [{{device: raspberry-pi-4b, count: 2, link: 4g}}]
methods: [splitfed]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data in every form, which is not the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "small_rows.py").write_text(MODULE, encoding="utf-8")
    rows = [(n % 7, "ab"[n % 2], "xyz"[n % 3]) for n in range(24)]
    text = "\n".join(["n,label,site", *(",".join(map(str, row)) for row in rows)])
    (home / "t.csv").write_text(text, encoding="utf-8")
    for name, colour in (("cat", 40), ("dog", 200)):
        (home / "photos" / name).mkdir(parents=True)
        for n in range(4):
            Image.new("L", (5, 5), colour + n).save(home / "photos" / name / f"{n}.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return home


def scenario(folder: Path, dataset: str, partition: str = "iid") -> str:
    path = folder / "own.yaml"
    path.write_text(SCENARIO.format(dataset=dataset, partition=partition), encoding="utf-8")
    return str(path)


def only(path: str, executor: str) -> MethodResult:
    (result,) = run(load_scenario(path), executor=executor)  # type: ignore[arg-type]
    (method,) = result.methods.values()
    return method


@pytest.mark.parametrize(
    ("dataset", "partition"),
    [
        ("{csv: {train: t.csv, features: [n]}}", "{by: site}"),
        ("{csv: {train: t.csv, categories: [site]}}", "{quantity: {lognormal: 1}}"),
        ("{images: {train: photos, input_shape: [1, 4, 4]}}", "{quantity: {dirichlet: 1}}"),
        ("{torch: 'small_rows:pairs'}", "iid"),
    ],
)
def test_it_is_timed_and_trained_with_one_digest(
    folder: Path, dataset: str, partition: str
) -> None:
    path = scenario(folder, dataset, partition)
    timed, trained = only(path, "none"), only(path, "inline")
    assert timed.learning_digest == trained.learning_digest is not None
    assert timed.event_digest == trained.event_digest
    assert trained.rounds[-1].accuracy is not None


def test_files_that_change_are_noticed(folder: Path) -> None:
    """Another digest, another address of a cell, and another input of a run to be resumed."""

    def state(dataset: str) -> tuple[str | None, str, dict[str, str | None]]:
        path = scenario(folder, dataset)
        with looking_in([str(folder)]):
            resolved = json.loads(json.dumps(load_scenario(path).resolved()))
            return only(path, "none").learning_digest, cell_address(resolved), inputs_of(resolved)

    def changed(dataset: str, name: str) -> bool:
        """Whether everything notices, and `name` is the input that is named."""
        then, now = before[dataset], state(dataset)
        named = [key for key, value in then[2].items() if now[2][key] != value]
        assert (then[0] != now[0]) == (then[1] != now[1]) == bool(named)
        assert all(Path(key).name == name for key in named)
        return bool(named)

    csv = "{csv: {train: t.csv, features: [n]}}"
    images = "{images: {train: photos, input_shape: [1, 4, 4]}}"
    before = {dataset: state(dataset) for dataset in (csv, images)}
    assert not changed(csv, "t.csv")
    with (folder / "t.csv").open("a", encoding="utf-8") as file:
        file.write("\n3,a,x")
    assert changed(csv, "t.csv")
    assert not changed(images, "photos")
    Image.new("L", (5, 5), 0).save(folder / "photos" / "cat" / "0.png")
    assert changed(images, "photos")


def test_the_users_dataset_is_an_input(folder: Path) -> None:
    path = scenario(folder, "{torch: 'small_rows:pairs'}")
    with looking_in([str(folder)]):
        inputs = inputs_of(load_scenario(path).resolved())
    assert set(inputs) == {"small_rows:pairs", "small_rows:rows"}


@pytest.mark.parametrize(
    ("partition", "sizes"),
    [
        ("{sizes: [1, 2, 57]}", [1, 2, 57]),
        ("{file: one_class.json}", [6, 1, 0]),
        ("{quantity: {dirichlet: 0.05, min_samples: 0}}", None),
    ],
)
def test_small_and_one_sided_shards_train_and_are_evaluated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, partition: str, sizes: list[int] | None
) -> None:
    """Clients with one sample, without samples, and with one class only."""
    monkeypatch.chdir(folder)
    (folder / "one_class.json").write_text("[[0, 1, 2, 3, 4, 5], [6], []]", encoding="utf-8")
    methods = "methods=[splitfed, fedgkt, {ecofed: {init: random}}]"
    (result,) = run(
        tiny(f"data.partition={partition}", methods, "training.rounds=1"), executor="inline"
    )
    assert result.status == "complete"
    for method in result.methods.values():
        assert method.rounds[0].accuracy is not None
        if sizes is not None:
            assert method.rounds[0].clients == sum(size > 0 for size in sizes)


def test_more_clients_than_samples_are_possible_with_empty_shards() -> None:
    loaded = tiny(
        "data.partition={dirichlet: {alpha: 1, min_samples: 0}}",
        "topology.star.clients.0.count=70",
        "training.rounds=1",
    )
    (found,) = run(loaded, executor="none")[0].methods.values()
    assert 0 < found.rounds[0].clients < 60


def test_a_value_without_a_client_and_too_few_values(folder: Path) -> None:
    path = scenario(folder, "{csv: {train: t.csv, features: [n]}}", "{by: site}")
    assert only(path, "none").rounds[0].clients == 2  # x and y; z has no client
    with pytest.raises(
        ValueError, match=r"by site: csv:.* has 3 values in this column for 5 clients"
    ):
        run(load_scenario(path, ["topology.star.clients.0.count=5"]), executor="none")
    path = scenario(folder, "{csv: {train: t.csv, features: [n]}}", "{by: sit}")
    with pytest.raises(ValueError, match=r"has no column 'sit'; did you mean 'site'\?"):
        only(path, "none")


def test_rows_have_noise_but_no_rotation(folder: Path) -> None:
    path = scenario(folder, "{csv: {train: t.csv, features: [n]}}")
    for skew in ("{rotation: 10}", "{contrast: 0.5}"):
        with pytest.raises(
            ValueError, match=r"data\.feature_skew: rotation and contrast are of images"
        ):
            run(load_scenario(path, [f"data.feature_skew={skew}"]), executor="none")
    (noisy,) = run(load_scenario(path, ["data.feature_skew={noise: 1}"]), executor="inline")
    assert noisy.status == "complete"


def test_tokens_have_no_skew(folder: Path) -> None:
    path = scenario(folder, "'small_rows:text'")
    overrides = [
        *("data.test_fraction=null", "data.feature_skew={noise: 1}"),
        "model.name='small_rows:of_tokens'",
    ]
    with pytest.raises(
        ValueError, match=r"feature_skew: changes numbers, and the inputs of .* are"
    ):
        run(load_scenario(path, overrides), executor="none")


def test_fields_beside_the_form_are_shown_where_they_belong(folder: Path) -> None:
    path = scenario(folder, "{csv: t.csv, label: n}")
    with pytest.raises(
        ValueError, match=r"has 'label' beside 'csv': write \{csv: \{train: \.\.\., "
    ):
        load_scenario(path)
    for dataset, message in (
        ("{torch: pairs}", "must have the form package.module:Object"),
        ("{csv: {train: t.csv, image: n, features: [n]}}", "must have either image or features"),
        ("{npz: {train: a.npz, inputs: x}}", "must have both inputs and labels, or neither"),
        ("{npz: {train: a.npz, test_inputs: x}}", "must have both test_inputs and test_labels"),
        ("{csv: {train: t.csv, delimiter: '--'}}", "delimiter"),
    ):
        with pytest.raises(ValueError, match=message):
            load_scenario(scenario(folder, dataset))
    with pytest.raises(ValueError, match="must have either dirichlet or lognormal"):
        load_scenario(scenario(folder, "{csv: {train: t.csv, features: [n]}}", "quantity"))
