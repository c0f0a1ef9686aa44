"""At every cut, a plain module computes and learns what it does without one, bit by bit."""

import pytest
import torch
import traced_nets
from split_check import assert_equal_at_every_cut
from traced_nets import NETS, TOKENS

from cutlayer.models import build
from cutlayer.models.outline import outline
from cutlayer.models.spec import ModelSpec
from cutlayer.scenarios.numerics import DEFAULT
from cutlayer.sim.learning.precision import apply_to_module

BATCH = 4
LABELS = torch.tensor([7, 1, 3, 3])


CASES = [(name, False) for name in NETS] + [(name, True) for name in ("ResNet", "UNet", "ViT")]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}{' last' * case[1]}")
def case(request):
    """A model with blocks that end after all submodules, and what the module itself computes."""
    net, channels_last = request.param
    name, shape = f"traced_nets:{net}", NETS[net]
    inner = build(name, classes=10, input_shape=shape, seed=0, device="meta").inner
    model = build(
        f"{name}@{','.join(inner)}" if inner else name, classes=10, input_shape=shape, seed=3
    )
    module = plain(net, seed=3)
    generator = torch.Generator().manual_seed(4)
    if net in TOKENS:
        x = torch.randint(0, 16, (BATCH, *shape), generator=generator)
    else:
        x = torch.randn(BATCH, *shape, generator=generator)
    if channels_last:  # the default of `numerics`
        x = x.contiguous(memory_format=torch.channels_last)
        model, module = (apply_to_module(m, DEFAULT) for m in (model, module))
    return model, module, x


def plain(name, seed):
    torch.manual_seed(seed)
    return getattr(traced_nets, name)()


def test_outputs_gradients_statistics_and_steps_at_every_cut(case):
    model, module, x = case
    assert_equal_at_every_cut(model, module, x, LABELS)


def test_a_model_of_an_unusual_input_type_takes_whole_numbers_as_floats():
    model = build("traced_nets:GPT", classes=10, input_shape=(12,), seed=0).eval()
    tokens = torch.arange(24).reshape(2, 12) % 16
    assert torch.equal(model(tokens), model(tokens.float()))


def test_shared_constants_and_counts_of_what_crosses():
    """At `layers.0.attention.project` the shortcut crosses as well, the mask and positions do not."""
    found = outline(ModelSpec("traced_nets:GPT@layers.0.attention.project", 10, (12,)))
    names = [block.name for block in found.blocks]
    assert names == [
        *("tokens", "layers.0.attention.project", "layers.0", "layers.1", "norm", "head"),
    ]
    assert found.activation_shape(1) == (12, 8)
    assert found.activation_shape(2) == (2 * 12 * 8,)
    assert found.blocks[1].output_bytes == 2 * 12 * 8 * 4
    assert sum(block.parameters for block in found.blocks) == sum(
        value.numel() for value in plain("GPT", 0).parameters()
    )


def test_of_a_mask_the_smallest_tensor_that_determines_it_crosses():
    found = outline(ModelSpec("traced_nets:Masked", 10, (12,)))
    assert found.cut_number("layers.1") == 3
    # x, the layer's output, the mask of the tokens, and the position of the last one; not the tokens.
    assert found.activation_shape(3) == (2 * 12 * 8 + 12 + 1,)
    assert found.tensors[3] == 4


def test_costs_do_not_depend_on_where_a_model_is_cut():
    whole = outline(ModelSpec("traced_nets:ResNet", 10, (3, 16, 16)))
    fine = outline(ModelSpec(f"traced_nets:ResNet@{','.join(whole.inner)}", 10, (3, 16, 16)))
    assert len(fine) > 2 * len(whole)
    for figure in ("forward_flops", "parameters", "state_bytes"):
        assert sum(getattr(block, figure) for block in whole.blocks) == sum(
            getattr(block, figure) for block in fine.blocks
        )
    # 3x3 convolutions of 4 channels on 16x16 maps.
    assert whole.blocks[0].forward_flops == 2 * 16 * 16 * 4 * 3 * 9
