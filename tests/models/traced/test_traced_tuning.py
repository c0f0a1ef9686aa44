"""Traced models with adapters and frozen tensors: the same cuts, and at each the same bits."""

from dataclasses import replace

import pytest
import torch
import traced_nets
from split_check import assert_equal_at_every_cut, own
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cutlayer.models import Lora, ModelSpec, Tuning, build
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PRODUCTS
from cutlayer.models.own_object import looking_in
from cutlayer.models.tuning.apply import tune

SEED, BATCH = 3, 4
LABELS = torch.tensor([7, 1, 3, 3])
CASES = {
    "GPT": (Tuning(("head.*",), lora=Lora(2, 4.0, ("*.qkv", "*.project", "*.mlp.*"))), (12,)),
    "MobileNet": (Tuning(frozen=("features.0.*", "features.1.*")), (3, 16, 16)),
    "ResNet": (Tuning(("layer2.*", "fc.*")), (3, 16, 16)),
}


def with_second_factors(module):
    """A module whose adapters do not add zeros."""
    generator = torch.Generator().manual_seed(5)
    named = {
        own(name) if name.startswith("blocks.") else name: parameter
        for name, parameter in module.named_parameters()
    }
    for name, parameter in sorted(named.items()):
        if name.endswith("lora_b"):
            parameter.data.normal_(generator=generator)
    return module


def inputs(net, shape):
    if net == "GPT":
        return torch.randint(0, 16, (BATCH, *shape))
    return torch.randn(BATCH, *shape)


@pytest.mark.parametrize("net", CASES)
def test_outputs_gradients_and_steps_at_every_cut(net):
    tuning, shape = CASES[net]
    name = f"traced_nets:{net}"
    plain = build(ModelSpec(name, 10, shape), seed=0, device="meta")
    tuned = build(ModelSpec(name, 10, shape, tuning=tuning), seed=0, device="meta")
    assert plain.block_names == tuned.block_names
    assert set(plain.inner) <= set(tuned.inner)
    fine = ModelSpec(f"{name}@{','.join(plain.inner[:5])}", 10, shape, tuning=tuning)
    model = build(fine, seed=SEED)
    torch.manual_seed(SEED)
    module = getattr(traced_nets, net)()
    frozen = tune(module, tuning, SEED).frozen
    assert {own(key) for key in model.frozen} == frozen
    assert {own(key) for key, p in model.named_parameters() if p.requires_grad} == {
        key for key, p in module.named_parameters() if p.requires_grad
    }
    assert_equal_at_every_cut(
        with_second_factors(model), with_second_factors(module), inputs(net, shape), LABELS
    )


@pytest.mark.parametrize("net", ["GPT", "ResNet"])
def test_flops_are_those_of_a_backward_pass(net):
    tuning, shape = CASES[net]
    model = build(ModelSpec(f"traced_nets:{net}", 10, shape, tuning=tuning), seed=0).train()
    with FlopCounterMode(display=False) as counter:
        output = model(inputs(net, shape))
        forward = counter.get_total_flops()
        output.sum().backward()
    layers = [layer for block in block_costs(model) for layer in block.layers]
    products = [layer for layer in layers if layer.op_class in PRODUCTS]
    assert BATCH * sum(layer.forward_flops for layer in products) == forward
    backward = counter.get_total_flops() - forward
    assert BATCH * sum(layer.backward_flops for layer in products) == backward


def test_adapters_of_a_model_of_transformers(tmp_path):
    """Its layers are `Conv1D`."""
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    sizes = {"vocab_size": 16, "n_positions": 12, "n_embd": 8, "n_layer": 1, "n_head": 2}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    transformers.GPT2Config(**sizes, **ends).save_pretrained(tmp_path / "gpt2")
    tuning = Tuning(("score.*",), lora=Lora(2, 4.0, ("*.c_attn", "*.c_fc")))
    spec = ModelSpec("transformers:gpt2", 5, (12,), tuning=tuning)
    with looking_in([str(tmp_path)]):
        inner = build(spec, seed=0, device="meta").inner
        fine = replace(spec, name=f"{spec.name}@{','.join(inner[:8])}")
        model, other = (with_second_factors(build(s, seed=SEED)) for s in (spec, fine))
    assert sum(key.endswith("lora_a") for key in model.state_dict()) == 2
    whole = nn.Sequential(*model.blocks)
    whole.state_dict = lambda: {own(key): value for key, value in model.state_dict().items()}
    whole.named_parameters = lambda **_: [
        (own(key), value) for key, value in model.named_parameters(remove_duplicate=False)
    ]
    x = torch.randint(1, 16, (BATCH, 12))
    assert_equal_at_every_cut(other, whole, x, torch.tensor([2, 1, 4, 4]))


def test_tied_weights_that_are_frozen_do_not_forbid_a_cut(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    sizes = {"vocab_size": 16, "n_positions": 12, "n_embd": 8, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": 1, "eos_token_id": 1}
    transformers.GPT2Config(**sizes, **ends).save_pretrained(tmp_path / "gpt2")
    with looking_in([str(tmp_path)]):
        tuning = Tuning(lora=Lora(2, 4.0, ("*.c_attn",)))
        model = build(
            ModelSpec("transformers:gpt2", 16, (12,), 16, tuning=tuning), seed=0, device="meta"
        )
    assert "transformer.h.0" in model.submodules
    tables = [key for key in model.state_dict() if own(key).endswith(("wte.weight", "head.weight"))]
    assert len(tables) == 2
    assert {*tables} <= model.frozen
