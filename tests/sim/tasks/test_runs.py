"""Tasks without classes through the whole stack: training, bytes, results, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from own_tasks import LENGTH, VOCABULARY
from small_scenarios import read

from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.report.run_page import run_source
from cutlayer.sim.results.metrics import final_of, times_to_targets
from cutlayer.sim.results.read import read_run
from cutlayer.sim.run.run import run
from cutlayer.sim.views.accuracy import accuracy_charts

ROWS = """\
name: rows
data: {dataset: "own_tasks:rows", partition: {sizes: [24, 16]}}
model: {name: "own_tasks:linear", cut: 1}
task: {regression: {metrics: [rmse, mae, r2]}}
training: {rounds: 2, batch_size: 8, optimizer: {name: sgd, lr: 0.05, momentum: 0.9},
           targets: {rmse: [1.0e-9, 100]}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]
methods: [splitfed, classic_fl]
"""
TEXT = (
    ROWS.replace("own_tasks:rows", "own_tasks:text")
    .replace("own_tasks:linear", "own_tasks:language")
    .replace("task: {regression: {metrics: [rmse, mae, r2]}}", "task: language_model")
    .replace("rmse: [1.0e-9, 100]", "perplexity: [1.01, 100]")
    .replace("lr: 0.05", "lr: 0.2")
)
PADDED = TEXT.replace("own_tasks:text", "own_tasks:padded")
WEIGHTED = """\
name: weighted
data: {dataset: digits, partition: {sizes: [24, 16]}, test_fraction: 0.2, test_samples: 40}
model: {name: lenet, cut: 1}
task: {classification: {metrics: [f1, auroc, balanced_accuracy], class_weights: balanced}}
"""
WEIGHTED += ROWS[ROWS.index("training:") :].replace("{rmse: [1.0e-9, 100]}", "{f1: [0.99]}")

# Every way in which a loss is reached, but not those that need classes.
METHODS = """[splitfed, classic_fl, fedprox, local_loss, cse_fsl, fsl_sage, split_learning, centralised,
{ecofed: {init: random}}, splitfed_v2, mergesfl, epsl, sfl_ga, smofi, {pipar: {micro_batches: 2}},
{ampere: {first_phase: 1}}, fedoptima, {gas: {generate: false, logit_adjustment: false}}]"""


@pytest.mark.parametrize(
    "text", [ROWS, TEXT, PADDED, WEIGHTED], ids=["rows", "text", "padded", "weighted"]
)
@pytest.mark.parametrize("executor", ["inline", "stacked"])
def test_a_cut_model_learns_what_the_uncut_one_does(text: str, executor: Any) -> None:
    (result,) = run(read(text), executor=executor)
    split, whole = result.methods["splitfed"], result.methods["classic_fl"]
    assert split.weights_digest == whole.weights_digest
    assert split.rounds[-1].metrics == whole.rounds[-1].metrics
    assert split.rounds[-1].test_loss is not None
    assert result.status == "complete"


@pytest.mark.parametrize(
    ("text", "methods"),
    [(ROWS, "[local_loss, fsl_sage, epsl]"), (PADDED, METHODS)],
    ids=["rows", "padded"],
)
def test_every_method_without_classes_trains(text: str, methods: str) -> None:
    (result,) = run(read(text, f"methods={methods}", "training.rounds=2"), executor="inline")
    for label, method in result.methods.items():
        assert method.diverged_in_round is None, label
        assert method.final is not None, label
        assert method.final_accuracy is None, label
        losses = [closed.test_loss for closed in method.rounds if closed.test_loss is not None]
        assert len(losses) == len(method.rounds), label


def test_a_loss_of_half_the_squares_at_twice_the_rate_is_the_mean_square() -> None:
    own = "task={regression: {loss: 'own_tasks:half_square', metrics: ['own_tasks:largest_error']}}"
    changes = own, "training.optimizer.lr=0.1", "training.targets={largest_error: 100}"
    (mine,) = run(read(ROWS, *changes), executor="inline")
    (theirs,) = run(read(ROWS), executor="inline")
    first = mine.methods["splitfed"]
    # The factor 2 is exact, so the products of rate and gradient have the same bits.
    assert first.weights_digest == theirs.methods["splitfed"].weights_digest
    assert first.learning_digest != theirs.methods["splitfed"].learning_digest
    assert first.metric.name == "largest_error"
    assert not first.metric.higher_is_better
    assert first.time_to(100) == first.rounds[0].virtual_time_s


def labels_up(text: str, *changes: str) -> int:
    (result,) = run(read(text, "methods=[splitfed]", *changes), executor="none")
    return result.methods["splitfed"].traffic()["up"]["labels"]["payload_bytes"]


def test_labels_have_the_bytes_of_the_target() -> None:
    samples = 2 * 40  # rounds, samples of both clients
    assert labels_up(TEXT) == samples * 8 * LENGTH
    assert labels_up(ROWS) == samples * 4 * 2
    one = "data.dataset='own_tasks:one_number'"
    assert labels_up(ROWS, one) == samples * 4
    assert labels_up(WEIGHTED) == samples * 8


def test_tokens_of_a_central_data_set_are_sent_as_they_are() -> None:
    (result,) = run(read(TEXT, "methods=[centralised]"), executor="none")
    sent = result.methods["centralised"].rounds[0].payload_up
    assert sent == 40 * (8 * LENGTH + 8 * LENGTH)


def test_metrics_do_not_change_what_is_learned() -> None:
    plain = read(WEIGHTED.replace(", class_weights: balanced", ""))
    recipes = [
        plan_checked(loaded, trains=False)[0].task.learned
        for loaded in (plain, read(WEIGHTED), read(ROWS))
    ]
    assert recipes[0] == {}
    assert recipes[1]["class_weights"]
    assert recipes[2] == {"kind": "regression", "loss": "mse"}


def test_results_name_the_metric_of_the_task(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "text.yaml"
    file.write_text(TEXT, encoding="utf-8")
    done = cli("run", file, "--out", tmp_path / "run", "--executor", "inline")
    assert done.code == 0, done.err
    assert "Perplexity is that of really trained models" in done.out
    assert "accuracy" not in done.out.lower()
    saved = read_run(tmp_path / "run")
    entry = saved.methods["splitfed"]
    assert entry["accuracy"] is None
    assert entry["metric"]["name"] == "perplexity"
    assert entry["class_accuracy"] is None
    assert final_of(entry) == entry["metrics"]["perplexity"]["final"]
    assert 1 < entry["metrics"]["perplexity"]["best"] < VOCABULARY
    reached = times_to_targets(entry)
    assert reached["100.0"] == saved.rounds("splitfed")[0]["virtual_time_s"]
    assert reached["1.01"] is None
    rows = [r for r in saved.table("accuracy") if r["label"] == "splitfed"]
    assert [r["metric"] for r in rows] == ["perplexity", "test_loss"] * 2
    assert not (tmp_path / "run" / "confusion.csv").exists()
    (chart, *_) = accuracy_charts([saved])
    assert (chart.title, chart.y_title) == ("Test perplexity", "test perplexity")
    assert chart.series[0].y == [value for _, value in entry["curve"]]
    assert entry["tokens"]["count"] == 2 * 40 * LENGTH
    checked = cli("check", file)
    assert f"for a token of {LENGTH}: " in checked.out
    assert "16 B of activation and 8 B of label at cut 1" in checked.out
    compared = cli("compare", tmp_path / "run", tmp_path / "run")
    assert compared.code == 0, compared.err
    tabs = {tab.name: tab for tab in run_source([saved]).tabs}
    (table, _) = tabs["Results"].parts
    assert "Final perplexity" in table.columns
    assert "Time to perplexity" in [getattr(part, "title", "") for part in tabs["Perplexity"].parts]


def test_a_run_ends_at_a_target_of_its_metric() -> None:
    loaded = read(TEXT, "stop={target: {perplexity: 100}}", "methods=[splitfed]")
    (result,) = run(loaded, executor="inline")
    assert len(result.methods["splitfed"].rounds) == 1


def test_the_default_has_no_entries_of_a_task() -> None:
    text = WEIGHTED[: WEIGHTED.index("task:")] + WEIGHTED[WEIGHTED.index("training:") :]
    loaded = read(text, "training.targets=[0.5]", "training.rounds=1", "methods=[splitfed]")
    (result,) = run(loaded, executor="inline")
    (entry,) = result.summary()["methods"].values()
    assert not {"metric", "metrics", "time_to_target_s"} & entry.keys()
    assert "task" not in json.dumps(loaded.resolved())


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (
            TEXT,
            "methods=[fedgkt]",
            "distils the scores of classes, and a task of language_model has",
        ),
        (ROWS, "methods=[gas]", "draws activations for each class"),
        (ROWS, "methods=[{gas: {generate: false}}]", "adjusts the scores of classes"),
        (ROWS, "data.partition={dirichlet: 0.5}", "dirichlet divides the samples of each class"),
        (ROWS, "task=language_model", "language_model needs targets that are tokens, and data set"),
        (ROWS, "task=classification", "choose task: regression"),
        (ROWS, "training.targets=[0.5]", r"are accuracies, .* write \{rmse: VALUE\}"),
        (ROWS, "training.targets={mae: 1}", "must name the first of task.metrics: rmse"),
        (ROWS, "stop.target_accuracy=0.5", r"write target: \{rmse: VALUE\}"),
        (ROWS, "task={regression: {loss: msee}}", "not a known loss; did you mean 'mse'"),
        (
            ROWS,
            "task={regression: {metrics: [mae, 'own_tasks:larges_error']}}",
            r"task.regression.metrics.1: .* cannot be imported: .*; did you mean 'largest_error'\?",
        ),
        (
            ROWS,
            "task={regression: {loss: 'own_tasks:vector_loss'}}",
            r"one number, got shape \(2, 2\)",
        ),
        (
            ROWS,
            "model.name='own_tasks:FirstTwo'",
            "has nothing to train: no parameter needs a gradient",
        ),
        (
            ROWS,
            "task={regression: {metrics: [mae, 'own_tasks:text_metric']}}",
            r"task.regression.metrics.1: metric 'own_tasks:text_metric' failed \(ValueError",
        ),
        (
            ROWS,
            "task={regression: {metrics: ['own_tasks:no_number']}}",
            "returns NaN for random out",
        ),
        (
            ROWS,
            "task={regression: {metrics: ['own_tasks:nothing']}}",
            "number, and it returns nothing",
        ),
        (
            TEXT,
            "task={language_model: {metrics: ['own_tasks:many_numbers']}}",
            r"must return one number, got shape \(2, ",
        ),
        (TEXT, "model.cut=0", "tokens have no gradient"),
        (
            TEXT,
            "model.name='own_tasks:linear'",
            "takes numbers, and data set own_tasks:text has tok",
        ),
        (WEIGHTED, "task={classification: {class_weights: [1, 2]}}", "has 2 numbers, expected one"),
        (
            WEIGHTED,
            "task={classification: {loss: 'own_tasks:half_square', class_weights: balanced}}",
            "class_weights are for the cross entropy",
        ),
    ],
)
def test_what_does_not_fit_a_task_is_refused(text: str, change: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        plan_checked(read(text, change), trains=True)
