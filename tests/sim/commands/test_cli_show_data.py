"""`cutlayer show data`: who holds what, as a table, a picture and a partition file."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine, assert_refused
from shards import shards_of

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.data.bins import binned
from cutlayer.sim.data.datasets import load
from cutlayer.sim.data.given_split import given_partition
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views.holdings import Holdings, holdings_figure, write_holdings

SHOW = ("show", "data", "tiny.yaml")
ONE_CLASS = "[[0, 1, 2], [3], []]"


def test_the_table_says_who_holds_what(cli: CommandLine) -> None:
    answer = cli(*SHOW, "--set", "data.partition={sizes: [1, 20, 30]}")
    assert answer.code == 0, answer.err
    assert "tiny: digits, 51 of 60 training samples with 3 clients, seed 0" in answer.out
    rows = {line.split()[0]: line.split()[1:] for line in answer.out.splitlines() if line.strip()}
    assert [rows[f"raspberry-pi-4b-{n}"][0] for n in range(3)] == ["1", "20", "30"]
    row = rows["raspberry-pi-4b-2"]
    held = [0 if cell == "-" else int(cell) for cell in row[2:]]
    assert (sum(held), sum(n > 0 for n in held)) == (30, int(row[1]))
    assert "samples per client: 1 to 30, median 20" in answer.out
    assert "label skew: 0." in answer.out


def test_many_classes_are_named_by_the_largest(cli: CommandLine) -> None:
    data = "data={dataset: cifar100, partition: {dirichlet: 0.1}}"
    answer = cli(*SHOW, "--set", data, "--set", "topology.star.clients.0.count=60")
    assert answer.code == 0, answer.err
    assert "... and 20 more" in answer.out
    assert "most of" in answer.out


def test_a_written_partition_is_read_as_the_same(cli: CommandLine) -> None:
    assert cli(*SHOW, "--out", "split.json").code == 0
    plan = plan_checked(load_scenario("tiny.yaml"), trains=False)[0]
    labels = load(plan.info).train_labels.numpy()
    read = given_partition(Path("split.json"), plan.topology.clients, 60, overlap=False)
    expected = [shard.tolist() for shard in shards_of(plan.shards, labels)]
    assert [shard.tolist() for shard in shards_of(read, labels)] == expected
    assert list(json.loads(Path("split.json").read_text(encoding="utf-8"))) == [
        f"raspberry-pi-4b-{n}" for n in range(3)
    ]
    before = cli(*SHOW)
    given = cli(*SHOW, "--set", "data.partition={file: split.json}")
    assert given.out == before.out
    assert_refused(cli(*SHOW, "--out", "split.json"), "--out", "split.json", "exists")


def test_a_client_without_samples_and_a_picture(cli: CommandLine) -> None:
    (cli.folder / "one.json").write_text(ONE_CLASS, encoding="utf-8")
    answer = cli(*SHOW, "--set", "data.partition={file: one.json}", "--out", "a.svg")
    assert answer.code == 0, answer.err
    assert "samples per client: 0 to 3, median 1" in answer.out
    assert Path("a.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "data", "tiny.yaml", "--out", "a.txt"), "--out: a.txt must end in .png"),
        (("show", "data", "tiny.yaml", "--plot", "a.png"), "--plot draws a topology; the picture"),
        (("show", "data", "digits", "--out", "a.png"), "--out: digits is a data set; clients hold"),
        (("show", "data", "gone.yaml"), "gone.yaml: is neither a file nor a shipped scenario"),
        (
            ("show", "dat", "tiny.yaml"),
            "show: expected one name, data and a scenario, or model and its name, got dat",
        ),
        (("show", "tiny.yaml", "--out", "a.png"), "--out is for `show data SCENARIO`"),
    ],
)
def test_what_is_not_possible_is_one_line(
    cli: CommandLine, arguments: tuple[str, ...], words: str
) -> None:
    assert_refused(cli(*arguments), words)


def test_a_data_set_is_shown_as_by_its_name(cli: CommandLine) -> None:
    assert cli("show", "data", "digits").out == cli("show", "digits").out != ""


@pytest.mark.parametrize(
    ("clients", "classes", "circles"),
    [(3, 4, True), (50, 50, True), (51, 10, False), (3, 100, False)],
)
def test_few_are_drawn_as_circles_and_many_as_colours(
    tmp_path: Path, clients: int, classes: int, circles: bool
) -> None:
    counts = np.arange(clients * classes).reshape(clients, classes) % 7
    names = [f"client-{n}" for n in range(clients)], [f"class {n}" for n in range(classes)]
    holdings = Holdings("s", "d", *names, counts)
    axes = holdings_figure(holdings).axes
    drawn = [c for c in axes[0].collections if len(c.get_offsets()) == (counts > 0).sum()]
    assert bool(drawn) == circles
    assert bool(axes[0].images) != circles
    assert [bar.get_width() for bar in axes[1].patches] == counts.sum(axis=1).tolist()
    if circles:  # areas are proportional to the samples
        diameters = np.asarray(drawn[0].get_widths())  # type: ignore[attr-defined]
        ratio = diameters**2 / counts[counts > 0]
        assert ratio == pytest.approx(ratio[0])


def test_names_of_any_length_and_no_samples_are_drawn(tmp_path: Path) -> None:
    counts = np.zeros((2, 2), np.int64)
    holdings = Holdings("s", "d", ["x" * 300, "$y$"], ["_", "\n"], counts)
    assert write_holdings(holdings, tmp_path / "a.png").stat().st_size > 0


def test_texts_are_shown_with_their_padding_and_what_is_cut(cli: CommandLine) -> None:
    rows = ["said,kind", *["one two three,a", "one,b", "one two three four five six,b"] * 2]
    (cli.folder / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    text = "{csv: {train: rows.csv, label: kind, text: said, length: 4, tokenizer: {words: 6}}}"
    data = f"data={{dataset: {text}, partition: {{sizes: 1}}, test_fraction: 0.5}}"
    model = "model={name: 'own_texts:net', cut: 1}"
    answer = cli(*SHOW, "--set", data, "--set", model)
    assert answer.code == 0, answer.err
    assert "tokens: words (3 of 6), a vocabulary of 6, padding 0" in answer.out
    assert "texts of the training files: 6; 33.3% have more than 4 tokens and are cut" in answer.out
    # Of 4 places each, 3, 1 and 4 are text; the only word without a token is the fourth.
    assert "66.7% text, 33.3% padding, 8.3% unknown words" in answer.out
    (cli.folder / "plain.txt").write_text("one two three four five", encoding="utf-8")
    plain = "data={dataset: {text: {train: plain.txt, length: 2, tokenizer: words}}}"
    language = "task=language_model", "training.targets={perplexity: 9}"
    model = "model={name: 'own_texts:language', cut: 1}"
    sets = [part for change in (plain, *language, model) for part in ("--set", change)]
    of_plain = cli(*SHOW, *sets)
    assert "texts of the training files: 1; divided into 3 samples of 2 tokens" in of_plain.out
    lines = answer.out.splitlines()
    assert lines[-3:] == ["  a: one two three", "  b: one", "  b: one two three four five six"]


REGRESSION = """\
name: houses
data: {dataset: {csv: {train: a.csv, label: [price, rent], features: [area]}}, partition: {by: town}}
model: {name: "own_tasks:linear", cut: 1}
task: regression
training: {rounds: 1, batch_size: 2, optimizer: {name: sgd, lr: 0.1}}
topology:
  star:
    server: {device: laptop-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]
methods: [splitfed]
"""
HOUSES = "area,price,rent,town\n1,10,0.5,a\n2,29,0.5,a\n3,30,0.5,b\n4,46,0.5,b\n5,31,0.5,b\n"


def test_numbers_are_shown_in_the_bins_of_a_histogram(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (cli.folder / "a.csv").write_text(HOUSES, encoding="utf-8")
    (cli.folder / "houses.yaml").write_text(REGRESSION, encoding="utf-8")
    answer = cli("show", "data", "houses.yaml", "--out", "a.svg")
    assert answer.code == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()]
    assert ["raspberry-pi-4b-0", "2", "19.5", "10", "29", *"1--1----"] in rows
    assert ["raspberry-pi-4b-1", "3", "35.6667", "30", "46", *"----2--1"] in rows
    assert ["raspberry-pi-4b-1", "3", "0.5", "0.5", "0.5", "3"] in rows
    # No two clients share a bin of the price: 3/5 of all samples are the other's, or 2/5.
    assert "skew of the target 1 of 2: 0.50" in answer.out
    assert "skew of the target 2 of 2: 0.00" in answer.out
    assert "target 1 of 2" in (cli.folder / "a.svg").read_text(encoding="utf-8")


def test_bins_count_as_numpy_s_histogram() -> None:
    values = np.random.default_rng(0).normal(-3, 40, 1000)
    indices, names = binned(values)
    edges = [float(name.partition(" to ")[0]) for name in names]
    edges.append(float(names[-1].partition(" to ")[2]))
    assert 5 <= len(names) <= 10
    assert np.bincount(indices).tolist() == np.histogram(values, edges)[0].tolist()
