"""The operations of the local-loss family besides those of plain local loss.

An auxiliary head either has its own loss, or is aligned: it is then not trained on the device, and
imitates the gradient that the server block would send (FSL-SAGE, ICML 2025).
"""

import torch
from torch import Tensor

from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.operations import Upload
from cutlayer.sim.learning.replica import train_on

_UPLOADS = "uploads"  # the key in `ChainRun.kept`


def train_local_only(run: ChainRun, client: int, batch: Batch) -> None:
    """Train the device block with the loss of its auxiliary head; return nothing to send."""
    device, head = run.replica("device"), run.replica("head")
    images, labels = run.batch(client, batch)
    logits = head.module(device.module(images))
    train_on(run.task.loss(logits, labels), device, head)


def train_aligned(run: ChainRun, client: int, batch: Batch) -> Upload:
    """Train the device block with the gradient of its auxiliary head, which stays as it is."""
    device, head = run.replica("device"), run.replica("head").module
    images, labels = run.batch(client, batch)
    activation = device.module(images)
    leaf = activation.detach().requires_grad_()
    loss = run.task.loss(head(leaf), labels)
    (at_cut,) = torch.autograd.grad(loss, leaf)
    torch.autograd.backward(activation, at_cut)
    device.step()
    return activation.detach(), labels


def train_aligned_only(run: ChainRun, client: int, batch: Batch) -> None:
    """Train as `train_aligned` does; return nothing to send."""
    train_aligned(run, client, batch)


def keep_upload(run: ChainRun, upload: Upload) -> Upload:
    """Keep a copy of an upload for `kept_uploads`; return the upload."""
    activation, labels = upload
    run.kept.setdefault(_UPLOADS, []).append([activation.clone(), labels])
    return upload


def kept_uploads(run: ChainRun) -> list[list[Tensor]]:
    """Return the uploads that were kept, and keep them no longer."""
    uploads: list[list[Tensor]] = run.kept.pop(_UPLOADS, [])
    return uploads


def server_gradients(run: ChainRun, uploads: list[list[Tensor]]) -> list[list[Tensor]]:
    """Return activation, labels and gradient of each upload.

    The gradient is that of the mean loss of the batch with respect to the activation, under the present
    server block. The block does not change, nor do its running statistics.
    """
    module = run.replica("server").module
    statistics = [buffer.clone() for buffer in module.buffers()]
    targets = []
    for activation, labels in uploads:
        leaf = activation.detach().requires_grad_()
        (at_cut,) = torch.autograd.grad(run.task.loss(module(leaf), labels), leaf)
        targets.append([activation, labels, at_cut])
    for buffer, before in zip(module.buffers(), statistics, strict=True):
        buffer.copy_(before)
    return targets


def align(run: ChainRun, targets: list[list[Tensor]], epochs: int) -> None:
    """Train the auxiliary head to give the gradients of `targets`; one step for each of them per epoch.

    The loss is the squared distance between the gradients of a sample's own loss, mean over the batch.
    """
    head = run.replica("head")
    for _ in range(epochs):
        for activation, labels, wanted in targets:
            leaf = activation.detach().requires_grad_()
            loss = run.task.loss(head.module(leaf), labels)
            (at_cut,) = torch.autograd.grad(loss, leaf, create_graph=True)
            train_on(len(labels) * (at_cut - wanted).square().sum(), head)
