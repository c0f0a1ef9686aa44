"""Training through a cut gives the gradients of the unsplit model, bit by bit."""

from functools import lru_cache

import pytest
import torch
from catalogue_inputs import IMAGE_MODELS, SMALL_TOKEN_MODELS, inputs, small
from torch.nn.functional import cross_entropy

from cutlayer.models import build

ALL_CUTS = 8  # blocks of a model whose gradients are compared at every cut, not at every eighth


@lru_cache(maxsize=1)
def unsplit(name):
    model = small(name, seed=3)
    x = inputs(model, 2)
    y = torch.tensor([7, 1])
    if len(model.activation_shape(len(model))) > 1:  # an output for each token
        y = x.roll(-1, 1)
    loss = loss_of(model(x), y)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return model, x, y, loss.detach(), gradients


def loss_of(outputs, y):
    return cross_entropy(outputs.flatten(0, -2), y.flatten())


@pytest.mark.parametrize("name", [*IMAGE_MODELS, *SMALL_TOKEN_MODELS])
def test_gradients_at_every_cut_equal_those_of_the_unsplit_model(name):
    model, x, y, loss, expected = unsplit(name)
    for cut in range(len(model) + 1):
        model.zero_grad(set_to_none=True)
        device, server = model.split(cut)
        if len(model) > ALL_CUTS and cut % 8 and cut != len(model):
            with torch.no_grad():  # a backward pass takes most of the time
                activation = device(x)
                assert tuple(activation.shape[1:]) == model.activation_shape(cut)
                assert torch.equal(loss_of(server(activation), y), loss)
            continue
        activation = device(x)
        assert tuple(activation.shape[1:]) == model.activation_shape(cut)
        received = activation.detach()
        if received.is_floating_point():
            received.requires_grad_()
        split_loss = loss_of(server(received), y)
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
