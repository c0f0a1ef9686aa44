"""Training through a cut gives the gradients of the unsplit model, bit by bit."""

from functools import lru_cache

import pytest
import torch
from torch.nn.functional import cross_entropy

from cutlayer.models import MODELS, build

ALL_CUTS = 8  # blocks of a model whose gradients are compared at every cut, not at every eighth


@lru_cache(maxsize=1)
def unsplit(name):
    model = build(name, classes=10, seed=3)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, 3, 32, 32, generator=generator)
    y = torch.tensor([7, 1])
    loss = cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return model, x, y, loss.detach(), gradients


@pytest.mark.parametrize("name", MODELS)
def test_gradients_at_every_cut_equal_those_of_the_unsplit_model(name):
    model, x, y, loss, expected = unsplit(name)
    for cut in range(len(model) + 1):
        model.zero_grad(set_to_none=True)
        device, server = model.split(cut)
        if len(model) > ALL_CUTS and cut % 8 and cut != len(model):
            with torch.no_grad():  # a backward pass takes most of the time
                activation = device(x)
                assert tuple(activation.shape[1:]) == model.activation_shape(cut)
                assert torch.equal(cross_entropy(server(activation), y), loss)
            continue
        activation = device(x)
        assert tuple(activation.shape[1:]) == model.activation_shape(cut)
        received = activation.detach().requires_grad_()
        split_loss = cross_entropy(server(received), y)
        split_loss.backward()
        if cut:
            activation.backward(received.grad)
        assert torch.equal(split_loss.detach(), loss)
        for (key, parameter), gradient in zip(model.named_parameters(), expected, strict=True):
            assert torch.equal(parameter.grad, gradient), (cut, key)


def test_gradients_are_not_trivial():
    *_, gradients = unsplit("vgg5")
    assert all(gradient.abs().max() > 0 for gradient in gradients[-2:])


def test_steps_on_both_sides_give_the_weights_of_the_unsplit_model():
    x, y = torch.randn(3, 4, 3, 32, 32), torch.randint(0, 10, (3, 4))
    whole, cut = build("vgg5", classes=10, seed=1), build("vgg5", classes=10, seed=1)
    device, server = cut.split(2)
    plain = torch.optim.SGD(whole.parameters(), lr=0.1, momentum=0.9)
    sides = [torch.optim.SGD(part.parameters(), lr=0.1, momentum=0.9) for part in (device, server)]
    for batch, labels in zip(x, y, strict=True):
        plain.zero_grad()
        cross_entropy(whole(batch), labels).backward()
        plain.step()
        activation = device(batch)
        received = activation.detach().requires_grad_()
        for side in sides:
            side.zero_grad()
        cross_entropy(server(received), labels).backward()
        activation.backward(received.grad)
        for side in sides:
            side.step()
    assert all(map(torch.equal, whole.parameters(), cut.parameters()))
    assert not torch.equal(
        next(whole.parameters()), next(build("vgg5", classes=10, seed=1).parameters())
    )
