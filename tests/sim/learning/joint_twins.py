"""The methods whose server steps for all clients together, in plain PyTorch.

Step k is on the k-th batch of every client that has one. Weights of clients are those of the average.
"""

from collections.abc import Iterator
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from twin_study import Batch, Copies, Copy, Study, Weights, weights_of


def joint_steps(study: Study, index: int) -> Iterator[tuple[int, dict[int, Batch]]]:
    """Each step of a round, with the batch of every client that has one."""
    batches = {client: study.training(client, index) for client in study.everybody(index)}
    for number in range(max(map(len, batches.values()))):
        yield number, {c: own[number] for c, own in batches.items() if number < len(own)}


def weight(study: Study, client: int) -> float:
    return 1 if study.equal else study.sizes[client]


def mergesfl(study: Study) -> dict[str, Weights]:
    """Liao et al., 2023: one loss over all samples; a client's gradient is that of its own loss."""
    on_device, far = Copies(study, study.device), Copy(study, study.server)
    device, server = weights_of(study.device, study.server)
    for index in range(study.rounds):
        far.begin_round(server)
        for client in study.everybody(index):
            on_device[client].begin_round(device)
        for _, batches in joint_steps(study, index):
            sent = {c: on_device[c].blocks[0](images) for c, (_, images, _) in batches.items()}
            received = {c: a.detach().clone().requires_grad_() for c, a in sent.items()}
            logits = far.blocks[0](torch.cat([*received.values()]))
            count, begin = len(logits), 0
            loss = torch.zeros(())
            for _, _, labels in batches.values():
                own = logits[begin : begin + len(labels)]
                loss = loss + cross_entropy(own, labels, reduction="sum") / count
                begin += len(labels)
            loss.backward()
            far.step()
            for client, activation in sent.items():
                gradient = received[client].grad
                assert gradient is not None
                activation.backward(gradient * count / len(activation))
                on_device[client].step()
        devices = {c: on_device[c].weights()[0] for c in study.everybody(index)}
        device, (server,) = study.mean(devices), far.weights()
    return {"device": device, "server": server}


def epsl(study: Study, share: float) -> dict[str, Weights]:
    """Lin et al., 2024; a step of a single client aggregates nothing."""
    on_device, far = Copies(study, study.device), Copy(study, study.server)
    device, server = weights_of(study.device, study.server)
    for index in range(study.rounds):
        far.begin_round(server)
        block = far.blocks[0]
        for client in study.everybody(index):
            on_device[client].begin_round(device)
        for _, batches in joint_steps(study, index):
            total = sum(weight(study, c) for c in batches)
            shares = {c: weight(study, c) / total for c in batches}
            smallest = min(len(labels) for _, _, labels in batches.values())
            rows = ceil(share * smallest) if len(batches) > 1 else 0
            sent = {c: on_device[c].blocks[0](images) for c, (_, images, _) in batches.items()}
            received = {c: a.detach().clone().requires_grad_() for c, a in sent.items()}
            logits = block(torch.cat([*received.values()]))
            objective, begin, summed = torch.zeros(()), 0, torch.zeros(())
            for client, (_, _, labels) in batches.items():
                own = logits[begin : begin + len(labels)]
                begin += len(labels)
                # The gradient of the cross-entropy with respect to the logits.
                wanted = torch.nn.functional.one_hot(labels, own.shape[1])
                last = shares[client] * (own.detach().softmax(1) - wanted) / len(labels)
                summed = summed + last[:rows]
                objective = objective + (own[rows:] * last[rows:]).sum()
            objective.backward()
            own_part = {c: a.grad[rows:] / shares[c] for c, a in received.items()}  # type: ignore[index]
            if rows:
                mean = sum(shares[c] * a.detach()[:rows] for c, a in received.items())
                assert isinstance(mean, Tensor)
                mean.requires_grad_()
                before = {name: value.clone() for name, value in block.named_buffers()}
                (block(mean) * summed).sum().backward()
                block.load_state_dict(before, strict=False)
                assert mean.grad is not None
                own_part = {c: torch.cat([mean.grad, part]) for c, part in own_part.items()}
            far.step()
            for client, activation in sent.items():
                activation.backward(own_part[client])
                on_device[client].step()
        devices = {c: on_device[c].weights()[0] for c in study.everybody(index)}
        device, (server,) = study.mean(devices), far.weights()
    return {"device": device, "server": server}


def sfl_ga(study: Study) -> dict[str, Weights]:
    """Liang et al., 2025: each client goes back from the clients' mean gradient, row by row."""
    on_device, on_server = Copies(study, study.device), Copies(study, study.server)
    device, server = weights_of(study.device, study.server)
    for index in range(study.rounds):
        for client in study.everybody(index):
            on_device[client].begin_round(device)
            on_server[client].begin_round(server)
        for _, batches in joint_steps(study, index):
            sent, gradients = {}, {}
            for client, (_, images, labels) in batches.items():
                sent[client] = on_device[client].blocks[0](images)
                received = sent[client].detach().clone().requires_grad_()
                cross_entropy(on_server[client].blocks[0](received), labels).backward()
                on_server[client].step()
                assert received.grad is not None
                gradients[client] = received.grad
            rows = []
            for j in range(max(map(len, gradients.values()))):
                having = [c for c, gradient in gradients.items() if j < len(gradient)]
                total = sum(weight(study, c) for c in having)
                rows.append(sum(weight(study, c) / total * gradients[c][j] for c in having))
            for client, activation in sent.items():
                activation.backward(torch.stack(rows[: len(activation)]))  # type: ignore[arg-type]
                on_device[client].step()
        everybody = study.everybody(index)
        device = study.mean({c: on_device[c].weights()[0] for c in everybody})
        server = study.mean({c: on_server[c].weights()[0] for c in everybody})
    return {"device": device, "server": server}


def smofi(study: Study, power: float) -> dict[str, Weights]:
    """Yang et al., AAAI 2026, with the server's SGD written out; a finished client counts less."""
    on_device, on_server = Copies(study, study.device), Copies(study, study.server)
    device, server = weights_of(study.device, study.server)
    buffers: dict[int, list[Tensor]] = {}
    for index in range(study.rounds):
        everybody = study.everybody(index)
        for client in everybody:
            on_device[client].begin_round(device)
            on_server[client].begin_round(server)
        if not study.kept:
            buffers = {}
        last: dict[int, tuple[int, list[Tensor]]] = {}
        for number, batches in joint_steps(study, index):
            for client, (_, images, labels) in batches.items():
                block = on_server[client].blocks[0]
                weights = list(block.parameters())
                activation = on_device[client].blocks[0](images)
                received = activation.detach().clone().requires_grad_()
                loss = cross_entropy(block(received), labels)
                *gradients, back = torch.autograd.grad(loss, [*weights, received])
                old = buffers.get(client, [torch.zeros_like(w) for w in weights])
                new = []
                for w, gradient, momentum in zip(weights, gradients, old, strict=True):
                    full = gradient + study.weight_decay * w.detach()
                    new.append(study.momentum * momentum + full)
                    w.data -= study.lr * new[-1]
                last[client] = number, new
                activation.backward(back)
                on_device[client].step()
            factors = {
                c: weight(study, c) * (1 + number - step) ** -power for c, (step, _) in last.items()
            }
            total = sum(factors.values())
            every = zip(*(last[c][1] for c in factors), strict=True)
            mean = [
                sum(f / total * m for f, m in zip(factors.values(), momenta, strict=True))
                for momenta in every
            ]
            for client in batches:
                buffers[client] = mean  # type: ignore[assignment]
        device = study.mean({c: on_device[c].weights()[0] for c in everybody})
        server = study.mean({c: on_server[c].weights()[0] for c in everybody})
    return {"device": device, "server": server}
