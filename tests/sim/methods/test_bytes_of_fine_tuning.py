"""What fine-tuning sends and keeps: closed forms of federated LoRA and of SplitLoRA, and memory."""

import re

import pytest
from tiny_runs import Inside, only, results

from cutlayer.errors import UserError
from cutlayer.sim.build.memory import memory_by_device, server_memory
from cutlayer.sim.endpoints import payload as wire
from cutlayer.sim.methods.registry import METHODS, options_of

WIDTH, TOKENS, CLASSES, RANK = 12, 5, 10, 2
ADAPTER = RANK * WIDTH + 3 * WIDTH * RANK  # of the layer that gives queries, keys and values
HEAD = 2 * WIDTH + WIDTH * CLASSES + CLASSES  # its norm and its linear layer
LAYER = 4 * WIDTH + 12 * WIDTH**2 + 9 * WIDTH  # two norms; weights and biases of linear layers
EMBEDDING = (3 * 16 * 16 + 1) * WIDTH + WIDTH + TOKENS * WIDTH
BATCHES = [(8, 2), (8, 8, 4), (8, 8, 8, 6)]  # of three clients
MODEL = "name: 'own_models:tiny_vit', lora: {rank: 2, alpha: 4, targets: ['*.qkv']}"


def lora(cut: int = 2, more: str = "trainable: ['fc.*']") -> str:
    return f"model={{{MODEL}, cut: {cut}, {more}}}"


def state_bytes(tensors: int) -> int:
    return wire.STATE_FRAMING + tensors * wire.TENSOR_FRAMING


def test_federated_lora_sends_adapters_and_head() -> None:
    for closed in only("methods=[classic_fl]", lora(), executor="none").rounds:
        values = 4 * (2 * ADAPTER + HEAD)
        assert closed.payload_up == closed.payload_down == 3 * values
        assert closed.wire_up == closed.wire_down == 3 * (values + state_bytes(2 * 2 + 4))


def test_splitlora_sends_activations_gradients_and_the_adapters_of_devices() -> None:
    """Lin et al., 2024, arXiv 2407.00952: per batch the smashed data and its gradient; per round the
    adapters of the device, to and from the federated server."""
    samples, batches = sum(map(sum, BATCHES)), sum(map(len, BATCHES))
    smashed = 4 * TOKENS * WIDTH * samples
    for closed in only("methods=[splitfed]", lora(), executor="none").rounds:
        adapters = 3 * 4 * ADAPTER
        assert closed.payload_up == smashed + wire.LABEL_BYTES * samples + adapters
        assert closed.payload_down == smashed + adapters
        framing = 3 * state_bytes(2)
        assert closed.wire_up - closed.payload_up == batches * wire.ACTIVATION_FRAMING + framing
        assert closed.wire_down - closed.payload_down == batches * wire.GRADIENT_FRAMING + framing


def test_devices_without_anything_to_train_get_no_gradients() -> None:
    (closed, _) = only("methods=[splitfed]", lora(cut=1), executor="none").rounds
    assert closed.payload_down == 0
    assert closed.wire_down == 3 * state_bytes(0)


@pytest.mark.parametrize(
    ("method", "cut", "values", "tensors", "size"),
    [
        ("classic_fl", 2, EMBEDDING + 2 * LAYER, 4 + 2 * 12, 4),
        ("splitfed", 2, EMBEDDING + LAYER, 4 + 12, 2),
        ("{ecofed: {init: random}}", 2, EMBEDDING + LAYER, 4 + 12, 4),
        ("gas", 1, EMBEDDING, 4, 2),
    ],
)
def test_frozen_tensors_are_downloaded_once(
    method: str, cut: int, values: int, tensors: int, size: int
) -> None:
    more = f"trainable: ['fc.*'], frozen_type: {'float32' if size == 4 else 'bfloat16'}"
    overrides = f"methods=[{method}]", "training.rounds=4"
    plain, once = (
        only(*overrides, lora(cut, more + also), executor="none").rounds
        for also in ("", ", download_frozen: true")
    )
    more_down = [a.payload_down - b.payload_down for a, b in zip(once, plain, strict=True)]
    assert more_down == [3 * size * values, 0, 0, 0]
    framing = once[0].wire_down - plain[0].wire_down - more_down[0]
    assert framing == 3 * state_bytes(tensors)
    assert once[0].round_time_s > plain[0].round_time_s
    assert [r.round_time_s for r in once[1:]] == pytest.approx([r.round_time_s for r in plain[1:]])


def test_a_download_does_not_change_what_is_learned() -> None:
    plain, once = (
        only("methods=[classic_fl]", lora(more=more), "training.rounds=1")
        for more in ("trainable: ['fc.*']", "trainable: ['fc.*'], download_frozen: true")
    )
    assert plain.learning_digest == once.learning_digest
    assert plain.weights_digest == once.weights_digest


def test_each_client_downloads_at_its_first_participation() -> None:
    overrides = "training.clients_per_round=2", "training.rounds=6", "methods=[classic_fl]"
    plain, once = (
        only(*overrides, lora(more="trainable: ['fc.*']" + also), executor="none")
        for also in ("", ", download_frozen: true")
    )
    down = [a.payload_down - b.payload_down for a, b in zip(once.rounds, plain.rounds, strict=True)]
    model = 4 * (EMBEDDING + 2 * LAYER)
    assert (down[0], sum(down)) == (2 * model, 3 * model)
    assert once.reused_rounds > 0


def test_memory_has_gradients_and_optimizer_state_of_what_is_trained() -> None:
    """With momentum: three values for each trained parameter, one for each frozen one."""
    run = Inside("methods=[splitfed]", lora())
    plan, (method, options) = run.plan, options_of(run.plan.scenario.methods[0])
    device, server = plan.blocks[:2], plan.blocks[2:]
    saved = [
        part[0].input_bytes + sum(block.saved_activation_bytes for block in part)
        for part in (device, server)
    ]
    (needed,) = memory_by_device(plan, method).values()
    assert needed == 4 * (3 * ADAPTER + EMBEDDING + LAYER) + 8 * saved[0]
    replicas = 3 * 3 * 4 * (ADAPTER + HEAD)
    model = 4 * (2 * (2 * ADAPTER + HEAD) + EMBEDDING + 2 * LAYER)  # with the sum of a fold
    assert server_memory(plan, method, options) == replicas + 8 * saved[1] + model


@pytest.mark.parametrize(
    ("method", "model", "message"),
    [
        (
            "local_loss",
            lora(cut=1),
            "local_loss trains the device block, and everything before cut 1 is frozen: choose a cut"
            " from 2 to 3, or ecofed",
        ),
        (
            "{ecofed: {init: random}}",
            "model={name: 'own_models:tiny_vit', cut: 2, trainable: ['encoder1.*']}",
            "ecofed trains the server block, and everything after cut 2 is frozen: choose a cut up to 1",
        ),
        (
            "smofi",
            "model={name: 'own_models:tiny_vit', cut: 2, trainable: ['fc.linear.*']}",
            "smofi trains the device block, and everything before cut 2 is frozen: choose more to train",
        ),
    ],
)
def test_a_part_without_anything_to_train_is_refused(method: str, model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        only(f"methods=[{method}]", model, executor="none")


def test_these_methods_need_a_device_block_to_train() -> None:
    methods = ", ".join("{ecofed: {init: random}}" if n == "ecofed" else n for n in METHODS)
    with pytest.raises(UserError) as refused:
        only(f"methods=[{methods}]", lora(cut=1), executor="none")
    assert set(re.findall(r"(\w+) trains the device block", str(refused.value))) == {
        *("local_loss", "cse_fsl", "fsl_sage", "ampere", "fedgkt", "fedoptima"),
        *("smofi", "sfl_ga", "epsl", "mergesfl"),
    }


def test_methods_that_train_one_part_work_with_the_other_frozen() -> None:
    model = "model={name: 'own_models:tiny_vit', cut: 3, trainable: ['encoder1.*']}"
    methods = "methods=[splitfed, splitfed_v2, safsl, gas]"
    for label, result in results(methods, model, "training.rounds=1").items():
        assert result.rounds[0].accuracy is not None, label
