"""The catalogue's models of tokens in training: cut and uncut, one after another and side by side."""

import pytest
from tiny_runs import results

GPT = (
    "model={name: gpt-nano, cut: 2}",
    "data={dataset: 'own_tasks:text', partition: {sizes: [12, 12, 8]}}",
    "task=language_model",
)
TEXT = (
    "model={name: text-mini, cut: encoder1}",
    "data={dataset: 'traced_data:texts', partition: {sizes: [12, 12, 8]}}",
)


@pytest.mark.parametrize("changes", [GPT, TEXT], ids=["gpt-nano", "text-mini"])
def test_a_cut_transformer_learns_what_the_uncut_one_does(changes: tuple[str, ...]) -> None:
    once = "training.rounds=1"
    methods = "methods=[splitfed, classic_fl, {ecofed: {init: random, bits: 8}}]"
    found = results(methods, *changes, once)
    assert found["splitfed"].weights_digest == found["classic_fl"].weights_digest is not None
    assert found["ecofed"].diverged_in_round is None
    stacked = results("methods=[splitfed]", *changes, once, executor="stacked")
    losses = [run["splitfed"].rounds[0].test_loss for run in (found, stacked)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
