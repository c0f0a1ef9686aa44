"""Scenarios with texts: their forms and paths, and what does not fit."""

from pathlib import Path
from typing import Any

import pytest
from small_scenarios import read

from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.run.run import load_scenario, run

SCENARIO = """\
name: texts
data: {dataset: {csv: {train: FOLDER/said.csv, text: said, label: kind, length: 5}}, test_fraction: 0.5}
model: {name: "own_texts:net", cut: 1}
training: {rounds: 1, batch_size: 2, optimizer: {name: sgd, lr: 0.05}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]
methods: [splitfed]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, two files of fortunes and a folder of texts, of eight texts each."""
    at = tmp_path_factory.mktemp("texts")
    texts = [
        ("law", "the judge"),
        ("food", "the soup is cold"),
        ("food", "eat"),
        ("law", "a b"),
    ] * 2
    rows = ["kind,said", *(f"{kind},{said} {n}" for n, (kind, said) in enumerate(texts))]
    (at / "said.csv").write_text("\n".join(rows), encoding="utf-8")
    for kind in ("law", "food"):
        own = [said for label, said in texts if label == kind]
        (at / kind).write_text("\n%\n".join(own), encoding="utf-8")
        (at / f"{kind}.dat").write_bytes(b"")
        (at / "texts" / kind).mkdir(parents=True)
        for number, said in enumerate(own):
            (at / "texts" / kind / f"{number}.txt").write_text(said, encoding="utf-8")
    (at / "plain.txt").write_text(" ".join(said for _, said in texts), encoding="utf-8")
    return at


def plan(folder: Path, *changes: str) -> Plan:
    loaded = read(
        SCENARIO.replace("FOLDER", str(folder)), *(c.replace("AT", str(folder)) for c in changes)
    )
    return plan_checked(loaded, trains=True)[0]


def dataset(form: str, **others: Any) -> str:
    fields = "".join(f", {name}: {value}" for name, value in others.items())
    return f"data={{dataset: {form}, test_fraction: 0.5{fields}}}"


FORTUNES = "{fortunes: {folder: AT, length: 5}}"


@pytest.mark.parametrize(
    "form",
    [
        "{csv: {train: AT/said.csv, text: said, label: kind, length: 5}}",
        FORTUNES,
        "{text_folder: {train: AT/texts, length: 5}}",
    ],
    ids=["csv", "fortunes", "text_folder"],
)
def test_texts_of_every_form_train(folder: Path, form: str) -> None:
    made = plan(folder, dataset(form))
    assert (made.info.classes, made.info.class_names) == (2, ("food", "law"))
    assert made.info.vocabulary == made.model.spec.vocabulary
    text = SCENARIO.replace("FOLDER", str(folder))
    (result,) = run(read(text, dataset(form).replace("AT", str(folder))), executor="inline")
    method = result.methods["splitfed"]
    assert method.learning_digest is not None
    assert method.final_accuracy is not None


def test_a_partition_by_category_is_natural_also_without_classes(folder: Path) -> None:
    by = plan(folder, dataset(FORTUNES, partition="{by: category}"))
    assert by.shards.sizes == (2, 2)
    lm = "task=language_model", "model.name=own_texts:language"
    made = plan(folder, dataset(FORTUNES, partition="{by: category}"), *lm)
    assert (made.info.classes, made.info.target_type) == (1, "token")
    assert sum(made.shards.sizes) == 4
    plain = plan(folder, dataset("{text: {train: AT/plain.txt, length: 5, tokenizer: bytes}}"), *lm)
    assert (plain.info.vocabulary, plain.info.padding) == (258, 0)


def test_a_declared_set_may_have_tokens(folder: Path) -> None:
    data = "data={dataset: {declared: {input_shape: [7], classes: 3, train_samples: 9, vocabulary: 40}}}"
    text = SCENARIO.replace("FOLDER", str(folder))
    lm = "task=language_model", "model.name=own_texts:language"
    for changes, targets in (((), 8), (lm, 8 * 7)):
        (made,) = plan_checked(read(text, data, *changes), trains=False)
        assert (made.info.input_type, made.info.target_bytes) == ("token", targets)
        assert made.model.spec.vocabulary == 40
        assert made.info.train_counts == ((9,) if changes else (3, 3, 3))
    with pytest.raises(ScenarioError, match=r"tokens have an input_shape of \(length,\)"):
        plan_checked(read(text, data.replace("[7]", "[7, 2]")), trains=False)


def test_another_tokenizer_changes_the_learning_digest(folder: Path) -> None:
    def digest(tokenizer: str) -> str | None:
        form = f"{{fortunes: {{folder: {folder}, length: 5, tokenizer: {tokenizer}}}}}"
        text = SCENARIO.replace("FOLDER", str(folder))
        (result,) = run(read(text, dataset(form)), executor="none")
        return result.methods["splitfed"].learning_digest

    found = [digest("bytes"), digest("words"), digest("{words: 5}")]
    assert None not in found
    assert len({*found}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("data.dataset.csv.text=said2",), "has no column 'said2'; did you mean 'said'"),
        (("data.dataset.csv.text=kind",), "must have other columns as text and label than kind"),
        (("data.dataset.csv.categories=[kind]",), "must have either text or categories, not both"),
        (("data.dataset.csv.window=3",), "must have either text or window, not both"),
        (("data.dataset={csv: {train: AT/said.csv, length: 3}}",), "must have text, the column of"),
        (("data.dataset.csv.tokenizer=words.json",), "or a file: write {file: words.json}"),
        (("data.dataset.csv.tokenizer={file: none.json}",), "there is no such file or folder"),
        (("data.dataset.csv.tokenizer=byts",), "unknown choice \"byts\"; did you mean 'bytes'"),
        (("data.dataset.csv.tokenizer={words: 3}",), "must be at least 4"),
        (
            (dataset("{fortunes: [laws]}").replace("[laws]", "{folder: AT, categories: [laws]}"),),
            "has no category 'laws'; did you mean 'law'",
        ),
        (
            (dataset(FORTUNES, partition="{by: kind}"),),
            "divided by category only: write {by: category}",
        ),
        (
            (dataset("{text: AT/plain.txt}"),),
            "plain text has no classes, only next tokens: choose task",
        ),
        (("task=regression",), "texts need task: classification or language_model"),
        (
            (dataset(FORTUNES), "task=regression"),
            "texts need task: classification or language_model",
        ),
        (
            ("model.name=own_texts:small",),
            "fails on the token 18: the vocabulary of the data has 19",
        ),
        (("model.name=own_texts:of_four_places",), "fails on texts of 5 tokens"),
        (("data.test_fraction=0.01",), "puts 0 of the 4 samples of class food into the test split"),
    ],
)
def test_what_does_not_fit_texts_is_named(
    folder: Path, changes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan(folder, *changes)
    assert message in str(caught.value)


def test_files_are_beside_the_scenario_and_packages_are_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = folder / "site" / "a_tokenizer_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tokenizer.json").write_text("{}", encoding="utf-8")
    monkeypatch.syspath_prepend(folder / "site")
    where = folder / "scenario.yaml"
    where.write_text(SCENARIO.replace("FOLDER/", ""), encoding="utf-8")
    assert plan_checked(load_scenario(str(where)), trains=False)[0].info.train_samples == 4
    for file, path in (
        ("a_tokenizer_package/tokenizer.json", package / "tokenizer.json"),
        ("said.csv", folder / "said.csv"),
    ):
        changed = SCENARIO.replace("length: 5", f"length: 5, tokenizer: {{file: {file}}}")
        where.write_text(changed.replace("FOLDER/", ""), encoding="utf-8")
        with pytest.raises(ScenarioError) as caught:
            plan_checked(load_scenario(str(where)), trains=False)
        assert f"{path}: is not a tokenizer of the library tokenizers" in str(caught.value)
