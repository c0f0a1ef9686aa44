"""The stacked forms of the operations; see the operations of the same names for what they compute.

The loss of all lanes is the sum of theirs: no lane affects the loss of another, so
its gradients are those of each lane's own loss.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from cutlayer.models.quantise import Quantised, dequantise, quantise
from cutlayer.sim.learning import distillation, operations
from cutlayer.sim.learning.chain import Operation
from cutlayer.sim.learning.stacked.lanes import Lanes
from cutlayer.sim.learning.stacked.part import Turn, gradients
from cutlayer.sim.learning.stacked.stack import Arguments, Form, Stack, Waiting


def _train_on(losses: Tensor, *turns: Turn) -> None:
    for turn, found in zip(turns, gradients(losses.sum(), None, *turns), strict=True):
        turn.step(found)


def _record(stack: Stack, lanes: Lanes, losses: Tensor, labels: Tensor) -> None:
    """Record the loss of each lane; `labels` is [lanes, batch]."""
    for run, loss in zip(stack.of(lanes), losses.detach(), strict=True):
        run.record_loss(loss, labels.shape[1])


def _uploads(arguments: Sequence[Arguments]) -> tuple[Tensor, Tensor]:
    """Return the activations [lanes, batch, ...] and labels [lanes, batch] of uploads."""
    values = [value for (value, *_), *_ in arguments]
    labels = torch.stack([upload[1] for upload, *_ in arguments])
    each = [dequantise(v) if isinstance(v, Quantised) else v for v in values]
    return torch.stack(each), labels


def _train_whole(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch in arguments])
    device, server = (stack.part(name).turn(lanes) for name in ("device", "server"))
    activation = stack.outputs("device", device, images)
    losses = stack.task.losses(stack.outputs("server", server, activation), labels)
    _record(stack, lanes, losses, labels)
    _train_on(losses, device, server)
    return [None] * len(lanes)


def _train_proximal(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch, _ in arguments])
    mu = arguments[0][2]
    device, server = (stack.part(name).turn(lanes) for name in ("device", "server"))
    activation = stack.outputs("device", device, images)
    losses = stack.task.losses(stack.outputs("server", server, activation), labels)
    _record(stack, lanes, losses, labels)
    found = gradients(losses.sum(), None, device, server)
    for name, turn, of_part in zip(("device", "server"), (device, server), found, strict=True):
        received = stack.received(name, lanes)
        turn.step(
            {
                own: value.add(turn.leaves[own].detach() - received[own], alpha=mu)
                for own, value in of_part.items()
            }
        )
    return [None] * len(lanes)


def _forward(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch in arguments])
    turn = stack.part("device").turn(lanes)
    activations = stack.outputs("device", turn, images)
    if activations.requires_grad:
        waiting = Waiting(turn, activations)
        for lane, (_, batch) in zip(lanes.numbers, arguments, strict=True):
            stack.waiting[lane, batch.number] = waiting
    return list(zip(activations.detach(), labels, strict=True))


def _backward(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    each = [
        stack.waiting.pop((lane, batch.number), None)
        for lane, (batch, _) in zip(lanes.numbers, arguments, strict=True)
    ]
    waiting = each[0]
    if waiting is not None:
        at_cut = torch.stack([gradient for _, gradient in arguments])
        (found,) = gradients(waiting.activations, at_cut, waiting.turn)
        waiting.turn.step(found)
    return [None] * len(lanes)


def _server_step(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    activations, labels = _uploads(arguments)
    activations.requires_grad_()
    turn = stack.part("server").turn(lanes)
    losses = stack.task.losses(stack.outputs("server", turn, activations), labels)
    _record(stack, lanes, losses, labels)
    at_cut, own = _with_inputs(losses.sum(), activations, turn)
    turn.step(own)
    return [None] * len(lanes) if at_cut is None else list(at_cut)


def _with_inputs(
    loss: Tensor, inputs: Tensor, turn: Turn
) -> tuple[Tensor | None, Mapping[str, Tensor]]:
    """Return the gradients of a loss with respect to the inputs and to a turn's weights."""
    names = [name for name, leaf in turn.leaves.items() if leaf.requires_grad]
    leaves = [inputs, *(turn.leaves[name] for name in names)]
    first, *others = torch.autograd.grad(loss, leaves, allow_unused=True)
    pairs = zip(names, others, strict=True)
    return first, {name: value for name, value in pairs if value is not None}


def _server_step_detached(
    stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]
) -> Sequence[Any]:
    activations, labels = _uploads(arguments)
    turn = stack.part("server").turn(lanes)
    losses = stack.task.losses(stack.outputs("server", turn, activations), labels)
    _record(stack, lanes, losses, labels)
    _train_on(losses, turn)
    return [None] * len(lanes)


def _train_local(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch in arguments])
    device, head = (stack.part(name).turn(lanes) for name in ("device", "head"))
    activations = stack.outputs("device", device, images)
    _train_on(stack.task.losses(stack.outputs("head", head, activations), labels), device, head)
    return list(zip(activations.detach(), labels, strict=True))


def _forward_frozen(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch, _ in arguments])
    bits = arguments[0][2]
    activations = stack.frozen_outputs("device", lanes, images)
    if bits is None:
        return list(zip(activations, labels, strict=True))
    peaks = activations.abs().flatten(1).amax(dim=1).cpu().tolist()  # one transfer from a device
    each = zip(activations, peaks, labels, strict=True)
    return [(quantise(one, bits, peak=peak), own) for one, peak, own in each]


def _train_device(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch, *_ in arguments])
    *_, temperature, alpha = arguments[0]
    device, head = (stack.part(name).turn(lanes) for name in ("device", "head"))
    logits = stack.outputs("head", head, stack.outputs("device", device, images))
    losses = stack.task.losses(logits, labels)
    teachers = [
        stack.workspace.on_device(run.read(memory)[run.samples(client, batch)])
        if run.may_read(memory)
        else None
        for run, (client, batch, memory, *_) in zip(stack.of(lanes), arguments, strict=True)
    ]
    if any(teacher is not None for teacher in teachers):
        unknown = torch.full_like(logits[0].detach(), torch.nan)
        teacher = torch.stack([unknown if t is None else t for t in teachers])
        stored = ~teacher[:, :, 0].isnan()
        each = _divergences(logits, teacher.where(stored[:, :, None], logits.detach()), temperature)
        means = (each * stored).sum(dim=1) / stored.sum(dim=1).clamp(min=1)
        losses = losses + alpha * means
    _train_on(losses, device, head)
    return [None] * len(lanes)


def _divergences(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the distillation loss of each sample, [lanes, batch]."""
    divergence = functional.kl_div(
        functional.log_softmax(student / temperature, dim=2),
        functional.softmax(teacher / temperature, dim=2),
        reduction="none",
    )
    return temperature**2 * divergence.sum(dim=2)


def _features(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    images, labels = stack.batches(lanes, [(client, batch) for client, batch in arguments])
    device, head = (stack.part(name) for name in ("device", "head"))
    for part in (device, head):
        part.module.eval()
    with torch.no_grad():
        activations = stack.outputs("device", device.turn(lanes), images)
        logits = stack.outputs("head", head.turn(lanes), activations)
    for part in (device, head):
        part.module.train()
    return list(zip(activations, labels, logits, strict=True))


def _train_server(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
    activations, labels = _uploads(arguments)
    teacher = torch.stack([upload[2] for upload, *_ in arguments])
    _, temperature, alpha, weighted = arguments[0]
    turn = stack.part("server").turn(lanes)
    logits = stack.outputs("server", turn, activations)
    on_labels = stack.task.losses(logits, labels)
    on_logits = _divergences(logits, teacher, temperature).mean(dim=1)
    labels_weight, logits_weight = (alpha, 1.0) if weighted == "labels" else (1.0, alpha)
    losses = labels_weight * on_labels + logits_weight * on_logits
    _record(stack, lanes, losses, labels)
    _train_on(losses, turn)
    return list(logits.detach())


def _each(operation: Operation) -> Form:
    """Return the form of an operation without arithmetic: it runs lane by lane."""

    def run(stack: Stack, lanes: Lanes, arguments: Sequence[Arguments]) -> Sequence[Any]:
        each = zip(stack.of(lanes), arguments, strict=True)
        return [operation(run, *own) for run, own in each]

    return Form(run, lambda _stack, _lane, _arguments: None)


def _of_batch(position: int, *settings: int) -> Callable[[Stack, int, Arguments], Hashable]:
    """Return the shape of arguments with a batch, and settings in which the lanes must agree."""

    def shape(_stack: Stack, _lane: int, arguments: Arguments) -> Hashable:
        return arguments[position].size, *(arguments[i] for i in settings)

    return shape


def _of_upload(*settings: int) -> Callable[[Stack, int, Arguments], Hashable]:
    """Return the shape of arguments that begin with an upload."""

    def shape(_stack: Stack, _lane: int, arguments: Arguments) -> Hashable:
        return tuple(arguments[0][0].shape), *(arguments[i] for i in settings)

    return shape


def _of_graph(stack: Stack, lane: int, arguments: Arguments) -> Hashable:
    return stack.waiting.get((lane, arguments[0].number))


FORMS: Final[Mapping[Operation, Form]] = {
    operations.train_whole: Form(_train_whole, _of_batch(1)),
    operations.train_proximal: Form(_train_proximal, _of_batch(1, 2)),
    operations.forward: Form(_forward, _of_batch(1)),
    operations.backward: Form(_backward, _of_graph),
    operations.server_step: Form(_server_step, _of_upload()),
    operations.server_step_detached: Form(_server_step_detached, _of_upload()),
    operations.train_local: Form(_train_local, _of_batch(1)),
    operations.forward_frozen: Form(_forward_frozen, _of_batch(1, 2)),
    operations.store_activation: _each(operations.store_activation),
    operations.replay: _each(operations.replay),
    distillation.train_device: Form(_train_device, _of_batch(1, 3, 4)),
    distillation.features: Form(_features, _of_batch(1)),
    distillation.train_server: Form(_train_server, _of_upload(1, 2, 3)),
    distillation.remember: _each(distillation.remember),
}
