"""The numbers of the shipped scenarios and studies, computed small: for recording and for comparing.

A scenario is played twice: by the clock alone, over enough rounds that replays, periods, absences and
traces show, and really trained, on a few samples of the digits. What is kept are simulated numbers:
the entries of summary.json, the time and the bytes of each round, the exact sum of every numeric
column of rounds.csv, links.csv and devices.csv, and the digests. Texts written for readers are not.
"""

import hashlib
import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml

from cutlayer import load_scenario, load_study, run, sweep

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "scenarios" / "shipped"
ONE_SEED = ("seeds=null", "seed=0")
READERS_TEXT = ("coarse", "note", "by")
# What the weights, whose digests are kept, and the confusion of labels say.
OF_THE_WEIGHTS = ("training_loss", "test_loss", "class_accuracy", "client_accuracy")

# Rounds by the clock alone; 12, unless named here.
ROUNDS = {
    "c_sfl": 4,  # a hundred clients; every round is like the first
    "cifar10_accuracy": 6,
    "collection": 5,  # twice the longest period, and one, of 22 methods
    "ecofed_ablation": 18,  # the longest period, 8 rounds, twice and a bit
    "ecofed_headline": 5,
    "edge_hierarchy": 5,  # of up to four rounds of the edges each
    "gas_cell": 6,
    "gas_fleet": 6,
    "lte_trace_fleet": 8,
}
DIGITS = ("data.dataset=digits", "data.test_fraction=0.2")
SMALL = ("training.rounds=2", "training.evaluate_every=1", "data.test_samples=40")
SMALL_MODEL = ("data.train_samples=200", "model={name: vgg5, cut: 2}", "training.batch_size=10")
SMALL_TEXT_MODEL = (
    "model={name: text-mini, cut: 2, lora: {rank: 2, alpha: 4, targets: ['*.qkv']}, "
    "trainable: ['fc.*']}"
)
# What scenarios need that name a model of a package, in its place.
TIMED = {
    "text_finetune": (
        "data={dataset: {declared: {input_shape: [32], vocabulary: 30522, classes: 8, "
        "train_samples: 2000, test_samples: 400}}}",
        "model={name: text-mini, cut: 3, lora: {rank: 8, alpha: 16, targets: ['*.qkv']}, "
        "trainable: ['fc.*']}",
    )
}
RANDOM_BLOCK = "methods=[classic_fl, splitfed, {ecofed: {period: 2, bits: 8, init: random}}]"
EVERY_METHOD = (
    "[{classic_fl: {init: partial}}, {fedprox: {init: partial}}, {splitfed: {init: partial}}, "
    "{local_loss: {init: partial}}, "
    "{fedgkt: {init: partial}}, {ecofed: {period: 2, bits: 8, init: partial}}, "
    "split_learning, centralised, "
    "{splitfed: {init: partial, aggregation: {fedadam: {lr: 0.001}}}, label: fedadam}]"
)
ONLY_IN_THE_COLLECTION = (
    "[{pipar: {init: partial}}, {smofi: {init: partial}}, {sfl_ga: {init: partial}}, "
    "{epsl: {init: partial}}, {fedoptima: {init: partial}}, {ampere: {init: partial}}]"
)
TRAINED = {
    "async_phones": ("data.train_samples=200",),
    "c_sfl": (  # prices change no training
        *DIGITS,
        *SMALL_MODEL,
        "data.partition={sizes: 2}",
        "training.clients_per_round=20",
        "methods=[splitfed, {splitfed: {edges: {peers: strong}}, label: strong clients}]",
    ),
    "cifar10_accuracy": (*DIGITS, "data.train_samples=200"),
    "collection": (  # with the methods that no other scenario trains
        "data.train_samples=200",
        "data.partition=iid",
        f"methods={ONLY_IN_THE_COLLECTION}",
    ),
    "commuters": ("data.train_samples=200",),
    "ecofed_ablation": (  # two rounds: all periods above 1 are alike
        "data.train_samples=60",
        "training.evaluate_every=2",
        "methods=[{ecofed: {}, label: ecofed}, {ecofed: {init: random}, label: no pre-training}, "
        "{ecofed: {period: 1}, label: no replay (period 1)}, "
        "{ecofed: {bits: null}, label: no quantisation}, "
        "{ecofed: {init: holistic}, label: 'pre-trained, server too'}, "
        "{ecofed: {bits: 2}, label: 2 bits}, {ecofed: {bits: 3}, label: 3 bits}, "
        "{ecofed: {bits: 16}, label: 16 bits}, classic_fl]",
    ),
    "ecofed_headline": (  # a large model, for which there are no pre-trained weights
        *DIGITS,
        "data.train_samples=500",
        "data.partition={shards: {per_client: 1, size: 5}}",
        "training.clients_per_round=2",
        "training.evaluate_every=2",
        "methods=[splitfed, {ecofed: {period: 2, bits: 8, init: random}}]",
    ),
    "edge_hierarchy": ("data.train_samples=200", "training.clients_per_round=8"),
    "edpfl_pi4_wifi": (
        *DIGITS,
        "data.partition={sizes: 30}",
        RANDOM_BLOCK,
    ),
    "four_g_fleet": ("data.train_samples=200",),
    "fsl_sage": (*DIGITS, *SMALL_MODEL),
    "gas_cell": (*DIGITS, "data.train_samples=400", "training.batch_size=10"),
    "gas_fleet": (*DIGITS, "data.train_samples=400", "training.batch_size=10"),
    "lte_trace_fleet": ("data.train_samples=200",),
    "mergesfl": (*DIGITS, *SMALL_MODEL),
    "mixed_cuts": ("data.train_samples=200", "training.local_epochs=1"),
    "quickstart": (  # with the methods that no shipped scenario has, and over a whole period
        "training.rounds=3",
        "data.train_samples=200",
        f"methods={EVERY_METHOD}",
    ),
    "res_things_vgg5": (*DIGITS, "data.partition={sizes: 30}", "training.batch_size=10"),
    "safsl_cell": (*DIGITS, *SMALL_MODEL),
    "text_finetune": (  # what needs neither Debian's texts nor MiniLM
        f"data={{dataset: {{csv: {{train: '{HERE / 'texts.csv'}', text: text, label: category, "
        "length: 8}}, test_fraction: 0.2, partition: iid}",
        "data.train_samples=160",
        SMALL_TEXT_MODEL,
    ),
    "two_tier_edge": ("data.train_samples=200",),
    "wifi_anomaly": ("data.train_samples=200",),
}
STUDY_ROUNDS = {"bits_and_period": 5}  # over every period; 3, one more than the others', elsewhere

Numbers = dict[str, Any]


def scenario_names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def study_names() -> list[str]:
    """Return the names of the shipped studies."""
    return sorted(file.stem for file in (SHIPPED / "studies").glob("*.yaml"))


def recorded_file(kind: str, name: str) -> Path:
    """Return the file of a "scenario"'s or a "study"'s numbers."""
    return HERE / f"{kind}_{name}.json"


def numbers(kind: str, name: str) -> Numbers:
    """Return what a shipped "scenario" or "study" gives now, as it comes out of JSON."""
    found = scenario_numbers(name) if kind == "scenario" else study_numbers(name)
    plain: Numbers = json.loads(json.dumps(found))
    return plain


def scenario_numbers(name: str) -> Numbers:
    """Return a shipped scenario's numbers, timed and trained."""
    rounds = f"training.rounds={ROUNDS.get(name, 12)}"
    instead = TIMED.get(name, ())
    timed = run(load_scenario(name, (*ONE_SEED, rounds, *instead)), executor="none")[0]
    trained = run(load_scenario(name, (*ONE_SEED, *SMALL, *TRAINED[name])), executor="inline")[0]
    return {
        "made_with": made_with(),
        "arithmetic": {
            "clock": clock_arithmetic(),
            "training": trained.versions["numerics"]["kernels"],
        },
        "timed": _of_run(timed),
        "trained": _of_run(trained),
    }


def study_numbers(name: str) -> Numbers:
    """Return a shipped study's numbers at the ends and in the middle of its axes, without training."""
    study = yaml.safe_load((SHIPPED / "studies" / f"{name}.yaml").read_text(encoding="utf-8"))
    study.setdefault("set", {})["training.rounds"] = STUDY_ROUNDS.get(name, 3)
    for axis in study["axes"]:
        _thin(axis)
    for decision in ("best", "crossovers", "sensitivity"):
        if decision in study:  # what would need an accuracy is decided by time or bytes alone
            study[decision]["by"] = study[decision]["by"].removesuffix("_to_target")
            study[decision].pop("target", None)
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.yaml"
        file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
        result = sweep(load_study(file), executor="none")
    columns = {key: values for key, values in result.table().items() if key not in READERS_TEXT}
    cells = zip(columns["point"], columns["label"], strict=True)
    return {
        "made_with": made_with(),
        "arithmetic": {"clock": clock_arithmetic()},
        "points": {
            f"point {point}, {label}": {key: values[row] for key, values in columns.items()}
            for row, (point, label) in enumerate(cells)
        },
        "decisions": {
            name: [{k: v for k, v in row.items() if k not in READERS_TEXT} for row in rows]
            for name, rows in result.decisions.items()
        },
    }


def _thin(axis: dict[str, Any]) -> None:
    """Leave the first, the middle and the last of an axis' values."""

    def three(values: list[Any]) -> list[Any]:
        return [values[at] for at in sorted({0, len(values) // 2, len(values) - 1})]

    for key in ("values", "labels"):
        if axis.get(key):
            axis[key] = three(axis[key])
    if "zip" in axis:
        axis["zip"] = {field: three(values) for field, values in axis["zip"].items()}
    if "log_range" in axis:
        axis["log_range"]["count"] = 3


def _of_run(result: Any) -> Numbers:
    summary = result.summary()
    tables = {
        "rounds": result.table(),
        "links": result.table("links"),
        "devices": result.table("devices"),
    }
    found = {"status": summary["status"], "methods": {}}
    for label, entry in summary["methods"].items():
        left_out = (*READERS_TEXT, *OF_THE_WEIGHTS)
        entry = {key: value for key, value in entry.items() if key not in left_out}
        entry["ended"] = entry["ended"] is not None  # why is a text for readers
        own = {name: _rows_of(label, table) for name, table in tables.items()}
        found["methods"][label] = {
            **entry,
            "each_round": {
                column: own["rounds"][column]
                for column in ("round_time_s", "wire_bytes_up", "wire_bytes_down")
            },
            "sums": {name: dict(_sums(table)) for name, table in own.items()},
        }
    return found


def _rows_of(label: str, table: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    mine = [row for row, of in enumerate(table["label"]) if of == label]
    return {column: [values[row] for row in mine] for column, values in table.items()}


def _sums(table: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, int | float]]:
    for column, values in table.items():
        known = [value for value in values if value is not None]
        of_training = ("accuracy", "learning_rate", *OF_THE_WEIGHTS)
        if column in of_training or not known or isinstance(known[0], str):
            continue  # the curve has the accuracies
        yield column, math.fsum(known) if isinstance(known[0], float) else sum(known)


def made_with() -> dict[str, str]:
    """Return what a reader wants to know where the numbers differ on another machine."""
    return {
        "machine": platform.machine(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def clock_arithmetic() -> str:
    """Return a fingerprint of the draws and functions that times are made of, bit by bit.

    They depend on the mathematical library, on numpy's version and on the processor. Where this
    differs, the last bits of simulated times may.
    """
    draw = np.random.Generator(np.random.PCG64(20))
    values = [
        *draw.random(9),
        *draw.standard_normal(200),
        *draw.standard_exponential(200),
        *draw.normal(-0.2, 0.3, 20),
        *draw.dirichlet(np.full(7, 0.5), 5).ravel(),
        *draw.permutation(50),
        *draw.choice(30, size=12, replace=False),
        *draw.integers(0, 9, 20),
    ]
    whole = np.abs(np.array(values, dtype=np.float64)) + 1e-3
    for function in (math.exp, math.log, math.log1p, math.sqrt, math.cos):
        values += [function(value) for value in whole]
    values += [value**power for value in whole for power in (0.25, 0.75, -0.4, 2)]
    values += [*np.exp(-whole), *np.log(whole), *np.sqrt(whole), *np.cumsum(whole), whole @ whole]
    for length in (3, 10, 17, 129, len(whole)):
        some = whole[:length]
        values += [some.sum(), some.mean(), np.percentile(some, 50), np.percentile(some, 95)]
    state = hashlib.blake2b(np.array(values, dtype="<f8").tobytes(), digest_size=16)
    return state.hexdigest()
