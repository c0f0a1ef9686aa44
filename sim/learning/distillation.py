"""The operations of FedGKT (He et al., NeurIPS 2020, Alg. 1): knowledge goes both ways as logits.

    loss = cross entropy + alpha T^2 KL(teacher / T || student / T)

The server's logits are remembered for each sample, since the next round shuffles the batches anew.
"""

import torch
from torch import Tensor
from torch.nn import functional

from sim.learning.chain import Batch
from sim.learning.run import ChainRun

Features = tuple[Tensor, Tensor, Tensor]


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(teacher / T || student / T), mean over the batch (logits of [batch, classes])."""
    divergence = functional.kl_div(
        functional.log_softmax(student / temperature, dim=1),
        functional.softmax(teacher / temperature, dim=1),
        reduction="batchmean",
    )
    return temperature**2 * divergence


def train_device(
    run: ChainRun, client: int, batch: Batch, memory: str, temperature: float, alpha: float
) -> None:
    """Train device block and head on labels and, where remembered, on the server's logits."""
    device, head = run.replica("device"), run.replica("head")
    images, labels = run.batch(client, batch)
    logits = head.module(device.module(images))
    loss = functional.cross_entropy(logits, labels)
    if run.may_read(memory):
        teacher = run.read(memory)[run.samples(client, batch)]
        taught = ~teacher[:, 0].isnan()
        if taught.any():
            loss = loss + alpha * distillation_loss(logits[taught], teacher[taught], temperature)
    torch.autograd.backward(loss)
    device.step()
    head.step()


def features(run: ChainRun, client: int, batch: Batch) -> Features:
    """Return activation, labels and device logits of a batch (the second forward pass)."""
    device, head = run.replica("device"), run.replica("head")
    images, labels = run.batch(client, batch)
    with torch.no_grad():
        activation = device.module(images)
        logits = head.module(activation)
    return activation, labels, logits


def train_server(run: ChainRun, upload: Features, temperature: float, alpha: float) -> Tensor:
    """Train the server block on labels and the device's logits; return its own logits."""
    activation, labels, teacher = upload
    server = run.replica("server")
    logits = server.module(activation)
    loss = functional.cross_entropy(logits, labels)
    torch.autograd.backward(loss + alpha * distillation_loss(logits, teacher, temperature))
    server.step()
    own: Tensor = logits.detach()
    return own


def remember(run: ChainRun, client: int, batch: Batch, memory: str, logits: Tensor) -> None:
    """Keep the server's logits for each sample of the batch."""
    table = run.table(memory, client, logits.shape[1])
    table[run.samples(client, batch)] = logits


def publish(run: ChainRun, shelf: str, upload: Features) -> None:
    """Lay a batch's features down where a chain that is opened later can read them."""
    run.fill(shelf).append(upload)


def collect(run: ChainRun, shelf: str, number: int) -> Features:
    """Take batch `number` from another chain's features."""
    upload: Features = run.read(shelf)[number]
    return upload
