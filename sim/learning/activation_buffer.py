"""The server's operations of GAS (Yang and Liu, AAAI 2025): gradients, and steps on a buffer.

The server keeps a Gaussian of each label's activations, with a mean and a variance per value; the weight
of an activation is its progress n (equations 9 to 12, with s(n) = n). Covariances between values are
left out, as in the public code's variant for large activations.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.operations import Upload
from cutlayer.sim.learning.replica import train_on
from cutlayer.sim.learning.values import register


@register
@dataclass
class Gaussian:
    """The mean and the variance of each value of a label's activations, and their total weight."""

    mean: Tensor
    variance: Tensor
    weight: Tensor

    def add(self, activations: Tensor, weights: Tensor) -> None:
        """Add activations [n, values] with their weights [n]."""
        other = gaussian(activations, weights)
        total = self.weight + other.weight
        old, new = self.weight / total, other.weight / total
        mean = old * self.mean + new * other.mean
        self.variance = old * (self.variance + (mean - self.mean).square()) + new * (
            other.variance + (mean - other.mean).square()
        )
        self.mean, self.weight = mean, total

    def draw(self, count: int) -> Tensor:
        """Return activations [count, values], drawn from the current generator."""
        noise = torch.randn(count, len(self.mean), dtype=self.mean.dtype)
        return self.mean + self.variance.sqrt() * noise.to(self.mean.device)


def gaussian(activations: Tensor, weights: Tensor) -> Gaussian:
    """Return the weighted mean and variance of activations [n, values]."""
    shares = (weights / weights.sum()).unsqueeze(1)
    mean = (shares * activations).sum(dim=0)
    variance = (shares * (activations - mean).square()).sum(dim=0)
    return Gaussian(mean, variance, weights.sum())


def balance(
    activations: Tensor, labels: Tensor, gaussians: dict[int, Gaussian], count: int
) -> tuple[Tensor, Tensor]:
    """Return `count` activations and labels with equal shares of all labels that have a Gaussian.

    Labels with fewer activations are filled up with draws; of the others, the first activations are
    used. If the shares are not whole numbers, the first labels get one more sample.
    """
    chosen, of_label = [], []
    for position, label in enumerate(sorted(gaussians)):
        share = count // len(gaussians) + (position < count % len(gaussians))
        real = activations[labels == label][:share]
        drawn = gaussians[label].draw(share - len(real))
        chosen += [real, drawn.reshape(-1, *activations.shape[1:])]
        of_label.append(labels.new_full((share,), label))
    return torch.cat(chosen), torch.cat(of_label)


def gradient(run: ChainRun, client: int, upload: Upload, adjust: bool) -> tuple[Tensor, Upload]:
    """Return the gradient of a client's loss with respect to its activation, and the upload.

    The server block does not change, nor do its running statistics. With `adjust`, the logarithms of the
    label shares in the client's shard are added to the logits.
    """
    module = run.replica("server").module
    activation, labels = upload
    leaf = activation.detach().requires_grad_()
    statistics = [buffer.clone() for buffer in module.buffers()]
    logits = module(leaf)
    if adjust:
        logits = logits + run.label_shares(client, logits.shape[1]).log()
    (at_cut,) = torch.autograd.grad(run.task.loss(logits, labels), leaf)
    for buffer, before in zip(module.buffers(), statistics, strict=True):
        buffer.copy_(before)
    return at_cut, (activation, labels)


def step_on_buffer(
    run: ChainRun,
    lr: float,
    progress: tuple[int, ...],
    balanced: int | None,
    *uploads: Upload,
) -> tuple[()]:
    """Train the server block once on all uploads together, with the learning rate `lr`.

    `progress` has the weight of each upload's activations. If `balanced` is given, the uploads update
    the Gaussians, and the step is on this number of samples, an equal share for each label.
    """
    server = run.replica("server")
    if server.optimizer is None:  # a block without parameters
        return ()
    activations = torch.cat([activation for activation, _ in uploads])
    labels = torch.cat([labels for _, labels in uploads])
    if balanced is not None:
        gaussians: dict[int, Gaussian] = run.kept.setdefault("gaussians", {})
        sizes = torch.tensor([len(labels) for _, labels in uploads])
        weights = torch.tensor(progress, dtype=activations.dtype).repeat_interleave(sizes)
        weights = weights.to(activations.device)
        for label in sorted(set(labels.cpu().tolist())):
            mask = labels == label
            seen = activations[mask].flatten(1)
            if label in gaussians:
                gaussians[label].add(seen, weights[mask])
            else:
                gaussians[label] = gaussian(seen, weights[mask])
        activations, labels = balance(activations, labels, gaussians, balanced)
    server.set_lr(lr)
    loss = run.task.loss(server.module(activations), labels)
    run.record_loss(loss, len(labels))
    train_on(loss, server)
    return ()
