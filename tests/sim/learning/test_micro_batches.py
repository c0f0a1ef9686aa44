"""PiPar against a slow twin that passes each micro-batch through both blocks and sums the gradients."""

import pytest
import torch
from test_parity import in_double, study_of
from torch.nn.functional import cross_entropy
from twin_study import Copies, Study, Weights, weights_of


def piped(study: Study, micro_batches: int) -> dict[str, Weights]:
    """Train a batch in micro-batches, whose losses are weighted by their samples, with one step."""
    on_device, on_server = Copies(study, study.device), Copies(study, study.server)
    device, server = weights_of(study.device, study.server)
    for index in range(study.rounds):
        devices, servers = {}, {}
        for client in study.everybody(index):
            near, far = on_device[client], on_server[client]
            near.begin_round(device)
            far.begin_round(server)
            for _, images, labels in study.training(client, index):
                parts = torch.arange(len(labels)).tensor_split(min(micro_batches, len(labels)))
                sent = [near.blocks[0](images[part]) for part in parts]  # all forward passes first
                for part, activation in zip(parts, sent, strict=True):
                    received = activation.detach().clone().requires_grad_()
                    loss = cross_entropy(far.blocks[0](received), labels[part], reduction="sum")
                    (loss / len(labels)).backward()
                    activation.backward(received.grad)
                far.step()
                near.step()
            (devices[client],), (servers[client],) = near.weights(), far.weights()
        device, server = study.mean(devices), study.mean(servers)
    return {"device": device, "server": server}


@pytest.mark.parametrize("micro_batches", [3, 4])
def test_micro_batches_whose_gradients_are_summed_give_the_same_weights(micro_batches: int) -> None:
    """For a model without BatchNorm; the last batches of the shards have 2, 4 and 6 samples."""
    run = in_double(f"{{pipar: {{micro_batches: {micro_batches}}}}}", True, False, "lenet")
    study = study_of(run, True, False)
    start = {part: dict(run.states[part]) for part in ("device", "server")}
    expected = piped(study, micro_batches)
    states = run.train().states
    for part, weights in expected.items():
        for name, value in weights.items():
            torch.testing.assert_close(states[part][name], value, rtol=1e-9, atol=1e-10)
            assert (value - start[part][name]).abs().max() > 1e-4
