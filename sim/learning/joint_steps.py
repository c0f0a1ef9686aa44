"""Operations on the tensors of several clients at once: MergeSFL, EPSL, SFL-GA and SMoFi.

Gradients with respect to an activation are those of the mean loss of a client's own batch. Weights of
clients are relative: they need not sum to 1. An operation for a single client returns its value, not a
sequence of one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.operations import Upload, server_step
from cutlayer.sim.learning.replica import train_on

MOMENTA = "momenta"  # the key in `ChainRun.kept`: the last momentum buffers of each member


def merged_step(run: ChainRun, *uploads: Upload) -> Any:
    """Train the server block once on all uploads together; return the gradient of each (MergeSFL).

    The loss is the mean over all samples, so that a client's slice of its gradient is multiplied by the
    number of all samples over that of its own, without padding.
    """
    if len(uploads) == 1:
        return server_step(run, uploads[0])
    server = run.replica("server")
    activation = torch.cat([activation for activation, _ in uploads]).requires_grad_()
    labels = torch.cat([labels for _, labels in uploads])
    loss = run.task.loss(server.module(activation), labels)
    run.record_loss(loss, len(labels))
    train_on(loss, server)
    assert activation.grad is not None
    slices = torch.split(activation.grad, [len(own) for _, own in uploads])
    weights = [run.task.weight(own) for _, own in uploads]
    total = run.task.weight(labels)
    return [part * (total / weight) for part, weight in zip(slices, weights, strict=True)]


def aggregated_step(run: ChainRun, weights: Sequence[float], rows: int, *uploads: Upload) -> Any:
    """Train the server block once, with the first `rows` samples of each upload aggregated (EPSL).

    The loss is the weighted mean of the clients' losses. The last-layer gradients of the clients'
    samples j < `rows` are summed with their weights, and propagated back at the weighted mean of these
    samples' activations. The gradients returned begin with these rows, which are equal for all clients.
    """
    if len(uploads) == 1:
        return server_step(run, uploads[0])
    server = run.replica("server")
    module = server.module
    shares = [weight / sum(weights) for weight in weights]
    sizes = [len(labels) for _, labels in uploads]
    activation = torch.cat([one for one, _ in uploads]).requires_grad_()
    logits = module(activation)
    of_last_layer = []
    of_clients = torch.split(logits.detach(), sizes)
    for own, (_, labels), share in zip(of_clients, uploads, shares, strict=True):
        leaf = own.requires_grad_()
        loss = run.task.loss(leaf, labels)
        run.record_loss(loss, len(labels))
        (gradient,) = torch.autograd.grad(loss, leaf)
        of_last_layer.append(share * gradient)
    aggregated = torch.stack([one[:rows] for one in of_last_layer]).sum(dim=0)
    for one in of_last_layer:
        one[:rows] = 0
    torch.autograd.backward(logits, torch.cat(of_last_layer))
    assert activation.grad is not None
    own_rows = [
        part[rows:] / share
        for part, share in zip(torch.split(activation.grad, sizes), shares, strict=True)
    ]
    if rows:
        pairs = zip(uploads, shares, strict=True)
        mean = torch.stack([share * one[:rows].detach() for (one, _), share in pairs]).sum(dim=0)
        mean.requires_grad_()
        statistics = [buffer.clone() for buffer in module.buffers()]
        torch.autograd.backward(module(mean), aggregated)
        for buffer, before in zip(module.buffers(), statistics, strict=True):
            buffer.copy_(before)
        assert mean.grad is not None
        own_rows = [torch.cat([mean.grad, part]) for part in own_rows]
    server.step()
    return own_rows


def mean_gradient(
    run: ChainRun,  # noqa: ARG001 - of a chain without replicas
    weights: Sequence[float],
    *gradients: Tensor,
) -> Sequence[Tensor]:
    """Return the weighted mean of the clients' gradients for each of them (SFL-GA).

    Row j is the mean over the clients whose batch has a sample j; each gets as many rows as it has.
    """
    longest = max(gradients, key=len)
    total, weight_of = torch.zeros_like(longest), longest.new_zeros(len(longest))
    for weight, gradient in zip(weights, gradients, strict=True):
        total[: len(gradient)] += weight * gradient
        weight_of[: len(gradient)] += weight
    mean = total / weight_of.view(-1, *[1] * (longest.dim() - 1))
    return [mean[: len(gradient)].clone() for gradient in gradients]


def step_with_momentum(run: ChainRun, upload: Upload) -> tuple[Tensor | None, list[Tensor]]:
    """Train as `server_step` does; return the gradient and the momentum buffers (SMoFi)."""
    gradient = server_step(run, upload)
    return gradient, [state["momentum_buffer"] for state in _momentum_states(run)]


def fuse(
    run: ChainRun,
    members: Sequence[int],
    weights: Sequence[tuple[int, float]],
    *momenta: list[Tensor],
) -> Any:
    """Return the mean of all members' momentum buffers, a copy for each of `members` (SMoFi).

    These have just stepped. `weights` has each member with its weight; those that have finished count
    with their last buffers.
    """
    last: dict[int, list[Tensor]] = run.kept.setdefault(MOMENTA, {})
    last.update(zip(members, momenta, strict=True))
    total = sum(weight for _, weight in weights)
    mean = [torch.zeros_like(buffer) for buffer in momenta[0]]
    for member, weight in weights:
        for buffer, own in zip(mean, last[member], strict=True):
            buffer.add_(own, alpha=weight / total)
    if len(members) == 1:
        return mean
    return [[buffer.clone() for buffer in mean] for _ in members]


def adopt(run: ChainRun, momenta: list[Tensor]) -> None:
    """Continue the server block's optimizer from these momentum buffers (SMoFi)."""
    for state, momentum in zip(_momentum_states(run), momenta, strict=True):
        state["momentum_buffer"] = momentum


def _momentum_states(run: ChainRun) -> list[dict[str, Any]]:
    """Return the optimizer's state of each parameter of the server block that has momentum."""
    optimizer = run.replica("server").optimizer
    assert optimizer is not None
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [optimizer.state[p] for p in parameters if "momentum_buffer" in optimizer.state[p]]
