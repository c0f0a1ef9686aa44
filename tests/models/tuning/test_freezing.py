"""Which tensors are frozen, what frozen layers compute, and messages about patterns."""

import pytest
import torch
from torch import nn
from tuned_nets import SHAPE

from cutlayer.models import Lora, ModelSpec, Tuning, TuningError, build
from cutlayer.models.tuning.freeze import round_frozen

SHAPES = {"vit": SHAPE, "Normed": SHAPE, "Attends": (5, 8)}
SHAPES |= dict.fromkeys(("Shares", "Unused", "counting"), (4,))


def tuned(net, device="cpu", **options):
    spec = ModelSpec(f"tuned_nets:{net}", 3, SHAPES[net], tuning=Tuning(**options))
    return build(spec, seed=0, device=device)


def trained(model):
    return {model.own_name(int(key.split(".")[1]), key.split(".", 2)[2])
            for key in model.state_dict().keys() - model.frozen}  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"trainable": ("fc.*",)}, {"norm.weight", "norm.bias", "linear.weight", "linear.bias"}),
        ({"trainable": ("fc.linear.bias",)}, {"linear.bias"}),
        ({"frozen": ("embedding.*", "enc*", "*.norm.*")}, {"linear.weight", "linear.bias"}),
        (
            {"lora": Lora(1, 1.0, ("encoder2.attention.qkv",)), "trainable": ("fc.linear.bias",)},
            {"linear.bias", "lora_a", "lora_b"},
        ),
    ],
    ids=["trainable", "one", "frozen", "lora"],
)
def test_patterns_match_names_of_blocks_and_tensors(device, options, names):
    model = tuned("vit", device, **options)
    found = trained(model)
    assert {
        name.removeprefix("fc.").removeprefix("encoder2.attention.qkv.") for name in found
    } == names
    assert len(found) == len(names)
    for key, parameter in model.named_parameters():
        assert parameter.requires_grad == (key not in model.frozen)
    assert model.split(2).device.state_dict().keys() <= model.state_dict().keys()


def test_a_traced_model_has_the_names_of_its_module():
    model = tuned("Normed", trainable=("bn.*", "fc.weight"))
    statistics = {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}
    assert trained(model) == {"bn.weight", "bn.bias", "fc.weight"} | statistics


def test_a_norm_with_frozen_statistics_uses_them_in_training():
    model = tuned("Normed", trainable=("fc.*",)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(4, *SHAPE)
    assert torch.equal(model(x), model.eval()(x))
    model.train()(x).sum().backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    changed = {
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed == model.state_dict().keys() - model.frozen
    own = tuned("Normed", trainable=("fc.*", "bn.*", "instance.*")).train()
    assert not torch.equal(own(x), own.eval()(x))


def test_frozen_values_are_rounded_once_and_trained_ones_are_not():
    whole, rounded = tuned("vit"), tuned("vit", trainable=("fc.*",), frozen_type="bfloat16")
    for key, value in whole.state_dict().items():
        expected = value.to(torch.bfloat16).float() if key in rounded.frozen else value
        assert torch.equal(rounded.state_dict()[key], expected)
        assert rounded.state_dict()[key].dtype == torch.float32
    round_frozen(rounded)
    assert torch.equal(rounded.blocks[0].positions, whole.blocks[0].positions.bfloat16().float())
    counters = tuned("Normed", trainable=("fc.*",), frozen_type="bfloat16").state_dict()
    assert counters["blocks.1.bn.num_batches_tracked"].dtype == torch.int64


def test_an_encoder_layer_of_torch_uses_its_adapters_in_evaluation():
    """Its fused kernel reads the weights of its layers without calling them."""
    model = tuned("Attends", lora=Lora(2, 2.0, ("layer.linear1",))).eval()
    x = torch.randn(2, 5, 8)
    with torch.inference_mode():
        before = model(x)
        nn.init.normal_(model.get_parameter("blocks.0.layer.linear1.lora_b"))
        assert not torch.equal(model(x), before)


WITHIN = r"; known are encoder1\.attention\.qkv, "
MESSAGES = [
    (
        "vit",
        {"trainable": ("fc",)},
        "trainable",
        r"^'fc' matches no tensor of .*; known are fc\.",
    ),
    (
        "vit",
        {"frozen": ("encoder1.mlp.0.wieght",)},
        "frozen",
        "matches no tensor of the model; did you mean 'encoder1.mlp.0.weight'",
    ),
    ("vit", {"frozen": ("*",)}, "frozen", "^leaves no parameter to train$"),
    ("Normed", {"trainable": ("bn.running*",)}, "trainable", "^leaves no parameter to train$"),
    (
        "vit",
        {"lora": Lora(1, 1.0, ("*.qk",))},
        "lora",
        rf"^'\*\.qk' matches no layer of .*{WITHIN}",
    ),
    (
        "vit",
        {"lora": Lora(1, 1.0, ("encoder1.norm1",))},
        "lora",
        r"^'encoder1.norm1' matches encoder1.norm1, of type LayerNorm: adapters are for linear layers"
        rf"{WITHIN}",
    ),
    (
        "Attends",
        {"lora": Lora(1, 1.0, ("*.out_proj",))},
        "lora",
        "^cannot adapt layer.self_attn.out_proj: the forward pass reads its weight instead of",
    ),
    (
        "vit",
        {"lora": Lora(33, 1.0, ("encoder1.mlp.0",))},
        "lora",
        "^must be at most 32, the longer side of encoder1.mlp.0$",
    ),
    ("Unused", {"lora": Lora(1, 1.0, ("read",))}, "lora", "^cannot adapt read: the forward pass"),
    (
        "Shares",
        {"frozen": ("first.*",)},
        "frozen",
        "^must treat first.weight and second.weight alike: they are one tensor$",
    ),
    (
        "Normed",
        {"frozen": ("bn.running_mean",)},
        "frozen",
        "^must treat bn.running_mean and bn.running_var alike$",
    ),
    (
        "Normed",
        {"frozen": ("bn.num_batches_tracked",)},
        "frozen",
        "^cannot freeze bn.num_batches_tracked: a forward pass in training changes it, so do not name",
    ),
    (
        "counting",
        {"lora": Lora(1, 1.0, ("fc",))},
        "lora",
        "^cannot freeze first.calls: a forward pass in training changes it, so name it in trainable$",
    ),
]


@pytest.mark.parametrize(("net", "options", "field", "message"), MESSAGES)
def test_a_tuning_that_does_not_fit_is_refused_with_its_field(net, options, field, message):
    with pytest.raises(TuningError, match=message) as refused:
        tuned(net, "meta", **options)
    assert refused.value.path[0] == field


def test_one_tensor_of_two_layers_is_frozen_under_both_names():
    model = tuned("Shares", frozen=("first.*", "second.*"))
    assert trained(model) == {"fc.weight", "fc.bias"}
