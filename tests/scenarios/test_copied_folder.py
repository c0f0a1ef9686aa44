"""A folder of a scenario, a study and all files that they name works wherever it is copied."""

import json
import shutil
from pathlib import Path

import networkx
import pytest

from cutlayer import load_scenario, run
from cutlayer.models.catalogue import build
from cutlayer.models.pretrained import save_weights
from cutlayer.scenarios import ScenarioError
from cutlayer.sim.studies.sweep import load_study
from cutlayer.topologies.catalogue import device
from cutlayer.topologies.catalogue.profile_file import profile_text

SCENARIO = """\
name: fleet
data:
  dir: data
  dataset: {leaf: {train: data/train.json, test: data/test.json, input_shape: [1, 32, 32], classes: 3}}
  partition: {file: data/split.json}
model: {name: lenet, cut: 1}
training: {rounds: 2, batch_size: 2, optimizer: {name: sgd, lr: 0.1}}
devices:
  own: {profile: own.yaml}
topology:
  network_file:
    file: nets/line.graphml
    server: {device: server-8-core, slots: 1, at: b}
    clients:
      - device: own
        name: pi
        count: 2
        at: a
        link: {up: {trace: traces/up.csv, repeat: 4 s}, down: 4 Mbit/s, delay: 5 ms}
    rate: 100 Mbit/s
    delay: 1 ms
speeds: [{clients: a.pi, scores: scores.csv, column: score}]
availability: [{clients: a.pi, trace: online.csv, match: position, on_disconnect: resume}]
methods: [{ecofed: {weights: block.safetensors}}]
"""
STUDY = """\
name: links
scenario: fleet.yaml
set:
  speeds.0.scores: other.csv
axes:
  - name: uplink
    field: topology.network_file.clients.*.link.up
    values: [{trace: traces/slow.csv}, 4 Mbit/s]
    labels: [slow, steady]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all files that SCENARIO and STUDY name."""
    root = tmp_path / "here"
    for name in ("data", "nets", "traces"):
        (root / name).mkdir(parents=True)
    user = {"x": [[k / 8] * 1024 for k in range(8)], "y": [k % 3 for k in range(8)]}
    leaf = {"users": ["ann"], "num_samples": [8], "user_data": {"ann": user}}
    networkx.write_graphml(networkx.path_graph(["a", "m", "b"]), root / "nets/line.graphml")
    texts = {
        "data/train.json": json.dumps(leaf),
        "data/test.json": json.dumps(leaf),
        "data/split.json": "[[0, 1, 2, 3], [4, 5]]",
        "traces/up.csv": "0,1000000\n2,250000\n",
        "traces/slow.csv": "0,100000\n",
        "online.csv": "a,5,1e9\nb,0,1e9\n",
        "scores.csv": "name,score\nx,1\ny,3\n",
        "other.csv": "name,score\nx,1\ny,7\n",
        "own.yaml": profile_text(device("raspberry-pi-4b")),
        "fleet.yaml": SCENARIO,
        "links.yaml": STUDY,
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    save_block(root, seed=5)
    return root


def save_block(root: Path, seed: int) -> None:
    model = build("lenet", classes=3, input_shape=(1, 32, 32), seed=seed)
    save_weights(root / "block.safetensors", model.split(1).device, {})


def digests(scenario) -> tuple[str, str]:
    (result,) = run(scenario, executor="none")
    (method,) = result.methods.values()
    assert method.learning_digest is not None
    return method.event_digest, method.learning_digest


def of_study(path: str | Path) -> dict[str, tuple[str, str]]:
    study = load_study(path)
    return {str(point): digests(study.scenario(point)) for point in study.points}


def test_a_copied_folder_gives_the_same_digests(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    scenario, study = digests("fleet.yaml"), of_study("links.yaml")
    assert len({scenario, *study.values()}) == 3
    copy, elsewhere = tmp_path / "deep/down/copy", tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    shutil.rmtree(folder)
    assert digests(copy / "fleet.yaml") == digests("../deep/down/copy/fleet.yaml") == scenario
    assert of_study(copy / "links.yaml") == of_study("../deep/down/copy/links.yaml") == study


def test_each_file_of_the_folder_is_read(folder, monkeypatch, tmp_path):
    """Changing any file changes a digest, so all files of the folder are really read."""
    monkeypatch.chdir(tmp_path)
    path = folder / "fleet.yaml"
    first = digests(path)
    changes = {
        "data/train.json": ("[0.125, ", "[0.5, "),
        "data/split.json": ("[4, 5]", "[6, 7]"),
        "traces/up.csv": ("2,250000", "2,125000"),
        "online.csv": ("a,5", "a,0"),
        "scores.csv": ("y,3", "y,9"),
        "own.yaml": ("layer_overhead:\n  value: ", "layer_overhead:\n  value: 9"),
    }
    same = []
    for name, (old, new) in changes.items():
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, name
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        if digests(path) == first:
            same.append(name)
        (folder / name).write_text(text, encoding="utf-8")
    assert same == []
    save_block(folder, seed=6)
    assert digests(path) != first


def test_a_resolved_scenario_loads_from_any_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_scenario("here/fleet.yaml")
    (tmp_path / "runs").mkdir()
    written = tmp_path / "runs" / "scenario.yaml"
    written.write_text(json.dumps(loaded.resolved()), encoding="utf-8")
    assert digests(written) == digests(loaded)


def test_files_of_an_override_are_relative_to_the_working_directory(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = digests(load_scenario("here/fleet.yaml", ["speeds.0.scores=here/other.csv"]))
    monkeypatch.chdir(folder)
    assert digests(load_scenario("fleet.yaml", ["speeds.0.scores=other.csv"])) == other
    with pytest.raises(ScenarioError, match=r"speeds\.0: scores here/other\.csv does not exist"):
        load_scenario("fleet.yaml", ["speeds.0.scores=here/other.csv"])


def test_a_missing_file_is_named_relative_to_the_working_directory(folder, tmp_path, monkeypatch):
    (folder / "nets/line.graphml").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match=r"here/nets/line\.graphml does not exist"):
        load_scenario("here/fleet.yaml")
    (folder / "links.yaml").write_text(STUDY.replace("fleet.yaml", "base.yaml"), "utf-8")
    with pytest.raises(ScenarioError, match=r"here/base\.yaml: is neither a file nor a shipped"):
        load_study("here/links.yaml")
