"""The operations of methods on tensors, one function each; they run within one chain.

The parts of a model are "device", "server" and "head" (the auxiliary head). An upload is a pair
(activation, labels). Losses are means over the batch. The loss of the model's output is recorded, that
of an auxiliary head is not.
"""

from typing import Any

import torch
from torch import Tensor

from cutlayer.models.quantise import Quantised, dequantise, quantise
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.codecs.codec_operations import decoded_weights
from cutlayer.sim.learning.replica import State, train_on
from cutlayer.sim.learning.state_key import StateKey

Upload = tuple[Tensor, Tensor]
Buffered = tuple[Tensor | Quantised, Tensor]


def train_whole(run: ChainRun, client: int, batch: Batch) -> None:
    """Train device and server block on a batch, in one place."""
    device, server = run.replica("device"), run.replica("server")
    images, labels = run.batch(client, batch)
    loss = run.task.loss(server.module(device.module(images)), labels)
    run.record_loss(loss, len(labels))
    train_on(loss, device, server)


def train_proximal(run: ChainRun, client: int, batch: Batch, mu: float) -> None:
    """Train as `train_whole` does, with mu/2 ||w - w_global||^2 added to the loss.

    FedProx (Li et al., MLSys 2020, equation 2); w_global are the weights that the chain reads. The
    term's gradient, mu (w - w_global), is added to that of the loss. The recorded loss is without it.
    """
    device, server = run.replica("device"), run.replica("server")
    images, labels = run.batch(client, batch)
    loss = run.task.loss(server.module(device.module(images)), labels)
    run.record_loss(loss, len(labels))
    torch.autograd.backward(loss)
    for part, replica in (("device", device), ("server", server)):
        received = run.workspace.on_device(_received(run, part))
        for name, weight in replica.module.named_parameters():
            if weight.grad is not None:
                weight.grad.add_(weight.detach() - received[name], alpha=mu)
        replica.step()


def _received(run: ChainRun, part: str) -> State:
    """Return the weights of a part from which the device starts, as a codec leaves them."""
    spec: Any = run.workspace.recipe.codec.get("weights_down")
    weights = run.received(part)
    return weights if spec is None else decoded_weights(spec, weights)


def forward(run: ChainRun, client: int, batch: Batch) -> Upload:
    """Run the device block on a batch; its graph waits for `backward`."""
    device = run.replica("device")
    images, labels = run.batch(client, batch)
    activation = device.module(images)
    device.pending[batch.number] = activation
    return activation.detach(), labels


def backward(run: ChainRun, batch: Batch, gradient: Tensor | None) -> None:
    """Finish the batch that `forward` started, with the gradient from the server.

    Does nothing if the device block has no parameters (cut 0), since there is no gradient then.
    """
    device = run.replica("device")
    activation = device.pending.pop(batch.number)
    if activation.requires_grad:
        torch.autograd.backward(activation, gradient)
        device.step()


def server_step(run: ChainRun, upload: Upload) -> Tensor | None:
    """Train the server block on an activation; return the gradient of the loss with respect to it."""
    server = run.replica("server")
    activation = upload[0].requires_grad_()
    loss = run.task.loss(server.module(activation), upload[1])
    run.record_loss(loss, len(upload[1]))
    train_on(loss, server)
    return activation.grad


def server_step_from(run: ChainRun, upload: Upload, cut: int) -> Tensor | None:
    """Train as `server_step` does, on the blocks of the server from `cut` on."""
    server = run.replica("server")
    activation = value = upload[0].requires_grad_()
    for number, block in server.module.get_submodule("blocks").named_children():
        if int(number) >= cut:
            value = block(value)
    loss = run.task.loss(value, upload[1])
    run.record_loss(loss, len(upload[1]))
    train_on(loss, server)
    return activation.grad


def train_local(run: ChainRun, client: int, batch: Batch) -> Upload:
    """Train the device block with the loss of its auxiliary head; return the activation."""
    device, head = run.replica("device"), run.replica("head")
    images, labels = run.batch(client, batch)
    activation = device.module(images)
    train_on(run.task.loss(head.module(activation), labels), device, head)
    return activation.detach(), labels


def server_step_detached(run: ChainRun, upload: Buffered) -> None:
    """Train the server block on an activation without returning a gradient; dequantise it first."""
    server = run.replica("server")
    value, labels = upload
    activation = dequantise(value) if isinstance(value, Quantised) else value
    loss = run.task.loss(server.module(activation), labels)
    run.record_loss(loss, len(labels))
    train_on(loss, server)


def forward_frozen(run: ChainRun, client: int, batch: Batch, bits: int | None) -> Buffered:
    """Run the frozen device block on a batch; quantise the activation to `bits`, if given."""
    device = run.frozen("device")
    images, labels = run.batch(client, batch)
    with torch.inference_mode():
        activation = device(images)
    if bits is None:
        return activation.clone(), labels  # a graph may keep it, unlike one of inference mode
    return quantise(activation, bits), labels


def store_activation(run: ChainRun, buffer: StateKey, upload: Any) -> Any:
    """Append an upload to the state `buffer`, which this chain writes; return the upload."""
    run.fill(buffer).append(upload)
    return upload


def replay(run: ChainRun, buffer: StateKey, number: int) -> Any:
    """Return upload `number` of the state `buffer`, which an earlier chain wrote."""
    return run.workspace.on_device(run.read(buffer)[number])
