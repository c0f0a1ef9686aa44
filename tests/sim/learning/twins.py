"""The methods as written in their papers: plain PyTorch in nested loops.

Only the data loader (`Study.batches`), the sampled clients (`Study.sample`) and the initial weights
are shared with the package. The methods are slow and independent of each other.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from joint_twins import epsl, mergesfl, sfl_ga, smofi
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, softmax
from twin_study import EVERYBODY, Batch, Copies, Copy, Study, Weights, weights_of


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher / T || student / T), mean over the batch."""
    p = softmax(teacher / temperature, dim=1)
    q = log_softmax(student / temperature, dim=1)
    return temperature**2 * (p * (p.log() - q)).sum(dim=1).mean()


def plain_mean(before: Weights, mean: Weights, parameters: set[str]) -> Weights:
    """FedAvg: the mean replaces the weights."""
    del before, parameters
    return mean


@dataclass
class ServerSGD:
    """Hsu et al., 2019: torch's SGD with momentum on the server, with the gradient w - mean."""

    lr: float
    momentum: float

    def __post_init__(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self.optimizers: dict[str, torch.optim.SGD] = {}

    def __call__(self, before: Weights, mean: Weights, parameters: set[str]) -> Weights:
        after = dict(mean)
        for name in parameters:
            if name not in self.weights:
                self.weights[name] = before[name].clone()
                self.optimizers[name] = torch.optim.SGD(
                    [self.weights[name]], lr=self.lr, momentum=self.momentum
                )
            self.weights[name].grad = before[name] - mean[name]
            self.optimizers[name].step()
            after[name] = self.weights[name].clone()
        return after


@dataclass
class ServerAdaptive:
    """Reddi et al., ICLR 2021, Algorithm 2: FedAdam or FedYogi."""

    eta: float
    beta1: float
    beta2: float
    tau: float
    yogi: bool

    def __post_init__(self) -> None:
        self.m: dict[str, Tensor] = {}
        self.v: dict[str, Tensor] = {}

    def __call__(self, before: Weights, mean: Weights, parameters: set[str]) -> Weights:
        after = dict(mean)
        for x in parameters:
            delta = mean[x] - before[x]
            m = self.m.get(x, torch.zeros_like(delta))
            v = self.v.get(x, torch.full_like(delta, self.tau**2))
            self.m[x] = self.beta1 * m + (1 - self.beta1) * delta
            if self.yogi:
                self.v[x] = v - (1 - self.beta2) * delta**2 * torch.sign(v - delta**2)
            else:
                self.v[x] = self.beta2 * v + (1 - self.beta2) * delta**2
            after[x] = before[x] + self.eta * self.m[x] / (torch.sqrt(self.v[x]) + self.tau)
        return after


ServerStep = Callable[[Weights, Weights, set[str]], Weights]


def classic_fl(
    study: Study, mu: float = 0.0, server_step: Callable[[], ServerStep] = lambda: plain_mean
) -> dict[str, Weights]:
    """McMahan et al., AISTATS 2017, Algorithm 1; with `mu`, the loss of Li et al., MLSys 2020."""
    copies = Copies(study, study.device, study.server)
    steps = server_step(), server_step()
    names = [{n for n, _ in block.named_parameters()} for block in (study.device, study.server)]
    device, server = weights_of(study.device, study.server)
    for index in range(study.rounds):
        devices, servers = {}, {}
        for client in study.everybody(index):
            own = copies[client]
            own.begin_round(device, server)
            for _, images, labels in study.training(client, index):
                loss = cross_entropy(own.blocks[1](own.blocks[0](images)), labels)
                for block, received in zip(own.blocks, (device, server), strict=True):
                    for name, w in block.named_parameters():
                        loss = loss + mu / 2 * ((w - received[name]) ** 2).sum()
                loss.backward()
                own.step()
            devices[client], servers[client] = own.weights()
        device = steps[0](device, study.mean(devices), names[0])
        server = steps[1](server, study.mean(servers), names[1])
    return {"device": device, "server": server}


def split_step(near: Copy, far: Copy, images: Tensor, labels: Tensor) -> None:
    """Train on one batch: activation up, gradient down."""
    activation = near.blocks[0](images)
    received = activation.detach().clone().requires_grad_()
    cross_entropy(far.blocks[0](received), labels).backward()
    far.step()
    activation.backward(received.grad)
    near.step()


def splitfed(study: Study) -> dict[str, Weights]:
    """Thapa et al., AAAI 2022, Algorithm 1 (v1): activation up, gradient down."""
    on_device, on_server = Copies(study, study.device), Copies(study, study.server)
    device, server = weights_of(study.device, study.server)
    for index in range(study.rounds):
        devices, servers = {}, {}
        for client in study.everybody(index):
            near, far = on_device[client], on_server[client]
            near.begin_round(device)
            far.begin_round(server)
            for _, images, labels in study.training(client, index):
                split_step(near, far, images, labels)
            (devices[client],), (servers[client],) = near.weights(), far.weights()
        device, server = study.mean(devices), study.mean(servers)
    return {"device": device, "server": server}


def local_loss(study: Study) -> dict[str, Weights]:
    """Han et al., 2021: the device trains with its auxiliary head, the server on the uploads."""
    assert study.head is not None
    on_device, on_server = Copies(study, study.device, study.head), Copies(study, study.server)
    device, head, server = weights_of(study.device, study.head, study.server)
    for index in range(study.rounds):
        devices, heads, servers = {}, {}, {}
        for client in study.everybody(index):
            near, far = on_device[client], on_server[client]
            near.begin_round(device, head)
            far.begin_round(server)
            for _, images, labels in study.training(client, index):
                activation = near.blocks[0](images)
                cross_entropy(near.blocks[1](activation), labels).backward()
                near.step()
                cross_entropy(far.blocks[0](activation.detach()), labels).backward()
                far.step()
            devices[client], heads[client] = near.weights()
            (servers[client],) = far.weights()
        device, head, server = study.mean(devices), study.mean(heads), study.mean(servers)
    return {"device": device, "head": head, "server": server}


def local_loss_family(
    study: Study, upload_every: int, align_every: int | None = None, align_epochs: int = 0
) -> dict[str, Weights]:
    """Local loss with fewer uploads; with `align_every`, the heads of FSL-SAGE, one for each client."""
    assert study.head is not None
    own_loss = align_every is None
    on_device = Copies(study, study.device, *([study.head] if own_loss else []))
    on_server = Copies(study, study.server)
    device, head, server = weights_of(study.device, study.head, study.server)
    heads: dict[int, nn.Module] = {}
    for index in range(study.rounds):
        devices, servers = {}, {}
        for client in study.everybody(index):
            near, far = on_device[client], on_server[client]
            near.begin_round(device, head)
            far.begin_round(server)
            imitator = near.blocks[1] if own_loss else heads.get(client, deepcopy(study.head))
            stored = []
            for number, (_, images, labels) in enumerate(study.training(client, index)):
                activation = near.blocks[0](images)
                cross_entropy(imitator(activation), labels).backward()
                near.step()
                imitator.zero_grad()
                if number % upload_every == 0:
                    stored.append((activation.detach(), labels))
                    cross_entropy(far.blocks[0](activation.detach()), labels).backward()
                    far.step()
            if align_every is not None and index % align_every == 0:
                heads[client] = aligned(study, imitator, far.blocks[0], stored, align_epochs)
            devices[client] = near.weights()
            (servers[client],) = far.weights()
        device = study.mean({client: blocks[0] for client, blocks in devices.items()})
        if own_loss:
            head = study.mean({client: blocks[1] for client, blocks in devices.items()})
        server = study.mean(servers)
    found = {f"head/{client}": weights_of(own)[0] for client, own in heads.items()}
    return (found or {"head": head}) | {"device": device, "server": server}


def aligned(
    study: Study,
    head: nn.Module,
    server: nn.Module,
    stored: list[tuple[Tensor, Tensor]],
    epochs: int,
) -> nn.Module:
    """A head trained to give the server's gradients, sample by sample, with an optimizer of its own."""
    teacher = deepcopy(server)  # its running statistics change
    wanted = []
    for activation, labels in stored:
        leaf = activation.clone().requires_grad_()
        cross_entropy(teacher(leaf), labels, reduction="sum").backward()
        wanted.append(leaf.grad)
    student = Copy(study, head)
    student.begin_round(*weights_of(head))
    for _ in range(epochs):
        for (activation, labels), gradients in zip(stored, wanted, strict=True):
            leaf = activation.clone().requires_grad_()
            loss = cross_entropy(student.blocks[0](leaf), labels, reduction="sum")
            (own,) = torch.autograd.grad(loss, leaf, create_graph=True)
            distance = ((own - gradients) ** 2).flatten(1).sum(dim=1).mean()
            distance.backward(inputs=list(student.blocks[0].parameters()))
            student.step()
    return student.blocks[0]


def ampere(study: Study, first_phase: int) -> dict[str, Weights]:
    """2507.07130: FedAvg of block and head, then the server alone on activations sent once."""
    assert study.head is not None
    on_device, far = Copies(study, study.device, study.head), Copy(study, study.server)
    device, head = weights_of(study.device, study.head)
    pool: list[tuple[Tensor, Tensor]] = []
    for index in range(study.rounds):
        if index < first_phase:
            devices, heads = {}, {}
            for client in study.everybody(index):
                near = on_device[client]
                near.begin_round(device, head)
                for _, images, labels in study.training(client, index):
                    cross_entropy(near.blocks[1](near.blocks[0](images)), labels).backward()
                    near.step()
                devices[client], heads[client] = near.weights()
            device, head = study.mean(devices), study.mean(heads)
            continue
        if index == first_phase:
            frozen = deepcopy(study.device)
            frozen.load_state_dict(device)
            frozen.eval()
            for client in range(len(study.sizes)):
                for _, images, labels in study.batches(client, index, 0):
                    with torch.no_grad():
                        pool.append((frozen(images), labels))
        activations, labels = (torch.cat(values) for values in zip(*pool, strict=True))
        far.begin_round()
        for places, _, _ in study.training(EVERYBODY, index):
            cross_entropy(far.blocks[0](activations[places]), labels[places]).backward()
            far.step()
    return {"device": device, "head": head, "server": far.weights()[0]}


@dataclass
class GKT:
    """The options of FedGKT."""

    temperature: float
    alpha: float
    alpha_on_labels: bool = True
    server_epochs: int = 1


def gkt_device(
    study: Study, gkt: GKT, own: Copy, client: int, index: int, logits: dict[int, Tensor]
) -> list[tuple[Batch, Tensor, Tensor]]:
    """The device's part of He et al., NeurIPS 2020, Algorithm 1; `logits` are the server's, by position.

    Returns batch, activation and device logits of the second pass, which trains nothing.
    """
    device, head = own.blocks
    for places, images, labels in study.training(client, index):
        student = head(device(images))
        loss = cross_entropy(student, labels)
        known = [n for n, place in enumerate(places.tolist()) if place in logits]
        if known:
            teacher = torch.stack([logits[int(places[n])] for n in known])
            loss = loss + gkt.alpha * divergence(student[known], teacher, gkt.temperature)
        loss.backward()
        own.step()
    device.eval()
    head.eval()
    features = []
    for batch in study.batches(client, index, study.epochs):
        with torch.no_grad():
            activation = device(batch[1])
            features.append((batch, activation, head(activation)))
    return features


def gkt_server(
    gkt: GKT, far: Copy, features: list[tuple[Batch, Tensor, Tensor]], logits: dict[int, Tensor]
) -> None:
    """The server's part: train on labels and the device's logits; return its own, by sample."""
    for (places, _, labels), activation, teacher in features:
        student = far.blocks[0](activation)
        on_labels = cross_entropy(student, labels)
        on_logits = divergence(student, teacher, gkt.temperature)
        if gkt.alpha_on_labels:
            loss = on_logits + gkt.alpha * on_labels
        else:
            loss = on_labels + gkt.alpha * on_logits
        loss.backward()
        far.step()
        logits.update(zip(places.tolist(), student.detach(), strict=True))


def fedgkt(study: Study, gkt: GKT) -> dict[str, Weights]:
    """As in EcoFed's public code: a replica of each block for each client, all averaged."""
    assert study.head is not None
    on_device, on_server = Copies(study, study.device, study.head), Copies(study, study.server)
    device, head, server = weights_of(study.device, study.head, study.server)
    logits: dict[int, dict[int, Tensor]] = {}
    for index in range(study.rounds):
        devices, heads, servers = {}, {}, {}
        for client in study.everybody(index):
            near, far = on_device[client], on_server[client]
            near.begin_round(device, head)
            far.begin_round(server)
            known = logits.setdefault(client, {})
            features = gkt_device(study, gkt, near, client, index, known)
            gkt_server(gkt, far, features, known)
            devices[client], heads[client] = near.weights()
            (servers[client],) = far.weights()
        device, head, server = study.mean(devices), study.mean(heads), study.mean(servers)
    return {"device": device, "head": head, "server": server}


def fedgkt_without_exchange(study: Study, gkt: GKT) -> dict[str, Weights]:
    """He et al.: clients keep their blocks; one server block, several epochs over all features."""
    assert study.head is not None
    on_device = Copies(study, study.device, study.head)
    far = Copy(study, study.server)
    logits: dict[int, dict[int, Tensor]] = {}
    for index in range(study.rounds):
        features = {}
        for client in study.everybody(index):
            near = on_device[client]
            near.begin_round()
            known = logits.setdefault(client, {})
            features[client] = gkt_device(study, gkt, near, client, index, known)
        far.begin_round()
        for _ in range(gkt.server_epochs):
            for client, uploads in features.items():
                gkt_server(gkt, far, uploads, logits[client])
    weights_by_part = {"server": far.weights()[0]}
    for client, near in on_device.items():
        weights_by_part[f"device/{client}"], weights_by_part[f"head/{client}"] = near.weights()
    return weights_by_part


def through_8_bits(activation: Tensor) -> Tensor:
    """An activation after rounding to integers from -127 to 127."""
    scale = activation.abs().max().item() / 127
    return (activation / scale).round() * scale


def ecofed(study: Study, period: int, bits: int | None) -> dict[str, Weights]:
    """Wu et al., TPDS 2024: frozen block, quantised upload every `period`-th round, replay between."""
    frozen = deepcopy(study.device).eval()
    on_server = Copies(study, study.server)
    (server,) = weights_of(study.server)
    buffers: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for index in range(study.rounds):
        uploading = index % period == 0
        clients = study.everybody(index) if uploading else study.sample(index, sorted(buffers))
        servers = {}
        for client in clients:
            if uploading:
                buffers[client] = []
                for _, images, labels in study.training(client, index):
                    with torch.no_grad():
                        activation = frozen(images)
                    sent = activation if bits is None else through_8_bits(activation)
                    buffers[client].append((sent, labels))
            far = on_server[client]
            far.begin_round(server)
            for activation, labels in buffers[client]:
                cross_entropy(far.blocks[0](activation), labels).backward()
                far.step()
            (servers[client],) = far.weights()
        server = study.mean(servers)
    return {"device": weights_of(study.device)[0], "server": server}


def split_learning(study: Study) -> dict[str, Weights]:
    """Gupta and Raskar, 2018: the device block is passed from client to client."""
    near, far = Copy(study, study.device), Copy(study, study.server)
    for index in range(study.rounds):
        near.begin_round()
        far.begin_round()
        for client in study.everybody(index):
            for _, images, labels in study.training(client, index):
                split_step(near, far, images, labels)
    return {"device": near.weights()[0], "server": far.weights()[0]}


def centralised(study: Study) -> dict[str, Weights]:
    """Stochastic gradient descent on the samples of all clients in one place."""
    model = Copy(study, nn.Sequential(study.device, study.server))
    for index in range(study.rounds):
        model.begin_round()
        for _, images, labels in study.training(EVERYBODY, index):
            cross_entropy(model.blocks[0](images), labels).backward()
            model.step()
    device, server = weights_of(*model.blocks[0])
    return {"device": device, "server": server}


Twin = Callable[..., dict[str, Weights]]
TWINS: dict[str, tuple[Twin, dict[str, Any]]] = {
    "classic_fl": (classic_fl, {}),
    "{fedprox: {mu: 0.5}}": (classic_fl, {"mu": 0.5}),
    "{classic_fl: {aggregation: {fedavgm: {lr: 0.7, momentum: 0.6}}}}": (
        classic_fl,
        {"server_step": lambda: ServerSGD(0.7, 0.6)},
    ),
    "{fedprox: {mu: 0.1, aggregation: {fedadam: {lr: 0.02}}}}": (
        classic_fl,
        {"mu": 0.1, "server_step": lambda: ServerAdaptive(0.02, 0.9, 0.99, 1e-3, yogi=False)},
    ),
    "{classic_fl: {aggregation: {fedyogi: {lr: 0.02, beta1: 0.5, beta2: 0.8, tau: 0.01}}}}": (
        classic_fl,
        {"server_step": lambda: ServerAdaptive(0.02, 0.5, 0.8, 0.01, yogi=True)},
    ),
    "splitfed": (splitfed, {}),
    "pipar": (splitfed, {}),  # with micro-batches: in test_micro_batches
    "local_loss": (local_loss, {}),
    "{local_loss: {upload_every: 3}}": (local_loss_family, {"upload_every": 3}),
    "{local_loss: {upload_every: 2, auxiliary: aligned, align_every: 2, align_epochs: 3}}": (
        local_loss_family,
        {"upload_every": 2, "align_every": 2, "align_epochs": 3},
    ),
    "{ampere: {first_phase: 2}}": (ampere, {"first_phase": 2}),
    "{fedgkt: {alpha: 0.5}}": (fedgkt, {"gkt": GKT(3, 0.5)}),
    "{fedgkt: {temperature: 2, alpha: 0.5, server_alpha: logits}}": (
        fedgkt,
        {"gkt": GKT(2, 0.5, alpha_on_labels=False)},
    ),
    "{fedgkt: {alpha: 0.5, exchange_weights: false, server_epochs: 2}}": (
        fedgkt_without_exchange,
        {"gkt": GKT(3, 0.5, server_epochs=2)},
    ),
    "{ecofed: {init: random, bits: 8}}": (ecofed, {"period": 2, "bits": 8}),
    "{ecofed: {init: random, bits: null, period: 3}}": (ecofed, {"period": 3, "bits": None}),
    "split_learning": (split_learning, {}),
    "centralised": (centralised, {}),
    "smofi": (smofi, {"power": 0.5}),
    "{smofi: {staleness: constant}}": (smofi, {"power": 0}),
    "sfl_ga": (sfl_ga, {}),
    "{epsl: {share: 0}}": (epsl, {"share": 0}),
    "{epsl: {share: 0.3}}": (epsl, {"share": 0.3}),
    "{epsl: {share: 1}}": (epsl, {"share": 1}),
    "mergesfl": (mergesfl, {}),
}
