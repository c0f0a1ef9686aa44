"""Asynchronous methods train what their papers say; the order of the updates is in the digest."""

from functools import cache

import pytest
import torch
from test_parity import flat, in_double, study_of
from tiny_runs import only, results
from torch.nn.functional import cross_entropy
from twin_study import Copy, Weights, weights_of

from cutlayer.sim.results.method import MethodResult

EQUAL = "data.partition={sizes: [20, 20, 20]}"
ALONE = (
    "topology.star.clients.0.count=1",
    "data.partition={sizes: [60]}",
    "training.rounds=3",
)
SLOW = (
    "topology.star.clients=[{device: raspberry-pi-4b, link: 4g}, {device: raspberry-pi-3b-plus,"
    " link: 4g}, {device: raspberry-pi-4b, link: {up: 2 Mbit/s, down: 9 Mbit/s, delay: 9 ms}}]"
)


KEPT = "training.optimizer_state=kept"
COMING_AND_GOING = (
    "availability=[{clients: raspberry-pi-4b, on_disconnect: drop,"
    " markov: {online: 1 s, offline: 1 s}}]"
)


def updates_of(result: MethodResult) -> list[tuple[str, int]]:
    return [(update.client, update.read_version) for update in result.updates]


@pytest.mark.parametrize("kept", ["fresh", "kept"])
@pytest.mark.parametrize("averaging", ["samples", "equal"])
def test_fedbuff_of_all_clients_with_equal_devices_is_fedavg(kept: str, averaging: str) -> None:
    """Bit for bit: all read the current version, and the mean of their changes is that of the models."""
    pair = results(
        "methods=[classic_fl, {fedbuff: {buffer: 3}}]",
        EQUAL,
        "training.rounds=3",
        f"training.optimizer_state={kept}",
        f"training.averaging={averaging}",
    )
    assert pair["fedbuff"].weights_digest == pair["classic_fl"].weights_digest is not None
    assert [r.accuracy for r in pair["fedbuff"].rounds] == [
        r.accuracy for r in pair["classic_fl"].rounds
    ]
    assert pair["fedbuff"].virtual_time_s == pytest.approx(pair["classic_fl"].virtual_time_s)


def test_fedbuff_of_all_clients_with_unequal_devices_is_not() -> None:
    pair = results("methods=[classic_fl, {fedbuff: {buffer: 3}}]", EQUAL, SLOW, "training.rounds=3")
    assert pair["fedbuff"].weights_digest != pair["classic_fl"].weights_digest


@pytest.mark.parametrize("kept", ["fresh", "kept"])
def test_fedasync_of_one_client_at_rate_one_is_sgd_on_its_shard(kept: str) -> None:
    """So is classic FL with one client, whose batches are the same."""
    methods = "methods=[classic_fl, {fedasync: {rate: 1}}]"
    found = results(methods, *ALONE, f"training.optimizer_state={kept}")
    assert found["fedasync"].weights_digest == found["classic_fl"].weights_digest is not None


def test_a_rate_below_one_is_another_training() -> None:
    one, less = (only(f"methods=[{{fedasync: {{rate: {rate}}}}}]", *ALONE) for rate in (1, 0.9))
    assert one.weights_digest != less.weights_digest


def test_no_proximal_term_is_none() -> None:
    plain, other = (
        only(f"methods=[{{fedasync: {{mu: {mu}}}}}]", "training.rounds=1") for mu in (0, 0.5)
    )
    assert plain.weights_digest != other.weights_digest
    assert updates_of(plain) == updates_of(other)


METHODS = {
    "fedasync": "{fedasync: {rate: 0.5, staleness: {polynomial: {a: 0.5}}}}",
    "fedbuff": "{fedbuff: {buffer: 2, in_flight: 3, server_lr: 0.5, staleness: {hinge: {a: 2, b: 0}}}}",
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kept", [False, True])
def test_the_weights_are_those_of_a_slow_twin(name: str, kept: bool) -> None:
    """The twin replays the updates of the results, with its own formulas, in plain PyTorch."""
    run = in_double(METHODS[name], kept, False, "own_models:statistics")
    study = study_of(run, kept, False)
    run.train()
    states = run.states["device"] | run.states["server"]
    expected = twin(name, study, run.result)
    assert states.keys() == expected.keys()
    assert max(update.staleness or 0 for update in run.result.updates) > 0
    for key, value in expected.items():
        assert torch.allclose(states[key].double(), value.double(), rtol=0, atol=1e-12), key


def twin(name: str, study, result: MethodResult) -> Weights:
    """Replay the folds of a run: each update trains the version that it read."""
    clients = sorted({update.client for update in result.updates}, key=lambda c: int(c[-1]))
    assert len(clients) == len(study.sizes)
    copies = [Copy(study, study.device, study.server) for _ in clients]
    versions = [flat(a | b) for a, b in [weights_of(study.device, study.server)]]
    parts = [set(block.state_dict()) for block in (study.device, study.server)]
    trained = [0] * len(clients)
    for version in range(1, result.updates[-1].version + 1):
        folded, before = [u for u in result.updates if u.version == version], versions[-1]
        after = {key: value.clone() for key, value in before.items()}
        total = sum(study.sizes[clients.index(u.client)] for u in folded)
        for update in folded:
            client = clients.index(update.client)
            read = versions[update.read_version]
            own = copies[client]
            own.begin_round(*({key: read[key] for key in part} for part in parts))
            for _, images, labels in study.training(client, trained[client]):
                cross_entropy(own.blocks[1](own.blocks[0](images)), labels).backward()
                own.step()
            trained[client] += 1
            (device, server), tau = own.weights(), version - 1 - update.read_version
            model = flat(device | server)
            for key, value in model.items():
                if not value.is_floating_point():
                    after[key] = torch.maximum(after[key], value)
                elif name == "fedasync":
                    a = 0.5 * (1 + tau) ** -0.5
                    after[key] = (1 - a) * before[key] + a * value
                else:
                    share = 0.5 * study.sizes[client] / total * (1 / (2 * tau + 1) if tau else 1)
                    after[key] = after[key] + share * (value - read[key])
        versions.append(after)
    return versions[-1]


@cache
def timed(name: str, *overrides: str) -> MethodResult:
    return only(f"methods=[{METHODS[name]}]", "training.rounds=3", *overrides, executor="none")


@pytest.mark.parametrize("name", METHODS)
def test_links_with_one_order_of_updates_share_a_training_and_others_do_not(name: str) -> None:
    up = "topology.star.clients.0.link={up: 4 Mbit/s, down: 9 Mbit/s, delay: 30 ms}"
    here, there, elsewhere = timed(name), timed(name, up), timed(name, SLOW)
    assert updates_of(here) == updates_of(there)
    assert here.event_digest != there.event_digest
    assert here.learning_digest == there.learning_digest is not None
    assert updates_of(here) != [
        (client.replace("3b-plus", "4b"), version) for client, version in updates_of(elsewhere)
    ]
    assert elsewhere.learning_digest != here.learning_digest


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("overrides", [(), (SLOW,), (KEPT,), (KEPT, COMING_AND_GOING)], ids=str)
def test_without_tensors_the_digests_are_the_same(name: str, overrides: tuple[str, ...]) -> None:
    trained = only(f"methods=[{METHODS[name]}]", "training.rounds=3", *overrides)
    without = timed(name, *overrides)
    assert trained.event_digest == without.event_digest
    assert trained.learning_digest == without.learning_digest is not None
    assert trained.updates == without.updates
    assert any(u.dropped for u in without.updates) == (COMING_AND_GOING in overrides)
    assert trained.weights_digest is not None
