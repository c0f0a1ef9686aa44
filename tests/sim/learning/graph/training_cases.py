"""Tiny runs of every method, by name, for tests that train them with several executors."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from tiny_runs import results

from cutlayer.sim.learning import executors
from cutlayer.sim.learning.executors import EXECUTORS, ExecutorEntry
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.process.tasks import Backend
from cutlayer.sim.results.method import MethodResult

LINK = "{up: 8 Mbit/s, down: 8 Mbit/s, delay: 5 ms}"
SERVER = "server: {device: server-8-core, slots: 1}"
PI = "{device: raspberry-pi-4b, count: %d, link: 4g}"
EDGES = (
    f"topology={{two_tier: {{{SERVER}, edge_nodes: ["
    f"{{name: e0, link: {LINK}, device: jetson-nano, clients: [{PI % 2}]}}, "
    f"{{name: e1, link: {LINK}, device: jetson-nano, clients: [{PI % 1}]}}]}}}}"
)
PEERS = (
    "topology.star.clients=[{device: raspberry-pi-3b-plus, count: 2, link: 4g, name: weak}, "
    "{device: jetson-nano, count: 1, link: 4g, name: strong}]"
)
CUTS = (
    "model={name: vgg5, cut: {raspberry-pi-4b-0: 1, raspberry-pi-4b-1: 3, default: 2}}",
    "data.train_samples=60",
)
KEPT = "training.optimizer_state=kept"
YOGI = "aggregation: {fedyogi: {lr: 0.05}}"
CHURN = (
    "availability=[{clients: raspberry-pi-4b, on_disconnect: drop, "
    "markov: {online: %s, offline: 1 s}}]"
)
MORE = (
    "data={dataset: digits, partition: {sizes: 8}, test_fraction: 0.2, train_samples: 200}",
    "topology.star.clients.0.count=20",
)
TESTED = (  # on 10 batches
    "data={dataset: digits, partition: {sizes: [10, 20, 30]}, test_fraction: 0.5, train_samples: 60}",
)
ROUNDS = "training.rounds=%d"
CODEC = "codec={up: %s, down: %s}"
LORA = (
    "model={name: 'own_models:tiny_vit', cut: 2, trainable: ['fc.*'],"
    " lora: {rank: 2, alpha: 6, targets: ['*.qkv']}}"
)

CASES: Final = {
    "classic_fl": ("classic_fl",),
    "classic_fl, two slices": ("classic_fl", *TESTED, ROUNDS % 1),
    "fedprox, kept": ("{fedprox: {mu: 0.5}}", KEPT),
    "splitfed, fedyogi": (f"{{splitfed: {{{YOGI}}}}}", ROUNDS % 3),
    "splitfed, adam": ("splitfed", "training.optimizer={name: adam, lr: 0.01}", KEPT),
    "splitfed, some": ("splitfed", "training.clients_per_round=2", ROUNDS % 4, KEPT),
    "splitfed, cuts": (f"{{splitfed: {{{YOGI}}}}}", *CUTS),
    "splitfed, edges": ("{splitfed: {edges: {rounds: 2}}}", EDGES),
    "splitfed, edges with blocks": ("{splitfed: {edges: {rounds: 2, server_block: edge}}}", EDGES),
    "splitfed, peers": ("{splitfed: {edges: {peers: strong, rounds: 2}}}", PEERS),
    "splitfed, late": ("splitfed", "training.closing={first: 2, late: next}", ROUNDS % 4),
    "splitfed, many": ("splitfed", *MORE, ROUNDS % 1),
    "splitfed_v2": ("splitfed_v2", KEPT),
    "splitfed_v2, cuts": ("splitfed_v2", *CUTS),
    "splitfed_v2, dropouts": ("splitfed_v2", CHURN % "0.2 s", ROUNDS % 4),
    "pipar": ("{pipar: {micro_batches: 3}}", KEPT),
    "pipar, cuts": ("pipar", *CUTS),
    "local_loss": ("local_loss",),
    "local_loss, cuts": ("local_loss", *CUTS),
    "local_loss, aligned": ("{local_loss: {auxiliary: aligned, align_every: 2}}", ROUNDS % 3),
    "local_loss, aligned and late": (
        "{local_loss: {auxiliary: aligned, align_every: 2}}",
        "training.closing={first: 2, late: next}",
        ROUNDS % 4,
    ),
    "cse_fsl": ("{cse_fsl: {upload_every: 2}}", KEPT),
    "fsl_sage": ("{fsl_sage: {upload_every: 2, align_every: 2}}", KEPT, ROUNDS % 4),
    "fsl_sage, dropouts": (
        "{fsl_sage: {upload_every: 2, align_every: 2}}",
        CHURN % "0.2 s",
        ROUNDS % 4,
    ),
    "ampere": ("ampere", KEPT, ROUNDS % 4),
    "fedgkt": ("fedgkt", ROUNDS % 3),
    "fedgkt, own weights": ("{fedgkt: {exchange_weights: false}}",),
    "ecofed": ("{ecofed: {init: random, period: 3}}", ROUNDS % 4),
    "ecofed, cuts": ("{ecofed: {init: random, period: 2}}", *CUTS, ROUNDS % 3),
    "split_learning": ("split_learning", KEPT),
    "centralised": ("centralised", KEPT),
    "fedasync": ("{fedasync: {rate: 0.5, mu: 0.1, staleness: {polynomial: {a: 0.5}}}}", ROUNDS % 4),
    "fedasync, dropouts": ("fedasync", KEPT, CHURN % "1 s", ROUNDS % 4),
    "fedbuff": ("{fedbuff: {buffer: 2, in_flight: 3, server_lr: 0.5}}", KEPT, ROUNDS % 4),
    "safsl": ("safsl", ROUNDS % 3),
    "gas": ("gas", KEPT, ROUNDS % 4),
    "gas, dropouts": ("{gas: {activation_buffer: 2}}", CHURN % "0.3 s", ROUNDS % 4),
    "smofi": ("smofi", ROUNDS % 3),
    "smofi, kept": ("{smofi: {staleness: constant}}", KEPT),
    "sfl_ga": ("sfl_ga", KEPT),
    "epsl": ("{epsl: {share: 0.3}}", KEPT),
    "mergesfl": ("mergesfl", KEPT),
    "fedoptima": ("{fedoptima: {queue_cap: 2}}", KEPT, ROUNDS % 4),
    "fedoptima, dropouts": ("fedoptima", CHURN % "0.3 s", ROUNDS % 4),
    "splitfed, codec": (
        "splitfed",
        CODEC % ("{aq_sgd: {bits: 4}}", "{top_k: {share: 0.2, feedback: true}}"),
        "training.clients_per_round=2",
        ROUNDS % 3,
    ),
    "splitfed_v2, codec": ("splitfed_v2", CODEC % ("{rand_top_k: {share: 0.3}}", "kept")),
    "gas, codec": (
        "gas",
        CODEC % ("{splitcom: {share: 0.5}}", "{low_rank: {rank: 2}}"),
        ROUNDS % 4,
    ),
    "sfl_ga, codec": ("sfl_ga", CODEC % ("fp16", "{rand_top_k: {share: 0.3}}")),
    "epsl, codec": ("epsl", CODEC % ("{top_k: {share: 0.5}}", "{int: {bits: 6}}")),
    "drawing": ("splitfed_v2", "model.name=own_models:dropout"),
    "splitfed, lora": ("splitfed", LORA, KEPT),
    "gas, lora": ("{gas: {activation_buffer: 2}}", LORA, ROUNDS % 3),
}


def overrides_of(name: str) -> tuple[str, ...]:
    method, *more = CASES[name]
    return (f"methods=[{method}]", *more)


def trained(name: str, executor: str) -> MethodResult:
    """The result of a case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).parents[2])  # for own models
        (result,) = results(*overrides_of(name), executor=executor).values()
    return result


def learned_on(backend: Backend, name: str) -> dict[str, Any]:
    """What tasks on a backend give for a case."""
    entry = ExecutorEntry("", lambda settings: GraphRuntime(settings, lambda _: backend))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "EXECUTORS", {**EXECUTORS, "graph": entry})
        return learned(trained(name, "graph"))


@cache
def reference(name: str) -> dict[str, Any]:
    """What `inline` gives for a case."""
    return learned(trained(name, "inline"))


def learned(result: MethodResult) -> dict[str, Any]:
    """Everything that a training gives."""
    return {
        "weights": result.weights_digest,
        "learning": result.learning_digest,
        "events": result.event_digest,
        "rounds": result.rounds,
        "updates": result.updates,
        "diverged": result.diverged_in_round,
    }
