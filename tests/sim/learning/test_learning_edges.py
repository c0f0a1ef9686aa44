"""Training with edge nodes: against flat training, against a twin in plain torch, and its digests."""

import pytest
import torch
from tiny_runs import Inside, only, results
from torch import Tensor
from torch.nn import functional

import cutlayer.models.catalogue
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.inline import Inline
from cutlayer.sim.learning.pending import Reports

LINK = "{up: 8 Mbit/s, down: 8 Mbit/s, delay: 5 ms}"
PI = "{device: raspberry-pi-4b, count: 1, link: 4g}"
SHORT = "training.rounds=1"


def tiers(*counts: int) -> str:
    """A topology with an edge node for each of some numbers of clients."""
    nodes = [
        f"{{name: e{i}, link: {LINK}, device: jetson-nano, "
        f"clients: [{PI.replace('count: 1', f'count: {count}')}]}}"
        for i, count in enumerate(counts)
    ]
    server = "server: {device: server-8-core, slots: 1}"
    return f"topology={{two_tier: {{{server}, edge_nodes: [{', '.join(nodes)}]}}}}"


def with_edges(name: str, k2: int, place: str | None = None, more: str = "") -> str:
    block = "" if place is None else f", server_block: {place}"
    return f"{{{name}: {{edges: {{rounds: {k2}{block}}}{more}}}, label: {name}-{k2}-{place}}}"


def methods(*entries: str) -> str:
    return f"methods=[{', '.join(entries)}]"


@pytest.mark.parametrize("counts", [(3,), (1, 1), (1,)])
@pytest.mark.parametrize("name", ["classic_fl", "splitfed", "ecofed"])
def test_one_edge_round_is_the_flat_method_bit_for_bit(counts: tuple[int, ...], name: str) -> None:
    """A mean of one mean, and a mean of means of one member each, round as the flat mean."""
    sizes = (
        "data.partition={sizes: [10, 20, 30]}" if counts == (3,) else "data.partition={sizes: 20}"
    )
    init = ", init: random" if name == "ecofed" else ""
    flat = f"{{{name}: {{init: random}}}}"
    found = results(tiers(*counts), sizes, methods(flat, with_edges(name, 1, None, init)))
    one, other = found.values()
    assert one.weights_digest == other.weights_digest
    assert one.learning_digest != other.learning_digest


@pytest.mark.parametrize("name", ["classic_fl", "splitfed"])
def test_one_edge_round_is_the_flat_method_up_to_rounding(name: str) -> None:
    """Four clients of unequal shards behind two edge nodes: the mean of the weighted means."""
    settings = (tiers(3, 1), "data.partition={sizes: [10, 20, 14, 16]}")
    flat = Inside(*settings, methods(name)).train()
    nested = Inside(*settings, methods(with_edges(name, 1))).train()
    assert flat.states.keys() == nested.states.keys()
    for part in ("device", "server"):
        for key, value in flat.states[part].items():
            torch.testing.assert_close(nested.states[part][key], value, atol=1e-6, rtol=1e-5)


def hierfavg_in_plain_torch(run: Inside, rounds: int, k2: int) -> dict[str, Tensor]:
    """Liu et al., Algorithm 1, on the whole model; batches come from the run's own feed."""
    feed, recipe = run.workspace.feed, run.workspace.recipe
    model = cutlayer.models.catalogue.build(recipe.model, classes=10, seed=recipe.seed)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    cloud = {name: value.clone() for name, value in model.state_dict().items()}
    clients = list(run.method.world.fleet.clients)
    for index in range(rounds):
        edges, sizes = [], []
        for edge in sorted({client.edge for client in clients}, reverse=True):
            members = [client for client in clients if client.edge == edge]
            weights, total = cloud, sum(client.samples for client in members)
            for turn in range(k2):
                mean = {name: torch.zeros_like(value) for name, value in cloud.items()}
                for client in members:
                    model.load_state_dict(weights)
                    sgd = torch.optim.SGD(model.parameters(), lr=0.05 * 0.5**index, momentum=0.9)
                    for position, size in enumerate(client.batch_sizes):
                        batch = Batch(0, 0, position, size)
                        images, labels = feed.batch(client.index, index * k2 + turn, batch)
                        sgd.zero_grad()
                        functional.cross_entropy(model(images), labels).backward()
                        sgd.step()
                    for name, value in model.state_dict().items():
                        mean[name] += value * (client.samples / total)
                weights = mean
            edges.append(weights)
            sizes.append(total)
        cloud = {
            name: sum(
                edge[name] * (size / sum(sizes)) for edge, size in zip(edges, sizes, strict=True)
            )
            for name in cloud
        }
    return cloud


def test_training_is_that_of_the_paper() -> None:
    """Two rounds of two edge rounds; the learning rate is that of the round."""
    run = Inside(
        tiers(2, 1),
        "training.lr_schedule={exponential: {gamma: 0.5}}",
        methods(with_edges("classic_fl", 2)),
    )
    twin = hierfavg_in_plain_torch(run, rounds=2, k2=2)
    states = run.train().states
    assert set(states) == {"device", "server"}, "those of edge nodes are gone after the round"
    assert states["device"].keys() == twin.keys()
    for name, value in twin.items():
        torch.testing.assert_close(states["device"][name], value, atol=1e-6, rtol=1e-5)


def test_the_place_of_the_server_block_makes_no_difference_to_the_weights() -> None:
    entries = [with_edges("splitfed", 2, place) for place in ("server", "edge")]
    entries += [with_edges("ecofed", 3, place, ", init: random") for place in ("server", "edge")]
    found = list(results(tiers(2, 1), methods(*entries), SHORT).values())
    for one, other in (found[:2], found[2:]):
        assert one.learning_digest == other.learning_digest
        assert one.weights_digest == other.weights_digest
        assert one.event_digest != other.event_digest


def test_splitfed_with_edge_nodes_ends_with_the_weights_of_classic_fl() -> None:
    entries = [with_edges(name, 2) for name in ("classic_fl", "splitfed")]
    one, other = results(tiers(1, 2), methods(*entries)).values()
    assert one.weights_digest == other.weights_digest


@pytest.mark.parametrize("name", ["classic_fl", "splitfed", "ecofed"])
def test_a_run_without_tensors_has_the_same_digests(name: str) -> None:
    init = ", init: random" if name == "ecofed" else ""
    settings = (tiers(2, 1), methods(with_edges(name, 2, None, init)), "training.rounds=3")
    trained, timed = (only(*settings, executor=executor) for executor in ("inline", "none"))
    assert trained.event_digest == timed.event_digest
    assert trained.learning_digest == timed.learning_digest
    other = only(*settings[:1], methods(with_edges(name, 3, None, init)), executor="none")
    assert other.learning_digest != timed.learning_digest


def test_an_interrupted_round_undoes_what_edge_nodes_have_averaged(monkeypatch) -> None:
    """Interrupted in the second edge round of the second round: the weights are those of the first."""
    settings = (tiers(2, 1), methods(with_edges("splitfed", 2)))
    one = Inside(*settings).train(1).result
    real, count = Inline.run, 0

    def interrupted(self: Inline, *arguments: object) -> Reports:
        nonlocal count
        count += bool(arguments[0])  # without the closing of a round, which folds nothing
        if count == 7:
            raise KeyboardInterrupt
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Inline, "run", interrupted)
    stopped = Inside(*settings)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(2)
    assert count == 7
    assert len(stopped.result.rounds) == 1
    assert stopped.result.weights_digest == one.weights_digest


def test_kept_optimizer_states_and_server_optimizers_go_together_with_edge_nodes() -> None:
    more = ", aggregation: {fedavgm: {lr: 1.0, momentum: 0.0}}"
    settings = (tiers(3), "training.optimizer_state=kept", "training.rounds=2")
    entries = [with_edges("classic_fl", 2), with_edges("classic_fl", 2, None, more)]
    entries[1] = entries[1].replace("-None", "-momentum")
    plain, momentum = results(*settings, methods(*entries)).values()
    assert plain.weights_digest == momentum.weights_digest
    assert plain.learning_digest != momentum.learning_digest


def with_peers(weak: int, strong: int, k2: int = 1) -> tuple[str, str]:
    """A star of weak clients and peers, and SplitFed with these peers."""
    clients = (
        f"{{device: raspberry-pi-3b-plus, count: {weak}, link: 4g}}, "
        f"{{device: jetson-nano, count: {strong}, link: wifi-50}}"
    )
    star = f"{{star: {{server: {{device: server-8-core, slots: 1}}, clients: [{clients}]}}}}"
    edges = f"{{edges: {{peers: jetson-nano, rounds: {k2}}}}}"
    return f"topology={star}", methods("splitfed", f"{{splitfed: {edges}, label: peers}}")


@pytest.mark.parametrize("sizes", ["[10, 20, 30]", "20"])
def test_one_peer_ends_with_the_weights_of_flat_splitfed_bit_for_bit(sizes: str) -> None:
    found = results(*with_peers(2, 1), f"data.partition={{sizes: {sizes}}}")
    one, other = found.values()
    assert one.weights_digest == other.weights_digest
    assert one.learning_digest != other.learning_digest


def test_peers_end_with_the_weights_of_flat_splitfed_up_to_rounding() -> None:
    """Two peers with a weak client each: the mean of the weighted means."""
    topology, entries = with_peers(2, 2)
    settings = (topology, "data.partition={sizes: [10, 20, 14, 16]}")
    flat = Inside(*settings, methods("splitfed")).train()
    nested = Inside(*settings, entries.replace("methods=[splitfed, ", "methods=[")).train()
    assert flat.states.keys() == nested.states.keys()
    for part in ("device", "server"):
        for key, value in flat.states[part].items():
            torch.testing.assert_close(nested.states[part][key], value, atol=1e-6, rtol=1e-5)


def test_peers_have_the_same_digests_with_and_without_tensors() -> None:
    settings = (*with_peers(2, 1, 2), "training.clients_per_round=2", "training.rounds=3")
    trained, timed = (results(*settings, executor=one)["peers"] for one in ("inline", "none"))
    assert trained.event_digest == timed.event_digest
    assert trained.learning_digest == timed.learning_digest
    more_rounds = with_peers(2, 1, 3)
    another_peer = tuple(
        text.replace("peers: jetson-nano", "peers: raspberry-pi-3b-plus-1") for text in settings[:2]
    )
    for changed in (more_rounds, another_peer):
        other = results(*changed, *settings[2:], executor="none")["peers"]
        assert other.learning_digest != timed.learning_digest
