"""The `stacked` executor against `inline`, for every method with a stacked form."""

import pytest
import torch
from stacked_runs import EQUAL_SIZES, compare
from tiny_runs import METHODS


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_ends_with_the_states_of_inline(method: str, dtype: torch.dtype) -> None:
    """Shards of 10, 20 and 30 samples: batches of other sizes run on their own, in the same stack."""
    text = compare(dtype, f"methods=[{method}]")
    alone = {"split_learning": 2, "centralised": 2, "{fedgkt: {exchange_weights: false}}": 2}
    if method in ("split_learning", "centralised"):
        assert text.startswith("stacked: 0 of 2 chains ran side by side")
    elif method in alone:
        assert text.startswith("stacked: 6 of 8 chains ran side by side, the others one after")
    else:
        assert text == "stacked: 6 of 6 chains ran side by side"


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.optimizer={name: adam, lr: 0.002}", "training.optimizer_state=kept"],
        ["training.optimizer_state=kept", "training.clients_per_round=2", "training.rounds=3"],
        ["training.optimizer={name: sgd, lr: 0.02, momentum: 0.5, nesterov: true}"],
        ["model={name: vgg5, cut: 2}", EQUAL_SIZES, "data.train_samples=60"],
        ["model={name: resnet12, cut: 2}", EQUAL_SIZES, "training.rounds=1"],
        ["model.cut=0"],
        ["model.cut=5"],
        ["training.local_epochs=2", "data.augment=true", "training.averaging=equal"],
        [
            "training.lr_schedule={exponential: {gamma: 0.5}}",
            "methods=[{splitfed: {aggregation: {fedadam: {lr: 0.01}}}}]",
        ],
    ],
    ids=" ".join,
)
def test_splitfed_ends_with_the_states_of_inline(overrides: list[str]) -> None:
    assert "others" not in compare(torch.float64, *overrides)


LINK = "{up: 8 Mbit/s, down: 8 Mbit/s, delay: 5 ms}"
EDGES = (
    "topology={two_tier: {server: {device: server-8-core, slots: 1}, edge_nodes: ["
    f"{{name: e0, link: {LINK}, device: jetson-nano, "
    "clients: [{device: raspberry-pi-4b, count: 2, link: 4g}]}, "
    f"{{name: e1, link: {LINK}, device: jetson-nano, "
    "clients: [{device: raspberry-pi-4b, count: 1, link: 4g}]}]}}"
)


@pytest.mark.parametrize(
    ("overrides", "stacked"),
    [
        (["model={name: vgg5, cut: {raspberry-pi-4b-0: 1, default: 2}}"], "4 of 6"),
        (["methods=[{splitfed: {edges: {rounds: 2}}}]", EDGES], "8 of 12"),
        (["training.closing={first: 2, late: next}", "training.rounds=4"], "8 of 8"),
        (["methods=[safsl]"], "8 of 8"),
        (["methods=[{ecofed: {init: random, period: 2}}]", "training.rounds=4"], "12 of 12"),
    ],
    ids=["cuts", "edges", "late", "safsl", "replay"],
)
def test_chains_run_beside_those_of_their_shape(overrides: list[str], stacked: str) -> None:
    """Clients of one cut, of one edge node, or of one fold."""
    text = compare(torch.float64, *overrides)
    assert text.startswith(f"stacked: {stacked} chains ran side by side")


def test_bfloat16_runs_side_by_side_as_well() -> None:
    text = compare(torch.bfloat16, EQUAL_SIZES)
    assert text == "stacked: 6 of 6 chains ran side by side"
