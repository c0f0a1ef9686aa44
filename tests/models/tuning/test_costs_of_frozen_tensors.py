"""Costs of partly frozen models, compared with a real backward pass."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from tuned_nets import SHAPE

from cutlayer.models import Lora, ModelSpec, Tuning, build
from cutlayer.models.cost import block_costs, module_cost
from cutlayer.models.features import PRODUCTS
from cutlayer.models.outline import outline

BATCH = 4
HEAD = ("fc.*",)
LORA = Lora(2, 4.0, ("*.qkv", "*.mlp.2"))
TUNINGS = {
    "all": Tuning(),
    "head": Tuning(trainable=HEAD),
    "first blocks": Tuning(frozen=("embedding.*", "encoder1.*")),
    "between": Tuning(frozen=("encoder1.*",)),
    "last blocks": Tuning(frozen=("encoder2.*", "fc.*")),
    "biases": Tuning(trainable=("*.bias",)),
    "lora": Tuning(lora=LORA),
    "lora and head": Tuning(trainable=HEAD, lora=LORA),
    "dropout": Tuning(lora=Lora(2, 4.0, LORA.targets, 0.1)),
}


def model_of(name, net="tuned_nets:vit"):
    return build(ModelSpec(net, 3, SHAPE, tuning=TUNINGS[name]), seed=0).train()


def stepped(part, x):
    """The FLOPs of a forward and a backward pass, and the bytes of the tensors saved between them."""
    own = {t.untyped_storage().data_ptr() for t in (x, *part.state_dict(keep_vars=True).values())}
    held = {}

    def save(tensor):
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            output = part(x)
        forward = counter.get_total_flops()
        if output.requires_grad:
            output.sum().backward()
    saved = sum(storage.nbytes() for pointer, storage in held.items() if pointer not in own)
    return forward, counter.get_total_flops() - forward, saved, output


def flops(costs, passes):
    layers = (layer for block in costs for layer in block.layers if layer.op_class in PRODUCTS)
    return BATCH * sum(getattr(layer, passes) for layer in layers)


@pytest.mark.parametrize("name", TUNINGS)
def test_flops_and_saved_activations_are_those_of_a_backward_pass(name):
    model = model_of(name)
    costs = block_costs(model)
    forward, backward, saved, output = stepped(model, torch.randn(BATCH, *SHAPE))
    assert flops(costs, "forward_flops") == forward
    assert flops(costs, "backward_flops") == backward
    expected = BATCH * sum(cost.saved_activation_bytes for cost in costs)
    # Blocks' outputs are counted even if autograd does not need them.
    outputs = BATCH * sum(cost.output_bytes for cost in costs)
    assert saved <= expected <= saved + outputs
    if name in ("all", "head", "first blocks"):
        assert expected == saved + output.nbytes


@pytest.mark.parametrize("name", TUNINGS)
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_server_that_sends_no_gradient_computes_none_for_its_input(name, cut):
    model = model_of(name)
    server = model.split(cut).server
    detached = block_costs(model, cut)[cut:]
    _, backward, *_ = stepped(server, torch.randn(BATCH, *model.activation_shape(cut)))
    assert flops(detached, "backward_flops") == backward


@pytest.mark.parametrize("name", ["between", "lora", "dropout", "biases"])
def test_a_block_saves_what_autograd_saves(name):
    model = model_of(name)
    block = model.blocks[1]
    cost = module_cost(block, model.activation_shape(1), first=True, saves_output=False)
    *_, saved, output = stepped(block, torch.randn(BATCH, *model.activation_shape(1)))
    expected = saved + output.nbytes if output.requires_grad else 0
    assert BATCH * cost.saved_activation_bytes == expected


@pytest.mark.parametrize("name", TUNINGS)
@pytest.mark.parametrize("frozen_type", ["float32", "bfloat16"])
def test_frozen_tensors_are_counted_beside_all(name, frozen_type):
    tuning = replace(TUNINGS[name], frozen_type=frozen_type)
    spec = ModelSpec(
        "tuned_nets:Normed" if name == "head" else "tuned_nets:vit", 3, SHAPE, tuning=tuning
    )
    found, model = outline(spec), build(spec, seed=0)
    size = 4 if frozen_type == "float32" else 2
    for number, cost in enumerate(found.blocks):
        state = {k: v for k, v in model.state_dict().items() if k.startswith(f"blocks.{number}.")}
        frozen = {key: value for key, value in state.items() if key in model.frozen}
        parameters = dict(model.named_parameters())
        kept = {k: v.numel() * (size if v.is_floating_point() else 8) for k, v in frozen.items()}
        assert cost.frozen_tensors == len(frozen)
        assert cost.frozen_bytes == sum(kept.values())
        assert cost.frozen_parameters == sum(
            v.numel() for k, v in frozen.items() if k in parameters
        )
        assert cost.frozen_buffer_bytes == sum(b for k, b in kept.items() if k not in parameters)
        assert cost.trained_bytes == sum(v.nbytes for k, v in state.items() if k not in frozen)
        assert cost.trained_tensors == len(state) - len(frozen)
        own = [p for k, p in parameters.items() if k in state and p.requires_grad]
        assert cost.trained_parameters == sum(p.numel() for p in own)
        assert sum(layer.parameters for layer in cost.layers) == sum(p.numel() for p in own)
        assert sum(layer.parameter_tensors for layer in cost.layers) == len(own)
    assert any(cost.frozen_tensors for cost in found.blocks) == (name != "all")
