"""The operations of FedGKT (He et al., NeurIPS 2020, Alg. 1): distillation in both directions.

With D = T^2 KL(teacher / T || student / T) and CE the cross entropy with the labels,

    device: loss = CE + alpha D
    server: loss = D + alpha CE, or CE + alpha D

The server's logits are stored for each sample, since every epoch has a new order.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.replica import train_on
from cutlayer.sim.learning.state_key import StateKey

Features = tuple[Tensor, Tensor, Tensor]
Weighted = Literal["labels", "logits"]


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(teacher / T || student / T), mean over the batch (logits of [batch, classes])."""
    divergence = functional.kl_div(
        functional.log_softmax(student / temperature, dim=1),
        functional.softmax(teacher / temperature, dim=1),
        reduction="batchmean",
    )
    return temperature**2 * divergence


def train_device(
    run: ChainRun, client: int, batch: Batch, memory: StateKey, temperature: float, alpha: float
) -> None:
    """Train device block and head on labels and, for samples that have them, the server's logits."""
    device, head = run.replica("device"), run.replica("head")
    images, labels = run.batch(client, batch)
    logits = head.module(device.module(images))
    loss = run.task.loss(logits, labels)
    if run.may_read(memory):
        teacher = run.workspace.on_device(run.read(memory)[run.samples(client, batch)])
        stored = ~teacher[:, 0].isnan()
        if stored.any():
            loss = loss + alpha * distillation_loss(logits[stored], teacher[stored], temperature)
    train_on(loss, device, head)


def features(run: ChainRun, client: int, batch: Batch) -> Features:
    """Return activation, labels and device logits of a batch, in evaluation mode.

    This is the second forward pass, which extracts features without training.
    """
    device, head = run.replica("device"), run.replica("head")
    images, labels = run.batch(client, batch)
    for replica in (device, head):
        replica.module.eval()
    with torch.no_grad():
        activation = device.module(images)
        logits = head.module(activation)
    for replica in (device, head):
        replica.module.train()
    return activation, labels, logits


def train_server(
    run: ChainRun, upload: Features, temperature: float, alpha: float, weighted: Weighted
) -> Tensor:
    """Train the server block on labels and the device's logits; return the server's logits.

    `weighted` is the term of the loss that `alpha` multiplies.
    """
    activation, labels, teacher = upload
    server = run.replica("server")
    logits = server.module(activation)
    on_labels = run.task.loss(logits, labels)
    on_logits = distillation_loss(logits, teacher, temperature)
    labels_weight, logits_weight = (alpha, 1.0) if weighted == "labels" else (1.0, alpha)
    loss = labels_weight * on_labels + logits_weight * on_logits
    run.record_loss(loss, len(labels))
    train_on(loss, server)
    server_logits: Tensor = logits.detach()
    return server_logits


def remember(run: ChainRun, client: int, batch: Batch, memory: StateKey, logits: Tensor) -> None:
    """Store the server's logits for each sample of the batch."""
    table = run.table(memory, client, logits.shape[1])
    table[run.samples(client, batch)] = logits.to(table.device)
