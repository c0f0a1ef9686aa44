"""Compare a traced model, at every cut, with the module that it was made of."""

import torch
from torch.nn.functional import cross_entropy


def own(key):
    """The name of a tensor in the module, from that in the model: without `blocks.N.`."""
    return key.split(".", 2)[2]


def assert_equal_at_every_cut(model, module, x, labels):
    """Outputs, loss, gradients and tensors after a step are those of the module, bit by bit.

    `labels` are [batch], or [batch, length] if there is an output for each token.
    """
    start = {name: value.clone() for name, value in model.state_dict().items()}
    state = module.state_dict()
    assert {own(name) for name in start} <= state.keys()
    assert all(torch.equal(value, state[own(name)]) for name, value in start.items())
    with torch.inference_mode():
        evaluated = module.eval()(x)
    torch.manual_seed(5)
    loss = loss_of(module.train()(x), labels)
    loss.backward()
    torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9).step()
    gradients = {name: p.grad for name, p in module.named_parameters(remove_duplicate=False)}
    after = module.state_dict()
    for cut in range(len(model) + 1):
        model.load_state_dict(start)
        model.zero_grad(set_to_none=True)
        device, server = model.train().split(cut)
        torch.manual_seed(5)
        activation = device(x)
        assert tuple(activation.shape[1:]) == model.activation_shape(cut)
        received = activation.detach()
        if received.is_floating_point():
            received.requires_grad_()
        split_loss = loss_of(server(received), labels)
        split_loss.backward()
        if cut and activation.requires_grad:
            activation.backward(received.grad)
        assert torch.equal(split_loss, loss), cut
        for key, parameter in model.named_parameters():
            expected = gradients[own(key)]
            if expected is None:
                assert parameter.grad is None, (cut, key)
            else:
                assert torch.equal(parameter.grad, expected), (cut, key)
        for part in (device, server):
            if parameters := [p for p in part.parameters() if p.grad is not None]:
                torch.optim.SGD(parameters, lr=0.1, momentum=0.9).step()
        for key, value in model.state_dict().items():
            assert torch.equal(value, after[own(key)]), (cut, key)
        model.load_state_dict(start)
        device, server = model.eval().split(cut)
        with torch.inference_mode():
            assert torch.equal(server(device(x)), evaluated), cut


def loss_of(output, labels):
    return cross_entropy(output.flatten(0, -2), labels.flatten())
