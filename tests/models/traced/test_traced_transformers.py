"""Models of transformers by name compute and learn, at every cut, what the package's own do."""

from dataclasses import replace

import pytest
import torch
from split_check import assert_equal_at_every_cut, own
from torch.utils.flop_counter import FlopCounterMode

from cutlayer.models import ModelError, build
from cutlayer.models.outline import outline
from cutlayer.models.own_object import looking_in
from cutlayer.models.spec import ModelSpec
from cutlayer.models.tuning.tuning import Lora, Tuning

transformers = pytest.importorskip("transformers", reason="transformers is an extra")

CLASSES, LENGTH, TOKENS, PADDING = 5, 12, 16, 0
TEXT, IMAGE = (LENGTH,), (3, 8, 8)
SIZES = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 16,
}
GPT2 = {"n_positions": LENGTH, "n_embd": 8, "n_layer": 2, "n_head": 2}


def configs():
    bert = {"max_position_embeddings": LENGTH, "pad_token_id": PADDING}
    ends = {"bos_token_id": 1, "eos_token_id": 1}
    return {
        "bert": transformers.BertConfig(vocab_size=TOKENS, **bert, **SIZES),
        "roberta": transformers.RobertaConfig(
            vocab_size=TOKENS, max_position_embeddings=LENGTH + 2, **SIZES
        ),
        "gpt2": transformers.GPT2Config(vocab_size=TOKENS, pad_token_id=PADDING, **ends, **GPT2),
        "llama": transformers.LlamaConfig(
            vocab_size=TOKENS, pad_token_id=None, num_key_value_heads=1, **ends, **SIZES
        ),
        "vit": transformers.ViTConfig(
            image_size=8, patch_size=4, **SIZES | {"num_hidden_layers": 1}
        ),
    }


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with a folder for each configuration, in which models are looked up."""
    root = tmp_path_factory.mktemp("folders")
    for name, config in configs().items():
        config.save_pretrained(root / name)
    with looking_in([str(root)]):
        yield root


def tokens():
    generator = torch.Generator().manual_seed(4)
    x = torch.randint(1, TOKENS, (4, LENGTH), generator=generator)
    for sample, length in enumerate((12, 7, 1, 9)):
        x[sample, length:] = PADDING
    return x


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit"])
def test_a_classifier_at_every_cut(name):
    shape = IMAGE if name == "vit" else TEXT
    spec = ModelSpec(f"transformers:{name}", CLASSES, shape)
    inner = build(spec, seed=0, device="meta").inner
    fine = ModelSpec(f"{spec.name}@{','.join(inner)}", CLASSES, shape)
    kind = transformers.AutoModelForImageClassification
    if name != "vit":
        kind = transformers.AutoModelForSequenceClassification
    config = configs()[name]
    config.num_labels, config.use_cache = CLASSES, False
    torch.manual_seed(3)
    module = Plain(kind.from_config(config))
    x = torch.randn(4, *IMAGE) if name == "vit" else tokens()
    assert_equal_at_every_cut(build(fine, seed=3), module, x, torch.tensor([2, 1, 4, 4]))
    assert len(inner) > 16


class Plain(torch.nn.Module):
    """A model of transformers as its users call it."""

    def __init__(self, model):
        super().__init__()
        self._modules |= model._modules
        self.__dict__["_model"] = model

    def train(self, mode=True):
        self._model.train(mode)
        return super().train(mode)

    def forward(self, x):
        if x.is_floating_point():
            return self._model(pixel_values=x).logits
        return self._model(input_ids=x, attention_mask=(x != PADDING).long()).logits


def spec(name, classes=CLASSES, shape=TEXT, **more):
    return ModelSpec(f"transformers:{name}", classes, shape, **more)


def test_a_language_model_at_every_cut():
    """It has as many outputs as tokens. Only what layers compute crosses, and no later token counts."""
    plain = build(spec("llama", TOKENS), seed=3)
    assert {plain.activation_shape(cut) for cut in range(1, len(plain))} == {(LENGTH, 8)}
    x = tokens()
    assert_equal_at_every_cut(plain, whole(spec("llama", TOKENS), 3), x, torch.roll(x, -1, 1))
    changed = torch.cat([x[:, :6], x[:, 6:].flip(1)], 1)
    with torch.inference_mode():
        assert torch.equal(plain.eval()(x)[:, :6], plain(changed)[:, :6])
    config = configs()["llama"]
    torch.manual_seed(3)
    original = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.inference_mode():
        # transformers calls another kernel if no mask is given.
        assert torch.allclose(build(spec("llama", TOKENS), seed=3).eval()(x), original(x).logits)


def test_what_crosses_beside_the_layers_output():
    """The mask of the tokens and, for GPT-2, the position of the last one; never the tokens."""
    bert, gpt2 = outline(spec("bert")), outline(spec("gpt2"))
    assert bert.activation_shape(bert.cut_number("bert.encoder.layer.0")) == (LENGTH * 8 + LENGTH,)
    assert bert.activation_shape(bert.cut_number("bert.encoder.layer.1")) == (LENGTH, 8)
    assert gpt2.activation_shape(gpt2.cut_number("transformer.h.0")) == (LENGTH * 8 + LENGTH + 1,)
    assert bert.takes_tokens
    layers = [block.name for block in bert.blocks if ".layer." in block.name]
    assert layers == ["bert.encoder.layer.0", "bert.encoder.layer.1"]


def test_the_padding_of_the_data_is_masked():
    """Token 3 fills short texts, though the configuration says 0."""
    x = tokens()
    for name in ("bert", "gpt2"):
        model, other = (build(spec(name, padding=p), seed=1).eval() for p in (0, 3))
        other.load_state_dict(model.state_dict())
        filled = torch.where(x == 0, 3, torch.where(x == 3, 5, x))
        with torch.inference_mode():
            outputs = model(torch.where(x == 3, 5, x)), other(filled)
        assert torch.allclose(*outputs, atol=1e-6)
        with torch.inference_mode():
            assert not torch.allclose(model(filled), outputs[0], atol=1e-6)


def test_padding_does_not_count():
    model = build(spec("bert"), seed=1).eval()
    x = tokens()
    alone = build(spec("bert", shape=(7,)), seed=1).eval()
    with torch.inference_mode():
        assert torch.allclose(model(x)[1], alone(x[:, :7])[1], atol=1e-6)
        assert torch.isfinite(model(torch.zeros_like(x))).all()  # texts of padding alone


@pytest.fixture(scope="module")
def weights(folder):
    """A classifier for three classes with weights, and the model that was saved."""
    config = configs()["bert"]
    config.num_labels = 3
    torch.manual_seed(9)
    saved = transformers.AutoModelForSequenceClassification.from_config(config)
    saved.save_pretrained(folder / "trained")
    return {f"{name}": value for name, value in saved.state_dict().items()}


@pytest.mark.parametrize("classes", [3, 5])
def test_weights_are_loaded_and_the_head_is_drawn(weights, classes):
    loaded, drawn = (build(spec("trained", classes, pretrained=p), seed=2) for p in (None, False))
    head = ("classifier.weight", "classifier.bias")
    expected = {own(key): value for key, value in drawn.state_dict().items()}
    for key, value in loaded.state_dict().items():
        right = expected if own(key) in head else weights
        assert torch.equal(value, right[own(key)]), key
    torch.manual_seed(2)
    config = configs()["bert"]
    config.num_labels = classes
    plain = transformers.AutoModelForSequenceClassification.from_config(config)
    for key, value in plain.state_dict().items():
        assert torch.equal(expected[key], value), key


def test_without_weights_a_model_has_the_sizes_of_the_data(weights):
    text = build(spec("trained", vocabulary=9, pretrained=False), seed=0)
    assert text.get_parameter("blocks.0.bert.embeddings.word_embeddings.weight").shape == (9, 8)
    image = build(spec("vit", shape=(1, 12, 12)), seed=0)
    assert image.activation_shape(1) == (10, 8)  # patches of 4 x 4, and one for the class


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("bert", {"shape": (13,)}, "takes at most 12 tokens, and inputs have 13"),
        ("roberta", {"shape": (13,)}, "takes at most 12 tokens, and inputs have 13"),
        (
            "vit",
            {},
            r"\(vit\) is not made for sequence classification, .* for image classification",
        ),
        ("bert", {"shape": (2, 3)}, r"takes tokens \(length,\) or images .* shape \(2, 3\)"),
        ("bert", {"pretrained": True}, "has no weights in .*: remove pretrained"),
        (
            "trained",
            {"vocabulary": 17},
            "has weights for 16 tokens, and the data has 17: take its own",
        ),
        ("none/bert", {}, r"is not a folder with a config.json .*, nor in reach on the hub \("),
        ("./bret", {}, "there is no folder './bret' beside the scenario or in a package"),
        ("numpy/model", {}, "package numpy has no folder 'model'"),
        ("", {}, "has no name after the colon"),
    ],
)
def test_a_name_that_is_not_a_model(weights, name, more, message):
    with pytest.raises(ModelError, match=message):
        build(spec(name, **more), seed=0)


def test_a_language_model_with_tied_weights_can_be_cut_if_they_are_frozen():
    refused = outline(spec("gpt2", TOKENS)).refused
    assert refused["transformer.h.0"] == "transformer.wte.weight is trained before and after it"
    tuning = Tuning(lora=Lora(2, 4.0, ("*.c_attn",)))
    tuned = build(spec("gpt2", TOKENS, tuning=tuning), seed=3)
    device, server = tuned.split(tuned.submodules["transformer.h.0"])
    assert tuned.activation_shape(tuned.submodules["transformer.h.0"]) == (LENGTH, 8)
    table, head = device[0][0].transformer.wte.weight, server[0][-1].lm_head.weight
    assert torch.equal(table, head)
    assert {own(key) for key in tuned.state_dict()} - {own(key) for key in tuned.frozen} == {
        f"transformer.h.{layer}.attn.c_attn.lora_{which}" for layer in (0, 1) for which in "ab"
    }
    plain = build(spec("gpt2", TOKENS), seed=3).eval()
    tuned.eval()
    with torch.inference_mode():  # adapters start as zero
        assert torch.equal(server(device(tokens())), plain(tokens()))


def test_adapters_of_a_classifier_at_every_cut():
    tuning = Tuning(trainable=("classifier.*",), lora=Lora(2, 4.0, ("*.query", "*.value")))
    tuned = spec("bert", tuning=tuning)
    fine = replace(tuned, name=f"{tuned.name}@{','.join(outline(tuned).inner)}")
    assert_equal_at_every_cut(
        build(fine, seed=3), whole(tuned, 3), tokens(), torch.tensor([2, 1, 4, 4])
    )


def whole(spec, seed):
    """A model that is not cut, as a module with the names of tensors in the package."""
    model = build(spec, seed=seed)
    module = torch.nn.Sequential(*model.blocks)
    module.state_dict = lambda: {own(key): value for key, value in model.state_dict().items()}
    module.named_parameters = lambda **_: [
        (own(key), value) for key, value in model.named_parameters(remove_duplicate=False)
    ]
    return module


def test_products_cost_what_torch_counts():
    """Those of linear layers and attention, forward and backward, exactly."""
    costs = outline(spec("bert")).blocks
    layers = [layer for block in costs for layer in block.layers if layer.op_class == "linear"]
    config = configs()["bert"]
    config.num_labels = CLASSES
    module = Plain(transformers.AutoModelForSequenceClassification.from_config(config))
    with FlopCounterMode(display=False) as forward:
        output = module.train()(tokens()[1:2])
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    assert sum(layer.forward_flops for layer in layers) == forward.get_total_flops()
    assert sum(layer.backward_flops for layer in layers) == backward.get_total_flops()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert sum(block.parameters for block in costs) == parameters
