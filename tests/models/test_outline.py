"""Outlines of models: they equal the models, and entries on disk are checked."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cutlayer.models.catalogue import build
from cutlayer.models.cost import block_costs, module_cost
from cutlayer.models.errors import CutError
from cutlayer.models.layers import auxiliary_head
from cutlayer.models.outline import outline
from cutlayer.models.outline_cache import cache_folder
from cutlayer.models.spec import ModelSpec

SHAPE = (3, 32, 32)
LENET = ModelSpec("lenet", 10, SHAPE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CUTLAYER_CACHE_DIR", str(tmp_path))
    return cache_folder()


@pytest.mark.parametrize("name", ["vgg5", "resnet12", "mobilenetv2"])
def test_an_outline_equals_its_model(name: str, folder: Path) -> None:
    model = build(name, classes=7, input_shape=SHAPE, seed=0, device="meta")
    for _ in ("drawn", "read"):
        drawn = outline(ModelSpec(name, 7))
        assert drawn.blocks == block_costs(model)
        assert len(drawn) == len(model)
        assert drawn.min_batch == model.min_batch
        assert drawn.feature_blocks == model.feature_blocks
        for cut in range(len(model) + 1):
            shape = model.activation_shape(cut)
            assert drawn.activation_shape(cut) == shape
        assert drawn.detached_blocks(2) == block_costs(model, detached=2)[2:]
        head = auxiliary_head(drawn.activation_shape(2), 7, seed=0, device="meta")
        expected = module_cost(head, drawn.activation_shape(2), first=False, name="head")
        assert drawn.head(2) == expected
    with pytest.raises(CutError, match="out of range"):
        drawn.activation_shape(len(model) + 1)


def test_every_argument_is_part_of_the_key(folder: Path) -> None:
    for changed in ({}, {"classes": 11}, {"input_shape": (1, 32, 32)}, {"vocabulary": 5}):
        outline(replace(LENET, **changed))
    outline(LENET, unpriced="bytes")
    assert len(list(folder.glob("*.json"))) == 5


@pytest.mark.parametrize("damage", ["cut off", "changed", "emptied", "not text"])
def test_a_damaged_entry_is_computed_again(damage: str, folder: Path) -> None:
    right = outline(LENET)
    (entry,) = folder.glob("*.json")
    content = entry.read_bytes()
    figure = str(right.blocks[0].parameters).encode()
    entry.write_bytes(
        {
            "cut off": content[:-20],
            "changed": content.replace(figure, b"9" * len(figure)),
            "emptied": b"",
            "not text": b"\xff" + content,
        }[damage]
    )
    assert entry.read_bytes() != content
    assert outline(LENET) == right
    assert entry.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("CUTLAYER_CACHE_DIR", str(blocked))
    assert outline(LENET).classes == 10
    assert blocked.read_text(encoding="utf-8") == "in the way"


def test_an_entry_in_another_format_is_computed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a change of code that did not change its digest, which cannot happen on its own."""
    import cutlayer.models.outline_cache as kept

    right = outline(LENET)
    (entry,) = folder.glob("*.json")
    kept._write(entry, '{"name": "lenet"}')
    assert outline(LENET) == right


def test_the_code_of_models_is_part_of_the_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cutlayer.models.outline_cache as kept

    right = outline(LENET)
    (entry,) = folder.glob("*.json")
    wrong = replace(right, min_batch=99)
    kept._write(entry, kept.TypeAdapter(type(right)).dump_json(wrong).decode("ascii"))
    assert outline(LENET).min_batch == 99  # it is read
    monkeypatch.setattr(kept, "_code_digest", lambda: "other code")
    assert outline(LENET) == right


WITHOUT_TORCH = """
import sys
from cutlayer.sim.cli import app
for command in ("list", "check quickstart", "run quickstart --executor none --no-plots"):
    try:
        app(command.split(), standalone_mode=False)
    except SystemExit as end:
        assert not end.code, end.code
print("torch" in sys.modules, "matplotlib" in sys.modules)
"""


def test_commands_that_train_nothing_import_no_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With cached outlines, importing torch would take most of such a command's time."""
    monkeypatch.chdir(tmp_path)
    exec(WITHOUT_TORCH, {})  # computes the outlines that are not cached
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    message = done.stdout.splitlines()[-1]
    assert message == "False False"
