"""Each field of a scenario changes either the learning digest or only the time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from tiny_runs import only, results

from cutlayer.models.pretrained import save_weights
from cutlayer.models.weights_files import load_weights, shipped
from cutlayer.scenarios import Scenario
from cutlayer.scenarios.numerics import Numerics
from cutlayer.scenarios.unions import OneOf
from cutlayer.sim.learning.numerics import numerics
from cutlayer.sim.methods.registry import METHODS, OPTIONS

EVERY = (
    "classic_fl",
    "fedprox",
    "splitfed",
    "local_loss",
    "fedgkt",
    "split_learning",
    "centralised",
)
ALL = f"methods=[{', '.join(EVERY)}, {{ecofed: {{init: random}}}}]"
LABELS = frozenset({*EVERY, "ecofed"})
FAMILY = ("cse_fsl", "fsl_sage", "ampere")
ASYNCHRONOUS = ("fedasync", "fedbuff", "safsl", "gas", "fedoptima")
OTHERS = ("pipar", "splitfed_v2", *FAMILY)
CASES = ["training.rounds=3", "training.clients_per_round=2"]
WHOLE = ("topology", "devices", "methods")  # tested as a whole below


@dataclass(frozen=True)
class Change:
    """Overrides before and after, and the methods whose training does not change."""

    after: str
    before: tuple[str, ...] = ()
    not_for: frozenset[str] = frozenset()


def partition(text: str) -> tuple[str, ...]:
    return (f"data.partition={text}",)


def schedule(text: str) -> tuple[str, ...]:
    return (f"training.lr_schedule={text}",)


def option(method: str, text: str, *before: str, first: str = "") -> Change:
    return Change(
        f"methods=[{{{method}: {{{text}}}}}]", (*before, f"methods=[{{{method}: {{{first}}}}}]")
    )


def tcp(text: str) -> Change:
    return Change(f"transport={{tcp: {{{text}}}}}", ("transport=tcp",))


CLOSING = ("classic_fl", "fedprox", "splitfed", "local_loss")
UNCUT = frozenset({"classic_fl", "fedprox", "centralised"})
PLAIN = ("training.optimizer={name: sgd, lr: 0.05}",)
SHARDS = partition("{shards: {per_client: 2, size: 5}}")
RANDOM = "init: random"
FROZEN_BIAS = ("model.frozen=['*.bias']",)
SLOW_SERVER = "devices={slow: {speed: 10 MFLOP/s}}", "topology.star.server.device=slow"

LEARNING = {
    "seed": Change("seed=1"),
    "seeds": Change("seeds=[1]"),
    "data.dataset": Change("data={dataset: mnist, partition: {sizes: [10, 20, 30]}}"),
    "data.partition": Change("data.partition=iid"),
    "data.partition.shards.per_client": Change("data.partition.shards.per_client=3", SHARDS),
    "data.partition.shards.size": Change("data.partition.shards.size=4", SHARDS),
    "data.partition.dirichlet.alpha": Change(
        "data.partition.dirichlet.alpha=0.7", partition("{dirichlet: {alpha: 0.8}}")
    ),
    "data.partition.dirichlet.min_samples": Change(
        "data.partition.dirichlet.min_samples=2", partition("{dirichlet: {alpha: 0.8}}")
    ),
    "data.partition.file.path": Change(
        "data.partition={file: FOLDER/other.json}", partition("{file: FOLDER/split.json}")
    ),
    "data.partition.sizes.samples": Change("data.partition={sizes: [20, 20, 20]}"),
    "data.test_fraction": Change("data.test_fraction=0.25"),
    "data.train_samples": Change("data.train_samples=70"),
    "data.test_samples": Change(
        "data.test_samples=10"
    ),  # another accuracy curve, though the same weights
    "data.feature_skew": Change("data.feature_skew={noise: 0.3}"),
    "data.standardise": Change("data.standardise=false"),
    "data.augment.crop": Change("data.augment={crop: true}"),
    "data.augment.flip": Change("data.augment={flip: true}"),
    "model.name": Change("model.name=vgg5"),
    "data.partition.by.column": Change(
        "data.partition={by: right}",
        (
            "data={dataset: {csv: {train: FOLDER/rows.csv, label: kind, features: [x, y]}},"
            " test_fraction: 0.2, partition: {by: left}}",
            "model={name: 'own_models:rows', cut: 1}",
        ),
    ),
    "data.partition.quantity.dirichlet": Change(
        "data.partition.quantity.dirichlet=0.7", partition("{quantity: {dirichlet: 0.8}}")
    ),
    "data.partition.quantity.lognormal": Change(
        "data.partition.quantity.lognormal=0.7", partition("{quantity: {lognormal: 0.5}}")
    ),
    "data.partition.quantity.min_samples": Change(
        "data.partition.quantity.min_samples=2", partition("{quantity: {dirichlet: 0.8}}")
    ),
    "model.cut": Change("model.cut=2", not_for=UNCUT),
    "model.batch_norm": Change(
        "model.batch_norm=local",
        ("model={name: 'own_models:statistics', cut: 2}", "methods=[splitfed, classic_fl]"),
    ),
    "model.pretrained": Change(
        "model.pretrained=true",
        ("model={name: 'own_models:brings', cut: 2}", "methods=[splitfed, classic_fl]"),
    ),
    "model.trainable": Change("model.trainable=['*.weight']"),
    "model.frozen": Change("model.frozen=['*.bias']"),
    "model.lora": Change(
        "model.lora={rank: 2, alpha: 4, targets: ['fc*']}", ("model.trainable=['*.weight']",)
    ),
    "model.frozen_type": Change("model.frozen_type=bfloat16", FROZEN_BIAS),
    "codec": Change("codec={down: bf16}", ("methods=[splitfed, split_learning]",)),
    "training.rounds": Change("training.rounds=4"),
    "training.clients_per_round": Change(
        "training.clients_per_round=3", not_for=frozenset({"centralised"})
    ),
    "training.closing": Change(  # fewer members, those that are done first
        "training.closing={first: 1}", (f"methods=[{', '.join(CLOSING)}]",)
    ),
    "training.local_epochs": Change("training.local_epochs=2"),
    "training.batch_size": Change("training.batch_size=9"),
    "training.optimizer.name": Change("training.optimizer.name=adam", PLAIN),
    "training.optimizer.lr": Change("training.optimizer.lr=0.06"),
    "training.optimizer.momentum": Change("training.optimizer.momentum=0.8"),
    "training.optimizer.weight_decay": Change("training.optimizer.weight_decay=0.001"),
    "training.optimizer.nesterov": Change("training.optimizer.nesterov=true"),
    "training.optimizer_state": Change("training.optimizer_state=kept"),
    "training.averaging": Change(
        "training.averaging=equal", not_for=frozenset({"centralised", "split_learning"})
    ),
    "training.lr_schedule": Change("training.lr_schedule=cosine"),
    "training.lr_schedule.step.milestones": Change(
        "training.lr_schedule.step.milestones=[2]",
        schedule("{step: {milestones: [1], gamma: 0.5}}"),
    ),
    "training.lr_schedule.step.gamma": Change(
        "training.lr_schedule.step.gamma=0.4", schedule("{step: {milestones: [1], gamma: 0.5}}")
    ),
    "training.lr_schedule.cosine.rounds": Change(
        "training.lr_schedule.cosine.rounds=6", schedule("{cosine: {rounds: 5}}")
    ),
    "training.lr_schedule.cosine.min_lr": Change(
        "training.lr_schedule.cosine.min_lr=0.01", schedule("{cosine: {rounds: 5}}")
    ),
    "training.lr_schedule.exponential.gamma": Change(
        "training.lr_schedule.exponential.gamma=0.8", schedule("{exponential: {gamma: 0.9}}")
    ),
    "methods.fedprox.mu": option("fedprox", "mu: 0.02"),
    "methods.fedgkt.temperature": option("fedgkt", "temperature: 2.5"),
    "methods.fedgkt.alpha": option("fedgkt", "alpha: 0.5"),
    "methods.fedgkt.server_alpha": option("fedgkt", "server_alpha: logits"),
    "methods.fedgkt.server_epochs": option(
        "fedgkt", "exchange_weights: false, server_epochs: 2", first="exchange_weights: false"
    ),
    "methods.fedgkt.optimizer_state": option("fedgkt", "optimizer_state: kept"),
    "methods.fedgkt.exchange_weights": option("fedgkt", "exchange_weights: false"),
    "methods.ecofed.period": option("ecofed", f"{RANDOM}, period: 3", first=RANDOM),
    "methods.ecofed.bits": option("ecofed", f"{RANDOM}, bits: null", first=RANDOM),
    "methods.ecofed.init": option("ecofed", "init: holistic", "model.name=vgg5"),
    "methods.ecofed.weights": option(
        "ecofed", "weights: FOLDER/other.safetensors", "model.name=vgg5"
    ),
    "methods.ecofed.upload_when_unbuffered": option(
        "ecofed",
        f"{RANDOM}, upload_when_unbuffered: true",
        "training.clients_per_round=1",
        "training.rounds=6",
        first=RANDOM,
    ),
}

AGGREGATIONS = {
    "fedavgm": {"lr": 0.9, "momentum": 0.8},
    "fedadam": {"lr": 0.2, "beta1": 0.8, "beta2": 0.98, "tau": 0.01},
    "fedyogi": {"lr": 0.2, "beta1": 0.8, "beta2": 0.98, "tau": 0.01},
}
JOINT = ("smofi", "sfl_ga", "epsl", "mergesfl")  # their servers step for all clients together
AVERAGING = (
    "classic_fl",
    "fedprox",
    "splitfed",
    "pipar",
    "splitfed_v2",
    "local_loss",
    *FAMILY,
    "fedgkt",
    "ecofed",
    *JOINT,
)
for _method in AVERAGING:
    _path = f"methods.{_method}.aggregation"
    LEARNING[_path] = option(_method, f"{RANDOM}, aggregation: fedavgm", first=RANDOM)
    for _name, _settings in AGGREGATIONS.items():
        for _key, _value in _settings.items():
            _first, _after = (
                f"{RANDOM}, aggregation: {{{_name}: {json.dumps(settings)}}}"
                for settings in ({"lr": 0.1}, {"lr": 0.1, _key: _value})
            )
            LEARNING[f"{_path}.{_name}.{_key}"] = option(_method, _after, first=_first)

for _method in (*ASYNCHRONOUS, "smofi"):
    LEARNING |= {
        f"methods.{_method}.staleness": option(_method, "staleness: hinge"),
        f"methods.{_method}.staleness.hinge.a": option(
            _method, "staleness: {hinge: {a: 3}}", first="staleness: hinge"
        ),
        f"methods.{_method}.staleness.hinge.b": option(
            _method, "staleness: {hinge: {b: 3}}", first="staleness: hinge"
        ),
        f"methods.{_method}.staleness.polynomial.a": option(
            _method, "staleness: {polynomial: {a: 2}}", first="staleness: polynomial"
        ),
    }
# Of asynchronous methods, whose digest covers the order of arrival.
for _method in ASYNCHRONOUS:
    LEARNING |= {
        f"methods.{_method}.in_flight": option(_method, "in_flight: 1"),
        f"methods.{_method}.window": option(_method, "window: {versions: 3}"),
    }
LEARNING |= {
    "methods.epsl.share": option("epsl", "share: 0.3"),
    "methods.fedasync.rate": option("fedasync", "rate: 0.3"),
    "methods.fedasync.mu": option("fedasync", "mu: 0.1"),
    "methods.fedbuff.buffer": option("fedbuff", "buffer: 2", first="buffer: 1"),
    "methods.fedbuff.server_lr": option("fedbuff", "server_lr: 0.5"),
    "methods.safsl.buffer": option("safsl", "buffer: 1"),
    "methods.safsl.gamma": option("safsl", "gamma: 0.5"),
    "methods.gas.activation_buffer": option("gas", "activation_buffer: 3"),
    "methods.gas.model_buffer": option("gas", "model_buffer: 3"),
    "methods.gas.generate": option("gas", "generate: false"),
    "methods.gas.samples_per_label": option("gas", "samples_per_label: 3"),
    "methods.gas.logit_adjustment": option("gas", "logit_adjustment: false"),
    "methods.fedoptima.queue_cap": option("fedoptima", "queue_cap: 1"),
    "methods.fedoptima.scheduler": option("fedoptima", "scheduler: arrival", *SLOW_SERVER),
    "methods.fedoptima.rate": option("fedoptima", "rate: 0.3"),
}

ALIGNED = "auxiliary: aligned"
for _method in ("local_loss", "cse_fsl", "fsl_sage"):
    _server = "shared" if _method == "local_loss" else "replicas"
    _auxiliary = "own" if _method == "fsl_sage" else "aligned"
    LEARNING |= {
        f"methods.{_method}.upload_every": option(_method, "upload_every: 2"),
        f"methods.{_method}.server": option(_method, f"server: {_server}"),
        f"methods.{_method}.auxiliary": option(_method, f"auxiliary: {_auxiliary}"),
        f"methods.{_method}.align_every": option(
            _method, f"{ALIGNED}, align_every: 2", first=ALIGNED
        ),
        f"methods.{_method}.align_epochs": option(
            _method, f"{ALIGNED}, align_epochs: 2", first=ALIGNED
        ),
    }
LEARNING["methods.ampere.first_phase"] = option("ampere", "first_phase: 2")

# The order of arrival is in the digests of the last ones.
for _method in (*EVERY, *OTHERS, *JOINT, *ASYNCHRONOUS):
    LEARNING[f"methods.{_method}.init"] = option(_method, "init: holistic", "model.name=vgg5")
    LEARNING[f"methods.{_method}.weights"] = option(
        _method,
        "init: partial, weights: FOLDER/other.safetensors",
        "model.name=vgg5",
        first="init: partial",
    )

TIERS = (
    "topology={two_tier: {server: {device: laptop-8-core, slots: 1}, edge_nodes: [{count: 3, "
    "device: laptop-8-core, link: 4g, clients: [{device: raspberry-pi-4b, link: wifi-50}]}]}}"
)
for _method in ("classic_fl", "splitfed", "pipar", "ecofed"):
    LEARNING[f"methods.{_method}.edges"] = option(
        _method, f"{RANDOM}, edges: {{rounds: 2}}", TIERS, first=f"{RANDOM}, edges: {{}}"
    )
LEARNING["control"] = Change("control={fedadapt: {cuts: [2]}}", ("methods=[splitfed]",))

LEARNING["task"] = Change("task={classification: {class_weights: balanced}}")

TIME = {
    "data.partition.file.overlap": Change(
        "data.partition={file: {path: FOLDER/split.json, overlap: true}}",
        partition("{file: FOLDER/split.json}"),
    ),
    "changes": Change("changes=[{at: 1 s, clients: raspberry-pi-4b, up: 1 Mbit/s}]"),
    # If all clients resume, the training stays the same; a dropped client changes it.
    "availability": Change(
        "availability=[{clients: raspberry-pi-4b, on_disconnect: resume, "
        "offline: [{from: 0.1 s, until: 5 s}]}]"
    ),
    "model.unpriced": Change("model.unpriced=bytes"),
    "model.download_frozen": Change("model.download_frozen=true", FROZEN_BIAS),
    "name": Change("name=other"),
    "description": Change("description=in other words"),
    "data.dir": Change("data.dir=."),
    "training.evaluate_every": Change("training.evaluate_every=2"),
    "training.uploads_outstanding": Change("training.uploads_outstanding=3"),
    "training.targets": Change("training.targets=[0.5]"),
    "stop.virtual_time": Change("stop.virtual_time=1000 h"),
    "stop.target_accuracy": Change("stop.target_accuracy=1.0"),
    "stop.target": Change("stop.target={accuracy: 1.0}"),
    "stop.patience": Change("stop.patience=100"),
    "stop.min_delta": Change("stop={patience: 100, min_delta: 0.1}"),
    "limits.clients": Change("limits.clients=100"),
    "limits.links": Change("limits.links=100"),
    "limits.round_batches": Change("limits.round_batches=1000"),
    "limits.run_batches": Change("limits.run_batches=10000"),
    "limits.round_events": Change("limits.round_events=100000"),
    "uncertainty": Change("uncertainty={draws: 20}"),
    "computing": Change("computing=[{clients: raspberry-pi-4b, variability: {lognormal: 0.3}}]"),
    "speeds": Change("speeds=[{clients: raspberry-pi-4b, lognormal: 0.5}]"),
    "scale.links": Change("scale.links=0.5"),
    "scale.delays": Change("scale.delays=2.0"),
    "scale.devices": Change("scale.devices=2.0"),
    "scale.server": Change("scale.server=0.5"),
    "scale.framing": Change("scale.framing=3.0"),
    "transport": Change("transport=tcp"),
    "transports": Change("transports=[{clients: raspberry-pi-4b, transport: tcp}]"),
    "transport.tcp.headers": tcp("headers: false"),
    "transport.tcp.handshake": tcp("handshake: tls"),
    "transport.tcp.slow_start": tcp("slow_start: false"),
    "transport.tcp.initial_window": tcp("initial_window: 1"),
    "transport.tcp.window": tcp("window: 20 kB"),
    "transport.tcp.idle_restart": tcp("idle_restart: false"),
    "transport.tcp.loss_model": tcp("loss_model: none"),
    "transport.tcp.rtt_bias": tcp("rtt_bias: 0.25"),
    "methods.ecofed.download_device_block": option(
        "ecofed", f"{RANDOM}, download_device_block: true", first=RANDOM
    ),
    "methods.ecofed.control_messages": option(
        "ecofed", f"{RANDOM}, control_messages: false", first=RANDOM
    ),
    "methods.pipar.micro_batches": option("pipar", "micro_batches: 3"),
    "methods.centralised.collect_images": option("centralised", "collect_images: false"),
}

NUMERICS = {  # the bits of a training, not what is learned
    "numerics.memory_format": Change("numerics.memory_format=contiguous"),
    "numerics.dtype": Change("numerics.dtype=float64"),
}

PLACES = {
    "another link": "topology.star.clients.0.link=wifi-50",
    "a longer delay": "topology.star.clients.0.link={up: 1 Mbit/s, down: 1 Mbit/s, delay: 3 s}",
    "half duplex": "topology.star.clients.0.link={rate: 1 Mbit/s, delay: 1 ms, duplex: half}",
    "another device": "topology.star.clients.0.device=raspberry-pi-3b-plus",
    "another server": "topology.star.server.device=laptop-8-core",
    "more slots": "topology.star.server.slots=4",
    "the server's own link": "topology.star.server.link={up: 1 Mbit/s, down: 1 Mbit/s, delay: 0 s}",
    "two groups": (
        "topology.star.clients=[{device: raspberry-pi-3b-plus, link: 4g, name: slow}, "
        "{device: raspberry-pi-4b, count: 2, link: wifi-50}]"
    ),
    "a shared medium": "topology.star.medium={rate: 5 Mbit/s}",
    "a cell": (
        "topology={wifi_cell: {server: {device: laptop-8-core, slots: 2}, rate: 38 Mbit/s, "
        "delay: 2 ms, clients: [{device: raspberry-pi-4b, count: 3}]}}"
    ),
    "a graph": (
        "topology={graph: {server: {device: laptop-8-core, slots: 1}, nodes: {pi: {client: "
        "{device: raspberry-pi-4b, count: 3}}}, edges: [{from: pi, to: server, link: 4g}]}}"
    ),
    "jitter and loss": (
        "topology.star.clients.0.link={name: 4g, jitter: {lognormal: 0.5}, loss: 0.01}"
    ),
    "a rate that varies": (
        "topology.star.clients.0.link={up: {markov: {good: 1 Mbit/s, bad: 0 bit/s, good_for: 1 s, "
        "bad_for: 1 s}}, down: 1 Mbit/s, delay: 0 s}"
    ),
    "a base station": (
        "topology={cells: {server: {device: laptop-8-core, slots: 1}, cells: [{cellular: {delay: "
        "9 ms, backhaul: 4g, clients: [{device: raspberry-pi-4b, count: 3, up: 1 Mbit/s, "
        "down: 2 Mbit/s}]}}]}}"
    ),
    "two tiers": (
        "topology={two_tier: {server: {device: laptop-8-core, slots: 1}, edge_nodes: [{link: 4g, "
        "clients: [{device: raspberry-pi-4b, count: 3, link: wifi-50}]}]}}"
    ),
    "three tiers": (
        "topology={three_tier: {server: {device: laptop-8-core, slots: 1}, regions: [{link: 4g, "
        "edge_nodes: [{count: 3, link: 4g, clients: [{device: raspberry-pi-4b, link: wifi-50}]}]}]}}"
    ),
    "a ring": (
        "topology={ring: {server: {device: laptop-8-core, slots: 1}, sites: 3, routing: hops, "
        "link: wifi-50, clients: [{device: raspberry-pi-4b, link: 4g}]}}"
    ),
    "a mesh": (
        "topology={mesh: {server: {device: laptop-8-core, slots: 1}, sites: 3, link: wifi-50, "
        "clients: [{device: raspberry-pi-4b, link: 4g}]}}"
    ),
    "a device of one's own": "devices={mine: {speed: 5 GFLOP/s}}",
}


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every field of a section and its subsections; choices count as fields."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        if path in WHOLE:
            continue
        choice = next((m for m in field.metadata if isinstance(m, OneOf)), None)
        if choice is not None:
            yield path
            for key, section in choice.sections.items():
                yield from fields(section, f"{path}.{key}.")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{path}.")
        else:
            yield path


def test_every_field_is_classified_as_learning_or_time() -> None:
    """A new field fails here until it is added to one of the three tables."""
    known = set(fields(Scenario))
    for method, options in OPTIONS.items():
        known |= set(fields(options, f"methods.{method}."))
    assert len(known) > 40
    assert known == LEARNING.keys() | TIME.keys() | NUMERICS.keys()
    assert len(known) == len(LEARNING) + len(TIME) + len(NUMERICS)
    others = {*OTHERS, *JOINT, *ASYNCHRONOUS}
    assert {label.partition(".")[0] for label in METHODS} == {*LABELS, *others}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of VGG5 (the shipped ones under another name, and different ones), splits, a table."""
    folder_of_files = tmp_path_factory.mktemp("files")
    split = [list(range(10)), list(range(10, 30)), list(range(30, 60))]
    for name, shards in {"split": split, "other": [split[0][::-1], *split[1:]]}.items():
        (folder_of_files / f"{name}.json").write_text(json.dumps(shards), encoding="utf-8")
    rows = [f"{i % 2},{i},{i % 7},{i % 3},{i // 30}" for i in range(90)]
    table = "\n".join(["kind,x,y,left,right", *rows])
    (folder_of_files / "rows.csv").write_text(table, encoding="utf-8")
    path = shipped("vgg5")
    assert path is not None
    tensors, _ = load_weights(path)
    save_weights(folder_of_files / "same.safetensors", tensors, {"made": "by a test"})
    first, *_ = sorted(tensors)
    other = tensors | {first: torch.nextafter(tensors[first], torch.tensor(9.0))}
    save_weights(folder_of_files / "other.safetensors", other, {})
    return folder_of_files


@cache
def digests(*overrides: str) -> dict[str, Any]:
    by_label = results(ALL, *CASES, *overrides, executor="none")
    return {label: result.learning_digest for label, result in by_label.items()}


@pytest.mark.parametrize("path", LEARNING)
def test_fields_that_affect_learning_change_the_digest(path: str, folder: Path) -> None:
    change = LEARNING[path]
    first = [override.replace("FOLDER", str(folder)) for override in change.before]
    before = digests(*first)
    after = digests(*first, change.after.replace("FOLDER", str(folder)))
    assert before.keys() == after.keys()
    assert None not in {*before.values(), *after.values()}
    changed = {label for label in before if before[label] != after[label]}
    assert changed == before.keys() - change.not_for


UNTOUCHED = {"splitfed": "splitfed", "ecofed": "{ecofed: {init: random}}"}


@cache
def trained(*overrides: str) -> dict[str, tuple[str | None, str | None]]:
    methods = f"methods=[{', '.join(UNTOUCHED.values())}]"
    by_label = results(methods, "training.rounds=2", "training.clients_per_round=2", *overrides)
    return {label: (r.learning_digest, r.weights_digest) for label, r in by_label.items()}


@pytest.mark.parametrize("path", TIME)
def test_fields_that_only_affect_time_change_neither_digest_nor_weights(
    path: str, folder: Path
) -> None:
    change = TIME[path]
    first = [override.replace("FOLDER", str(folder)) for override in change.before]
    before, after = trained(*first), trained(*first, change.after.replace("FOLDER", str(folder)))
    assert before == after
    assert all(weights is not None for _, weights in before.values())


@pytest.mark.parametrize("path", NUMERICS)
def test_numerics_change_the_fingerprint_of_the_numerics_and_neither_digest(path: str) -> None:
    before, after = only(), only(NUMERICS[path].after)
    assert before.learning_digest == after.learning_digest
    assert before.event_digest == after.event_digest
    assert digests(NUMERICS[path].after) == digests()
    (section, field), chosen = path.split("."), NUMERICS[path].after.partition("=")[2]
    assert section == "numerics"
    used = numerics(chosen=Numerics(**{field: chosen}))
    assert used[field] == chosen != numerics()[field]


@pytest.mark.parametrize("name", PLACES)
def test_another_topology_or_device_changes_only_the_time(name: str) -> None:
    assert digests(PLACES[name]) == digests()
    assert trained(PLACES[name]) == trained()
    if name != "a device of one's own":  # declared but not used
        there, here = only(PLACES[name], executor="none"), only(executor="none")
        assert there.event_digest != here.event_digest


def test_the_label_is_not_part_of_the_digest() -> None:
    renamed = only("methods=[{splitfed: {}, label: mine}]", executor="none")
    assert renamed.label == "mine"
    assert renamed.learning_digest == only(executor="none").learning_digest


def test_more_clients_change_the_digest() -> None:
    iid = ["data.partition=iid", "training.clients_per_round=2"]
    three = digests(*iid)
    four = digests(*iid, "topology.star.clients.0.count=4")
    assert all(three[label] != four[label] for label in three)


def test_the_digest_depends_on_the_content_of_weights_and_not_on_their_path(folder: Path) -> None:
    identities = [
        only(
            "model.name=vgg5", f"methods=[{{ecofed: {{weights: {weights}}}}}]", executor="none"
        ).learning_digest
        for weights in ("null", "vgg5", folder / "same.safetensors", folder / "other.safetensors")
    ]
    assert identities[0] == identities[1] == identities[2] != identities[3]
    assert None not in identities


def test_missing_weights_make_the_digest_unknown() -> None:
    method = "methods=[{ecofed: {weights: nowhere.safetensors}}]"
    assert only(method, executor="none").learning_digest is None


def test_without_tensors_the_digest_is_the_same() -> None:
    methods = f"{ALL[:-1]}, {{fedgkt: {{exchange_weights: false}}, label: original}}]"
    for kept in ("fresh", "kept"):
        overrides = [methods, f"training.optimizer_state={kept}", "training.optimizer.lr=0.005"]
        with_tensors = results(*overrides, "training.clients_per_round=2")
        without = results(*overrides, "training.clients_per_round=2", executor="none")
        for label, result in with_tensors.items():
            assert result.learning_digest == without[label].learning_digest is not None
            assert result.event_digest == without[label].event_digest
            assert without[label].weights_digest is None
        identities = [result.learning_digest for result in with_tensors.values()]
        assert len(set(identities)) == len(identities)
