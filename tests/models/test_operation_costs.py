"""Costs of operations: closed forms, torch's own count, and published figures."""

import copy
from collections import Counter
from math import log

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

from cutlayer.models import CostError, block_costs, build, module_cost
from cutlayer.models.cpu_kernels import cpu_kernels
from cutlayer.models.features import OP_CLASSES, PRODUCTS, features
from cutlayer.models.operators import is_free
from cutlayer.sim.calibrate.adjust import predicted
from cutlayer.sim.calibrate.timed_csv import read_iterations
from cutlayer.sim.papers.benchmark_pi import MEASURED, STACK
from cutlayer.topologies import catalogue
from cutlayer.topologies.spreads import form_error_of

BATCH = 3
NORMAL_90 = 1.645  # standard deviations of a normal distribution, for 90 % on both sides


def dense(costs, which="forward_flops"):
    return sum(getattr(one, which) for one in costs.layers if one.op_class in PRODUCTS)


class First(nn.Module):
    """The first output of a layer, for its input once or several times."""

    def __init__(self, layer, inputs=1):
        super().__init__()
        self.layer = layer
        self.inputs = inputs

    def forward(self, x):
        output = self.layer(*[x] * self.inputs)
        return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize(
    ("name", "gmac"),
    [("resnet50", 4.089), ("vit-small", 4.608), ("vit-tiny", 1.258), ("resnet18", 1.814)],
)
def test_operations_at_224_are_within_one_percent_of_the_published_ones(name, gmac):
    model = build(name, classes=1000, input_shape=(3, 224, 224), seed=0, device="meta")
    assert sum(map(dense, block_costs(model))) / 2e9 == pytest.approx(gmac, rel=0.01)


@pytest.mark.parametrize("pass_name", ["step", "finetune"])
def test_the_published_vit_on_a_raspberry_pi_4_is_within_its_interval(pass_name):
    """The interval is that of the error of the form alone; the row is one of those of the fit."""
    rows = [one.row for one in read_iterations(MEASURED) if one.device == "raspberry-pi-4b"]
    (row,) = (row for row in rows if row.network == "vit-small" and row.what.endswith(pass_name))
    device = catalogue.device("raspberry-pi-4b")
    error = log(predicted(device, catalogue.stack(STACK), row) / row.seconds)
    assert abs(error) <= NORMAL_90 * form_error_of(device)


ROWS = (5, 8)
KNOWN_TO_TORCH = {
    "conv1d": (nn.Conv1d(5, 6, 3), ROWS),
    "conv3d": (nn.Conv3d(2, 3, 2), (2, 4, 4, 4)),
    "transposed1d": (nn.ConvTranspose1d(5, 6, 3, stride=2), ROWS),
    "transposed3d": (nn.ConvTranspose3d(2, 3, 2), (2, 4, 4, 4)),
    "linear": (nn.Linear(8, 3), ROWS),
    "gru": (nn.GRU(8, 4, 2, batch_first=True, bidirectional=True), ROWS),
    "rnn": (nn.RNN(8, 4, batch_first=True), ROWS),
    "projected": (nn.LSTM(8, 4, batch_first=True, proj_size=2), ROWS),
    "cell": (nn.LSTMCell(8, 4), (8,)),
    "encoder": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ROWS),
}


@pytest.mark.parametrize("name", KNOWN_TO_TORCH)
def test_products_are_those_that_torch_counts(name):
    layer, shape = KNOWN_TO_TORCH[name]
    module = First(layer).to("meta")
    x = torch.empty(BATCH, *shape, device="meta", requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        output = module(x)
        forward = counter.get_total_flops()
        output.sum().backward()
    cost = module_cost(module, shape, first=False)
    assert BATCH * dense(cost) == forward
    assert BATCH * dense(cost, "backward_flops") == counter.get_total_flops() - forward


def test_an_lstm_is_one_product_of_its_gates_for_each_step():
    layers = [
        one
        for one in module_cost(
            First(nn.LSTM(8, 4, batch_first=True, num_layers=2)), ROWS, first=True
        ).layers
        if one.op_class == "linear"
    ]
    of_inputs, of_state = [2 * 5 * 16 * 8, 2 * 5 * 16 * 4], 2 * 5 * 16 * 4
    assert [one.forward_flops for one in layers] == [part + of_state for part in of_inputs]
    # The first layer's input is data. The state's gradient is needed in every step.
    first, second = of_inputs
    assert [one.backward_flops for one in layers] == [
        first + 2 * of_state,
        2 * second + 2 * of_state,
    ]
    assert layers[0].weight_bytes == 4 * (16 * 8 + 16 * 4 + 2 * 16)


class Called(TorchDispatchMode):
    """Counts the operators that are called, without views."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        if not is_free(func, name):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "layer",
    [
        nn.GRU(8, 4, batch_first=True),
        nn.GRU(8, 4, 2, bias=False, bidirectional=True),
        nn.GRU(8, 4, 2, dropout=0.5),
        nn.RNN(8, 4, 2, batch_first=True, bidirectional=True),
        nn.RNN(8, 4, nonlinearity="relu"),
        nn.LSTM(8, 4, 2, bidirectional=True, batch_first=True),
    ],
    ids=str,
)
def test_recurrent_layers_call_the_operators_of_a_cpu(layer):
    found = []
    for device in ("cpu", "meta"):
        here, x = copy.deepcopy(layer).to(device), torch.ones(BATCH, *ROWS, device=device)
        with cpu_kernels(), Called() as called:
            states, last = here(x)
        found.append((called.counts, states.shape, states.stride(), type(last)))
    assert found[0] == found[1]


def test_a_gru_multiplies_its_inputs_once_for_all_steps():
    layers = module_cost(First(nn.GRU(8, 4, batch_first=True)), ROWS, first=True).layers
    products = [one.forward_flops for one in layers if one.op_class == "linear"]
    assert products == [2 * 5 * 12 * 8, *[2 * 12 * 4] * 5]


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.5}])
def test_fused_attention_costs_what_torch_counts_for_flash_attention(options):
    def attend(x):
        heads = x.unflatten(-1, (2, 4)).transpose(1, 2)
        return functional.scaled_dot_product_attention(heads, heads, heads, **options)

    shape = (BATCH, 2, 5, 4)
    aten = torch.ops.aten
    forward = flop_registry[aten._scaled_dot_product_flash_attention](*[shape] * 3)
    back = flop_registry[aten._scaled_dot_product_flash_attention_backward](*[shape] * 4)
    (layer,) = module_cost(First(attend), ROWS, first=False).layers
    assert (layer.op_class, layer.weight_bytes) == ("linear", 0)
    assert (BATCH * layer.forward_flops, BATCH * layer.backward_flops) == (forward, back)


@pytest.mark.parametrize("name", ["dropout", "mask"])
def test_attention_that_a_cpu_does_not_fuse_is_counted_by_its_products(name):
    mask = nn.Parameter(torch.zeros(5, 5)) if name == "mask" else None

    class Attend(nn.Module):
        def __init__(self):
            super().__init__()
            self.mask = mask

        def forward(self, x):
            return functional.scaled_dot_product_attention(
                *[x[:, None]] * 3, self.mask, 0.1 if name == "dropout" else 0.0
            )

    cost = module_cost(Attend(), ROWS, first=False)
    assert dense(cost) == 2 * 2 * 5 * 5 * 8
    assert dense(cost, "backward_flops") == 2 * dense(cost)


@pytest.mark.parametrize("training", [True, False])
def test_the_fast_path_of_an_encoder_is_never_counted(training):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).requires_grad_(False)
    cost = module_cost(layer.train(training), ROWS, first=True)
    assert dense(cost) == 2 * 5 * (4 * 8 * 8 + 2 * 8 * 16) + 2 * 2 * 5 * 5 * 8
    assert {one.op_class for one in cost.layers} <= {*OP_CLASSES}


def test_single_operations_by_hand():
    def only(function, shape=ROWS):
        (layer,) = module_cost(First(function), shape, first=False).layers
        return layer.op_class, layer.forward_flops, layer.backward_flops

    assert only(nn.Upsample(scale_factor=2), (4, 8, 8)) == ("elementwise", 1024, 1024)
    assert only(nn.Upsample(scale_factor=2, mode="bilinear"), (4, 8, 8))[1:] == (8192, 8192)
    assert only(nn.MaxPool3d(2), (2, 4, 4, 4)) == ("pool", 16 * 8, 16)
    assert only(nn.AvgPool3d(2), (2, 4, 4, 4)) == ("pool", 16 * 8, 16 * 8)
    assert only(lambda x: x.sort()) == ("elementwise", 40 * 3, 40)
    assert only(lambda x: x.cumsum(1)) == ("elementwise", 40, 40)
    assert only(torch.fft.fft) == ("elementwise", 5 * 40 * 3 // 2, 5 * 40 * 3 // 2)
    table = nn.EmbeddingBag(10, 4)
    bag = module_cost(table, (5,), first=True, dtype=torch.long).layers[-1]
    assert (bag.forward_flops, bag.weight_bytes) == (5 * 4, 0)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("table", "outputs"), [(nn.Embedding, 7), (nn.EmbeddingBag, 1)])
def test_a_lookup_moves_its_rows_and_the_gradient_that_torch_makes(table, outputs, sparse):
    words, width, tokens = 50, 8, 7
    layer = table(words, width, sparse=sparse)
    layer(torch.zeros(BATCH, tokens, dtype=torch.long)).sum().backward()
    gradient = layer.weight.grad
    made = 0 if gradient.is_sparse else gradient.nbytes
    (lookup,) = module_cost(layer, (tokens,), first=True, dtype=torch.long).layers[-1:]
    assert lookup.weight_bytes == 0
    assert lookup.table_bytes == made == (not sparse) * 4 * words * width
    offsets = table is nn.EmbeddingBag  # one for each sample
    rows, indices = 4 * tokens * width, 8 * (tokens + offsets)
    assert (lookup.input_bytes, lookup.output_bytes) == (indices + rows, 4 * outputs * width)
    forward, backward = features(lookup, "forward"), features(lookup, "backward")
    assert (forward.weight_bytes, backward.weight_bytes) == (0, made)
    assert backward.activation_bytes == 2 * forward.activation_bytes


def test_a_frozen_table_has_no_gradient():
    layer = nn.Embedding(50, 8)
    layer.weight.requires_grad_(False)
    (lookup,) = module_cost(layer, (7,), first=True, dtype=torch.long).layers
    assert (lookup.table_bytes, lookup.backward_flops) == (0, 0)


class Joined(nn.Module):
    """A learned token before others, as class tokens are."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))

    def forward(self, x):
        return torch.cat([self.token.expand(len(x), -1, -1), x], 1)


def test_joining_tensors_moves_their_bytes_and_an_expanded_weight_once():
    for first in (True, False):
        (cat,) = module_cost(Joined(), (5, 8), first=first).layers
        assert (cat.op_class, cat.forward_flops, cat.backward_flops) == ("elementwise", 48, 48)
        assert (cat.input_bytes, cat.output_bytes, cat.weight_bytes) == (160, 192, 32)


def test_operations_of_an_own_library_are_counted_by_a_formula_registered_with_torch():
    library = torch.library.Library("cutlayer_test", "DEF")
    library.define("add(Tensor x) -> Tensor")
    library.impl("add", lambda x: x + 1, "CompositeExplicitAutograd")
    operator = torch.ops.cutlayer_test.add
    # A namespace of its own: it is not torch's `add`.
    with pytest.raises(CostError, match="operation 'cutlayer_test::add'"):
        module_cost(First(operator), ROWS, first=True)
    register_flop_formula(operator)(lambda shape, **_: 7 * shape[0])
    try:
        (layer,) = module_cost(First(operator), ROWS, first=True).layers
        assert (layer.op_class, layer.forward_flops, layer.backward_flops) == ("linear", 7, 0)
    finally:
        del flop_registry[operator]
        library._destroy()
