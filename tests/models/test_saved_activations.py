"""The memory of activations, compared with the tensors that autograd saves for the backward pass."""

import pytest
import torch
from torch import nn

from cutlayer.models import build
from cutlayer.models.cost import block_costs, module_cost
from cutlayer.models.cpu_kernels import lstm_workspace_bytes

BATCH = 4


def kept_by_torch(model: torch.nn.Module, x: torch.Tensor) -> int:
    """Bytes of the storages that autograd saves and of the output, without weights and input."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    own.add(x.untyped_storage().data_ptr())
    held: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(x)
    pack(output)
    return sum(storage.nbytes() for pointer, storage in held.items() if pointer not in own)


class Net(nn.Module):
    """A U-Net of one level: what it skips is saved once."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU())
        self.bottom = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.SiLU())
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.out = nn.Conv2d(24, 2, 1)

    def forward(self, x):
        skipped = self.down(x)
        return self.out(torch.cat([skipped, self.up(self.bottom(skipped))], 1))


class Lstm(nn.Module):
    """A classifier of sequences."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(16, 64, 2, batch_first=True)
        self.fc = nn.Linear(64, 5)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


class Last(nn.Module):
    """The output of a recurrent layer at the last step."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][:, -1]


def encoder(**options):
    return nn.TransformerEncoderLayer(32, 2, 64, batch_first=True, **options)


EXACT = {
    "encoder": (encoder(), (16, 32)),
    "encoder with flash attention": (encoder(dropout=0.0, norm_first=True), (16, 32)),
    "attention": (nn.Sequential(encoder(dropout=0.0), encoder(activation="gelu")), (16, 32)),
    "unet": (Net(), (3, 16, 16)),
    "conv1d": (nn.Sequential(nn.Conv1d(4, 8, 3), nn.GELU(), nn.MaxPool1d(2)), (4, 32)),
    "gru": (Last(nn.GRU(16, 8, 2, batch_first=True, bidirectional=True)), (6, 16)),
    "rnn": (Last(nn.RNN(16, 8, batch_first=True, nonlinearity="relu")), (6, 16)),
    "vit": (build("vit-small", classes=10, seed=0), (3, 32, 32)),
}


@pytest.mark.parametrize("name", EXACT)
def test_saved_activations_equal_those_of_autograd(name):
    module, shape = EXACT[name]
    expected = module_cost(module, shape, first=True).saved_activation_bytes
    assert kept_by_torch(module, torch.randn(BATCH, *shape)) == BATCH * expected


def test_an_lstm_saves_what_autograd_saves_except_for_the_kernels_workspace():
    module, steps = Lstm(), 12
    workspaces = []

    def find(tensor):
        if tensor.dtype == torch.uint8:
            workspaces.append(tensor.nbytes)
        return tensor

    x = torch.randn(BATCH, steps, 16)
    with torch.autograd.graph.saved_tensors_hooks(find, lambda tensor: tensor):
        module(x)
    if not workspaces:
        pytest.skip("PyTorch was built without oneDNN")
    expected = BATCH * module_cost(module, (steps, 16), first=True).saved_activation_bytes
    estimated = 2 * lstm_workspace_bytes(steps, BATCH, 64)
    assert kept_by_torch(module, x) - sum(workspaces) == expected - estimated
    # The kernel pads its workspace, which depends on the processor.
    assert sum(workspaces) == pytest.approx(estimated, rel=0.5)


@pytest.mark.parametrize("name", ["vgg5", "vgg11", "resnet9", "resnet12", "alexnet", "mobilenetv2"])
def test_saved_activations_match_those_of_autograd(name):
    model = build(name, classes=10, seed=0).train()
    costs = block_costs(model)
    expected = BATCH * sum(cost.saved_activation_bytes for cost in costs)
    actual = kept_by_torch(model, torch.randn(BATCH, 3, 32, 32))
    # The estimate also counts the blocks' outputs, which autograd may not need, and is per sample,
    # while BatchNorm's statistics are per batch.
    assert actual == pytest.approx(expected, rel=0.1)
