"""The memory of activations, compared with the tensors that autograd saves for the backward pass."""

import pytest
import torch

from cutlayer.models import build
from cutlayer.models.cost import block_costs

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


@pytest.mark.parametrize("name", ["vgg5", "vgg11", "resnet9", "resnet12", "alexnet", "mobilenetv2"])
def test_saved_activations_match_those_of_autograd(name):
    model = build(name, classes=10, seed=0).train()
    costs = block_costs(model)
    expected = BATCH * sum(cost.saved_activation_bytes for cost in costs)
    actual = kept_by_torch(model, torch.randn(BATCH, 3, 32, 32))
    # The estimate also counts the blocks' outputs, which autograd may not need, and is per sample,
    # while BatchNorm's statistics are per batch.
    assert actual == pytest.approx(expected, rel=0.1)
