"""Models that a run saves: plain modules that classify the test set as the run's evaluations did."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_runs import METHODS, digits, tiny
from torch.nn import functional

from cutlayer import UserError, load_model
from cutlayer.models import WeightsError, save_weights
from cutlayer.sim.files.atomic import write_bytes
from cutlayer.sim.learning.batch_feed import model_inputs
from cutlayer.sim.results.folder import claim_folder
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run import saved_models
from cutlayer.sim.run.resumable import Resumable
from cutlayer.sim.run.run import run

MIXED = "model={name: lenet, cut: {raspberry-pi-4b: 1, raspberry-pi-3b-plus: 2}}"
TWO_DEVICES = (
    "topology={star: {server: {device: server-8-core, slots: 1}, clients: ["
    "{device: raspberry-pi-4b, count: 2, link: 4g}, "
    "{device: raspberry-pi-3b-plus, count: 1, link: 4g}]}}"
)


def metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        return dict(opened.metadata())


def evaluated(file: Path) -> tuple[float, float]:
    """The accuracy and the mean loss of a saved model, computed without Cutlayer's evaluation."""
    data = digits(0)
    model = load_model(file)
    assert not model.training
    with torch.no_grad():
        scores = model(model_inputs(data.test_images, data.info))
    right = (scores.argmax(dim=1) == data.test_labels).float().mean()
    return float(right), float(functional.cross_entropy(scores, data.test_labels))


def saved(tmp_path: Path, *overrides: str) -> tuple[dict[str, MethodResult], Path]:
    (found,) = run(tiny(*overrides), executor="inline", out=tmp_path / "out", save_model=True)
    return found.methods, tmp_path / "out" / "models"


def test_models_of_every_method_are_those_that_were_evaluated(tmp_path: Path) -> None:
    methods, folder = saved(tmp_path, f"methods=[{', '.join((*METHODS[:5], *METHODS[6:], 'gas'))}]",
                            "training.rounds=3")  # fmt: skip
    assert len(list(folder.iterdir())) == 2 * len(methods)
    for label, method in methods.items():
        rows = method.rounds
        best = max(rows, key=lambda row: row.accuracy or 0.0)
        for which, row in (("final", rows[-1]), ("best", best)):
            file = folder / f"{label}.{which}.safetensors"
            about = metadata(file)
            assert (about["round"], about["accuracy"]) == (str(row.index), repr(row.accuracy))
            accuracy, loss = evaluated(file)
            assert accuracy == pytest.approx(row.accuracy)
            assert loss == pytest.approx(row.test_loss, rel=1e-4)
        about = metadata(folder / f"{label}.final.safetensors")
        assert about["weights_digest"] == method.weights_digest
        assert about["learning_digest"] == method.learning_digest
        assert json.loads(about["recipe"])["method"] == method.method


def test_models_of_the_graph_are_those_of_inline_byte_for_byte(tmp_path: Path) -> None:
    overrides = ("methods=[splitfed, gas, {ecofed: {init: random}}]", "training.rounds=1")
    found = []
    for executor in ("inline", "processes"):
        out = tmp_path / executor
        run(tiny(*overrides), executor=executor, jobs=1, out=out, save_model=True)
        found.append({file.name: file.read_bytes() for file in (out / "models").iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) == 6


def test_each_model_of_an_evaluation_has_a_file(tmp_path: Path) -> None:
    """Without exchange, FedGKT has a device block for each client; their accuracies are averaged."""
    methods, folder = saved(tmp_path, "methods=[{fedgkt: {exchange_weights: false}}]")
    files = sorted(folder.glob("fedgkt.final.*"))
    assert [file.name for file in files] == [
        f"fedgkt.final.client-{client}.safetensors" for client in range(3)
    ]
    each = [evaluated(file)[0] for file in files]
    assert sum(each) / 3 == pytest.approx(methods["fedgkt"].rounds[-1].accuracy)


def test_models_of_mixed_cuts_are_whole(tmp_path: Path) -> None:
    methods, folder = saved(
        tmp_path, MIXED, TWO_DEVICES, "methods=[splitfed, {ecofed: {init: random}}]"
    )
    accuracy, _ = evaluated(folder / "splitfed.final.safetensors")
    assert accuracy == pytest.approx(methods["splitfed"].rounds[-1].accuracy)
    of_cut = [evaluated(folder / f"ecofed.final.cut-{cut}.safetensors")[0] for cut in (1, 2)]
    mean = (2 * of_cut[0] + of_cut[1]) / 3  # weighted by the clients of each cut
    assert mean == pytest.approx(methods["ecofed"].rounds[-1].accuracy)
    assert metadata(folder / "ecofed.final.cut-2.safetensors")["cut"] == "2"


def test_a_fine_tuned_model_is_whole(tmp_path: Path) -> None:
    tuned = (
        "model.lora={rank: 2, alpha: 4, targets: ['fc*']}",
        "model.trainable=['conv*']",
        "model.frozen_type=bfloat16",
    )
    methods, folder = saved(
        tmp_path, MIXED, TWO_DEVICES, *tuned, "methods=[splitfed, {ecofed: {init: random}}]"
    )
    accuracy, loss = evaluated(folder / "splitfed.final.safetensors")
    assert accuracy == pytest.approx(methods["splitfed"].rounds[-1].accuracy)
    assert loss == pytest.approx(methods["splitfed"].rounds[-1].test_loss, rel=1e-4)
    of_cut = [evaluated(folder / f"ecofed.final.cut-{cut}.safetensors")[0] for cut in (1, 2)]
    mean = (2 * of_cut[0] + of_cut[1]) / 3
    assert mean == pytest.approx(methods["ecofed"].rounds[-1].accuracy)


def test_a_run_killed_between_two_models_is_resumed_with_all_of_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = tiny(MIXED, TWO_DEVICES, "methods=[{ecofed: {init: random}}]", "training.rounds=4")
    writes = iter(range(0))

    def write(file: Path, content: bytes) -> None:
        if next(writes, None) is None:
            raise SystemExit
        write_bytes(file, content)

    def models(folder: Path, most: int) -> dict[str, bytes]:
        """Run, or go on; the command ends when it has written `most` models."""
        nonlocal writes
        writes = iter(range(most))
        claimed = claim_folder(folder, "run", resume=True)
        with claimed, suppress(SystemExit):
            run(
                scenario,
                executor="inline",
                out=claimed,
                save_model=True,
                resumable=Resumable(dict),
            )
        return {file.name: file.read_bytes() for file in (folder / "models").glob("*")}

    monkeypatch.setattr(saved_models, "write_bytes", write)
    undisturbed = models(tmp_path / "whole", 100)
    assert len(undisturbed) == 4
    for most in (1, 3):
        folder = tmp_path / f"{most}"
        assert models(folder, most) != undisturbed
        assert models(folder, 100) == undisturbed


def test_files_of_labels_are_named_safely_and_have_checksums(tmp_path: Path) -> None:
    _, folder = saved(tmp_path, "methods=[{splitfed: {}, label: ../a b}]", "training.rounds=1")
    (best, final) = sorted(file.name for file in folder.iterdir())
    listed = (tmp_path / "out" / "checksums.sha256").read_text(encoding="utf-8")
    assert f"models/{best}" in listed
    assert f"models/{final}" in listed
    assert metadata(folder / final)["label"] == "../a b"


def test_models_need_a_training_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--save-model needs an executor that trains"):
        run(tiny(), executor="none", out=tmp_path / "out", save_model=True)
    with pytest.raises(UserError, match="in the folder of the run"):
        run(tiny(), executor="inline", save_model=True)
    assert not (tmp_path / "out").exists()


def test_a_file_does_not_name_code_that_is_run(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    about = {"model": "os:system", "classes": "10", "input_shape": "[1]", "recipe": '{"seed": 0}'}
    save_weights(file, {"weight": torch.zeros(1)}, about)
    with pytest.raises(WeightsError, match="of a model of your own: pass model='os:system'"):
        load_model(file)
    save_weights(file, {"weight": torch.zeros(1)}, {})
    with pytest.raises(WeightsError, match="is not a model of `cutlayer run --save-model`"):
        load_model(file)
