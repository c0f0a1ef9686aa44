"""Targets that are numbers, windows of rows, and what inputs and targets are standardised by."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from async_run import read
from test_data_tables import write
from torch.utils.data import TensorDataset

from cutlayer.models.given_objects import give
from cutlayer.sim.build.plan import info_of, make_plan, shards_of
from cutlayer.sim.data.datasets import load
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.tables import Format
from cutlayer.sim.run.run import run
from cutlayer.sim.tasks.task import LearningTaskError

HOUSES = [
    {"area": 10.0 * i, "town": "ab"[i % 2], "price": 4 * (i % 2), "rent": i / 8, "both": [i, -i]}
    for i in range(8)
]
# A recording of 7 rows, interleaved with one of 5; their classes change in the middle.
RECORDINGS = [
    {"who": who, "x": t, "y": 10 * t, "still": "no" if t < 3 else "yes", "height": t / 2}
    for t in range(7)
    for who in ("b", "a")
    if who == "b" or t < 5
]
SCENARIO = """\
name: numbers
data: {{dataset: {form}, partition: {partition}{more}}}
model: {{name: "own_tasks:linear", cut: 1}}
task: {task}
training: {{rounds: 2, batch_size: 4, optimizer: {{name: sgd, lr: 0.05}}}}
topology:
  star:
    server: {{device: laptop-8-core, slots: 1}}
    clients: [{{device: raspberry-pi-4b, count: 2, link: 4g}}]
methods: [splitfed, classic_fl]
"""


class Pairs(TensorDataset):
    """Inputs and numbers."""


def text(form: str, task: str = "regression", partition: str = "iid", more: str = "") -> str:
    return SCENARIO.format(form=form, task=task, partition=partition, more=more)


def info(form: str, **parts: str) -> DatasetInfo:
    return info_of(read(text(form, **parts)).scenario, 0)


def order(form: str, **parts: str) -> list[int]:
    """Return the samples of both clients, one after the other."""
    scenario = read(text(form, **parts)).scenario
    declared = info_of(scenario, 0)
    held = shards_of(scenario, 0, declared, ["a", "b"])
    return held.order(np.zeros(declared.train_samples, np.int64)).tolist()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_task_says_that_labels_are_numbers(tmp_path: Path, kind: Format) -> None:
    path = write(kind, tmp_path / f"a.{kind}", [{**row, "both": 0} for row in HOUSES])
    columns = f"{kind}: {{train: {path}, features: [area], label"
    one = load(info(f"{{{columns}: rent}}}}"))
    assert one.train_labels.dtype == torch.float32
    assert one.train_labels.tolist() == [i / 8 for i in range(8)]
    two = load(info(f"{{{columns}: [rent, price]}}}}"))
    assert two.info.target_shape == (2,)
    assert two.train_labels[3].tolist() == [3 / 8, 4]
    assert order(f"{{{columns}: price}}}}", partition="{by: town}") == [0, 2, 4, 6, 1, 3, 5, 7]


def test_lists_arrays_and_datasets_have_numbers(tmp_path: Path) -> None:
    rows = write("jsonl", tmp_path / "a.jsonl", HOUSES)
    form = f"{{jsonl: {{train: {rows}, features: [area], label: both}}}}"
    assert load(info(form)).train_labels[3].tolist() == [3, -3]
    x, y = np.arange(6.0).reshape(3, 2), np.array([[0.5], [1.5], [2.5]])
    np.savez(tmp_path / "a.npz", x=x, y=y)
    assert load(info(f"{{npz: {tmp_path / 'a.npz'}}}")).train_labels.tolist() == [
        0.5,
        1.5,
        2.5,
    ]
    given = give(Pairs(torch.tensor(x), torch.tensor([[1, 2], [3, 4], [5, 6]])))
    data = load(info(f"{{torch: '{given.name}'}}"))
    assert data.train_labels.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("row", "form", "task", "message"),
    [
        (
            {"rent": ""},
            "label: rent",
            "regression",
            "a.csv:10: column 'rent': has no value: fill it",
        ),
        ({"rent": "low"}, "label: rent", "regression", "'low' is not a number (choose task: class"),
        (
            {"rent": "1e39"},
            "label: rent",
            "regression",
            ":10: column 'rent': holds a number beyond",
        ),
        ({}, "label: [rent, prise]", "regression", "no column 'prise'; did you mean 'price'?"),
        ({}, "label: [rent, price]", "classification", "need task: regression: a sample has one"),
        (
            {},
            "label: rent",
            "classification",
            "such as 0.0, not classes: choose task: regression",
        ),
        (
            {},
            "label: rent, window: 30",
            "regression",
            "has no window of 30 rows: the longest of its 1",
        ),
        (
            {},
            "label: rent, window: {length: 2, label: majority}",
            "regression",
            "window.label: majority is not possible for targets that are numbers: choose last or m",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, row: dict[str, Any], form: str, task: str, message: str
) -> None:
    rows = [{**one, "both": 0} for one in [*HOUSES, {**HOUSES[0], **row}]]
    path = write("csv", tmp_path / "a.csv", rows)
    with pytest.raises(DataError) as caught:
        info(f"{{csv: {{train: {path}, categories: [town], {form}}}}}", task=task)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_windows_are_rows_of_one_recording_in_order(tmp_path: Path) -> None:
    path = write("csv", tmp_path / "a.csv", RECORDINGS)
    window = "window: {length: 3, step: 2, group: who}"
    form = f"{{csv: {{train: {path}, features: [x, y], label: still, {window}}}}}"
    declared = info(form, task="classification")
    assert declared.input_shape == (2, 3)
    assert declared.class_names == ("no", "yes")
    data = load(declared)
    # Recording b has the windows from its rows 0, 2 and 4, recording a those from 0 and 2.
    assert data.train_images[:, 0].tolist() == [
        [0, 1, 2],
        [2, 3, 4],
        [4, 5, 6],
        [0, 1, 2],
        [2, 3, 4],
    ]
    assert data.train_images[:, 1].equal(10 * data.train_images[:, 0])
    assert data.train_labels.tolist() == [0, 1, 1, 0, 1]
    assert declared.mean == pytest.approx([2.6, 26])  # of each column over all rows of all windows
    last = form.replace("who}", "who, label: last}").replace("length: 3", "length: 4")
    assert load(info(last, task="classification")).train_labels.tolist() == [1, 1, 1]
    mean = form.replace("who}", "who, label: mean}").replace("still", "height")
    assert load(info(mean)).train_labels.tolist() == [0.5, 1.5, 2.5, 0.5, 1.5]


def test_a_window_has_rows_of_one_file_and_one_client(tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv"):
        write("csv", tmp_path / name, RECORDINGS)
    form = f"{{csv: {{train: {tmp_path}, features: [x], label: still, window: 5}}}}"
    chosen: dict[str, str] = {"task": "classification", "partition": "{by: who}"}
    data = load(info(form, **chosen))
    assert data.train_images[:, 0].tolist() == [[0, 1, 2, 3, 4]] * 4
    assert order(form, **chosen) == [1, 3, 0, 2]


def test_inputs_are_standardised_by_the_training_samples_selected(tmp_path: Path) -> None:
    path = write("csv", tmp_path / "a.csv", [{**row, "both": 0} for row in HOUSES])
    form = f"{{csv: {{train: {path}, features: [area], label: rent}}}}"
    declared = info(form, more=", test_fraction: 0.25")
    inputs = load(declared).train_images
    assert len(inputs) == 6
    assert declared.mean == pytest.approx([float(inputs.mean())])
    assert declared.std == pytest.approx([float(inputs.std(correction=0))])


def results(form: str, task: str, more: str = "") -> Any:
    return run(read(text(form, task, more=more)), executor="inline")[0].methods


def test_standardised_targets_are_learned_and_measured_in_their_own_units(tmp_path: Path) -> None:
    """The prices 0 and 4 have mean 2 and deviation 2, so that the standardised ones are exact."""
    rows = [{**row, "both": 0, "town": 0} for row in HOUSES]
    scaled = [{**row, "price": row["price"] / 2 - 1} for row in rows]
    forms = [
        f"{{csv: {{train: {path}, test: {path}, features: [area], label: price}}}}"
        for path in (
            write("csv", tmp_path / "a.csv", rows),
            write("csv", tmp_path / "b.csv", scaled),
        )
    ]
    standardised = results(forms[0], "{regression: {metrics: [mae, rmse, r2], standardise: true}}")
    by_hand = results(forms[1], "{regression: {metrics: [mae, rmse, r2]}}")
    for label in ("splitfed", "classic_fl"):
        mine, theirs = standardised[label], by_hand[label]
        assert mine.weights_digest == theirs.weights_digest
        found, expected = mine.rounds[-1].metrics, theirs.rounds[-1].metrics
        assert found["mae"] == pytest.approx(2 * expected["mae"], rel=1e-5)
        assert found["rmse"] == pytest.approx(2 * expected["rmse"], rel=1e-5)
        assert found["r2"] == pytest.approx(expected["r2"], rel=1e-5)
        assert mine.rounds[-1].test_loss == pytest.approx(theirs.rounds[-1].test_loss)


def test_inputs_that_are_not_standardised_are_those_of_the_file(tmp_path: Path) -> None:
    """Areas with mean 0 and deviation 1 are the same with and without."""
    rows = [
        {**row, "area": (-1.0, 1.0)[i // 4], "both": 0, "town": 0} for i, row in enumerate(HOUSES)
    ]
    path = write("csv", tmp_path / "a.csv", rows)
    form = f"{{csv: {{train: {path}, test: {path}, features: [area], label: rent}}}}"
    with_scale, without = (
        results(form, "regression", more) for more in ("", ", standardise: false")
    )
    mine, theirs = with_scale["splitfed"], without["splitfed"]
    assert mine.weights_digest == theirs.weights_digest
    assert mine.learning_digest != theirs.learning_digest
    far = write("csv", tmp_path / "b.csv", [{**row, "area": row["area"] + 1} for row in rows])
    form = form.replace(str(path), str(far))
    assert results(form, "regression")["splitfed"].weights_digest == mine.weights_digest
    changed = results(form, "regression", ", standardise: false")["splitfed"].weights_digest
    assert changed != mine.weights_digest


def test_targets_of_own_code_are_standardised_there() -> None:
    scenario = read(text('"own_tasks:rows"', "{regression: {standardise: true}}")).scenario
    with pytest.raises(LearningTaskError, match="own_tasks:rows is read later: standardise its"):
        _ = make_plan(scenario, 0).task
