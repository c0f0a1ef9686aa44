"""Folds at any time: versions of states, differences of stale members, mixes, and folds of states."""

import pytest
import torch
from tiny_runs import Inside, key, keys
from torch import Tensor

from cutlayer.sim.learning.aggregation import FedAdam, FedAvg
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.inline import Inline
from cutlayer.sim.learning.learning import Learning
from cutlayer.sim.learning.state_key import SERVER, StateKey


def layer(*overrides: str) -> Learning:
    workspace = Inside(*overrides).workspace
    initial = {key("device"): "d", key("server"): "s"}
    return Learning(workspace.recipe, initial, lambda client: f"shard {client}", Inline(workspace))


def move(run: ChainRun, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for weight in run.replica("server").module.parameters():
        weight.data.add_(torch.randn(weight.shape, generator=draw), alpha=0.1)


def step(run: ChainRun, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    replica = run.replica("server")
    for weight in replica.module.parameters():
        weight.grad = torch.randn(weight.shape, generator=draw)
    replica.step()


def opened(learning: Learning, client: int, samples: int = 10, *, at_end: bool = True) -> Chain:
    chain = learning.chain(
        0, client, samples, reads=keys("server"), averages=keys("server"), at_end=at_end
    )
    chain.do(move, client)
    return chain


def moved(start: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """What `move` makes of weights, written out."""
    draw = torch.Generator().manual_seed(seed)
    return {
        name: value + 0.1 * torch.randn(value.shape, generator=draw)
        for name, value in start.items()
    }


def server(learning: Learning) -> dict[str, Tensor]:
    return dict(learning.executor.workspace.states[SERVER])  # type: ignore[union-attr]


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-6)


def test_a_chain_reads_the_version_that_was_current_when_it_was_opened() -> None:
    learning = layer()
    first = server(learning)
    slow = opened(learning, 1)
    learning.fold([opened(learning, 0)])
    assert_close(server(learning), moved(first, 0))
    learning.fold([slow])
    assert_close(server(learning), moved(first, 1))


def test_versions_are_freed_with_their_last_reader() -> None:
    learning = layer()
    states = learning.executor.workspace.states  # type: ignore[union-attr]
    at_first = states.kept
    slow = [opened(learning, 8), opened(learning, 9)]
    for client in range(3):
        learning.fold([opened(learning, client)])
    assert states.kept == at_first + 1  # the version that the two slow ones read
    learning.fold(slow[:1])
    assert states.kept == at_first + 1
    learning.drop(slow[1])
    assert states.kept == at_first


def test_a_client_may_drop_out_while_its_former_update_waits_in_a_buffer() -> None:
    """What the waiting one writes does not exist yet, and the next update reads it."""
    learning = layer("training.optimizer_state=kept")
    assert learning.executor is not None
    optimizer = StateKey("server", 1, "optimiser")
    waiting = opened(learning, 1, at_end=False)
    lost = opened(learning, 1, at_end=False)
    assert optimizer in lost.reads
    learning.drop(lost)
    again = opened(learning, 1, at_end=False)
    learning.fold([waiting, opened(learning, 0)])
    learning.fold([again])
    states = learning.executor.workspace.states  # type: ignore[attr-defined]
    assert optimizer in states
    assert states.version(optimizer) == learning.versions[optimizer]
    assert states.kept == len(states)


def test_a_later_update_of_a_client_may_be_folded_before_an_earlier_one() -> None:
    """It starts from the optimizer of the earlier one, whose member stays what it was."""
    kept = StateKey("server", 1, "optimiser")

    def folded(*order: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        learning = layer("training.optimizer_state=kept")
        assert learning.executor is not None
        chains = [opened(learning, 1, at_end=False) for _ in range(2)]
        for number, chain in enumerate(chains):
            chain.do(step, number)
        weights = []
        for number in order:
            learning.fold([chains[number]])
            weights.append(server(learning))
        states = learning.executor.workspace.states  # type: ignore[attr-defined]
        assert states.kept == len(states)
        assert states.version(kept) == learning.versions[kept] == 1
        return weights[order.index(0)], weights[order.index(1)]

    for one, other in zip(folded(0, 1), folded(1, 0), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_differences_of_stale_members_are_added_to_the_current_weights() -> None:
    """FedBuff by hand: w + sum over members of share (w_k - the version that k read)."""
    learning = layer()
    w0 = server(learning)
    stale = opened(learning, 1, samples=10)
    learning.fold([opened(learning, 0)])
    w1 = server(learning)
    fresh = opened(learning, 2, samples=30)
    learning.fold([stale, fresh], weights=[5.0, 30.0], total=40, deltas=True)
    of_stale, of_fresh = moved(w0, 1), moved(w1, 2)
    expected = {
        name: w1[name]
        + 5 / 40 * (of_stale[name] - w0[name])
        + 30 / 40 * (of_fresh[name] - w1[name])
        for name in w1
    }
    assert_close(server(learning), expected)


def test_differences_of_members_that_are_all_fresh_are_their_mean_bit_for_bit() -> None:
    plain, deltas = layer(), layer()
    samples = (10, 20, 30)
    plain.fold([opened(plain, client, n) for client, n in enumerate(samples)])
    chains = [opened(deltas, client, n) for client, n in enumerate(samples)]
    deltas.fold(chains, weights=samples, total=sum(samples), deltas=True)
    for name, value in server(plain).items():
        assert torch.equal(value, server(deltas)[name]), name


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_a_share_below_1_mixes_a_member_into_the_weights(rate: float) -> None:
    """FedAsync by hand: w + rate (w_k - w)."""
    learning = layer()
    start = server(learning)
    learning.fold([opened(learning, 4)], weights=[rate], total=1.0)
    member = moved(start, 4)
    expected = {name: (1 - rate) * start[name] + rate * member[name] for name in start}
    assert_close(server(learning), expected)
    if rate == 1:
        alone = layer()
        alone.fold([opened(alone, 4)])
        assert all(torch.equal(v, server(alone)[n]) for n, v in server(learning).items())


def test_the_order_and_the_weights_of_folds_are_in_the_digest() -> None:
    def folded(*order: int, rate: float = 0.5) -> str | None:
        learning = layer()
        chains = {client: opened(learning, client) for client in (0, 1)}
        for client in order:
            learning.fold([chains[client]], weights=[rate], total=1.0)
        learning.close_window()
        return learning.run_digest

    digests = [folded(0, 1), folded(1, 0), folded(0), folded(0, 1, rate=0.6)]
    assert len(set(digests)) == 4
    assert folded(0, 1) == digests[0] is not None


@pytest.mark.parametrize("at_end", [False, True])
def test_chains_that_are_open_are_not_part_of_a_closed_window(at_end: bool) -> None:
    alone, open_too = layer("training.optimizer_state=kept"), layer("training.optimizer_state=kept")
    for learning in (alone, open_too):
        for round_index in range(2):
            chain = opened(learning, 0, at_end=at_end)
            if learning is open_too and round_index == 1:
                opened(learning, 1, at_end=at_end)
            learning.fold([chain])
            if learning is open_too and round_index == 1:
                opened(learning, 0, at_end=at_end)
            learning.close_window()
    assert alone.run_digest == open_too.run_digest is not None


def test_states_of_nodes_are_merged_and_copied() -> None:
    learning = layer()
    first = server(learning)
    edges = [StateKey("server", "edge-0"), StateKey("server", "edge-1")]
    for edge, client in zip(edges, (0, 1), strict=True):
        learning.assign(edge, SERVER)
        chain = learning.chain(0, client, 10, reads=(edge,), averages=(edge,))
        chain.do(move, client)
        learning.fold([chain])
    assert_close(server(learning), first)
    learning.merge(SERVER, edges, [10, 30])
    both = moved(first, 0), moved(first, 1)
    assert_close(server(learning), {n: (both[0][n] + 3 * both[1][n]) / 4 for n in first})
    assert edges[0].text == "server/edge-0"


def test_moments_of_an_aggregation_survive_folds_at_any_time() -> None:
    rounds, folds = layer(), layer()
    for learning in (rounds, folds):
        learning.aggregation = FedAdam(lr=0.1)
        for index in range(3):
            chains = [opened(learning, 10 * index + client) for client in (0, 1)]
            if learning is rounds:
                learning.close_round()
            else:
                learning.fold(chains)
                learning.close_window()
    assert all(torch.equal(v, server(folds)[n]) for n, v in server(rounds).items())
    assert rounds.run_digest == folds.run_digest


def test_a_mark_keeps_the_states_of_its_window_and_those_that_open_chains_read() -> None:
    learning = layer()
    first = server(learning)
    slow = opened(learning, 9)
    learning.fold([opened(learning, 0)])
    mark = learning.close_window().mark
    assert mark is not None
    closed, digest = server(learning), mark.weights_digest()
    learning.fold([slow, opened(learning, 1)], FedAvg())
    values, version = mark.values(), mark.versions()[SERVER]
    assert all(values[SERVER, version][name] is value for name, value in closed.items())
    assert all(values[SERVER, 0][name] is value for name, value in first.items())
    assert mark.weights_digest() == digest
    learning.close_window()


def test_a_published_trunk_goes_on() -> None:
    """The server block of a run-long chain is current at each publication, and keeps its replica."""
    learning = layer()
    trunk = learning.chain(0, -1, 10, reads=keys("server"), writes=keys("server"), at_end=True)
    group = learning.interleave(trunk)
    first = server(learning)
    seen = []
    for seed in (5, 6):
        turns = group.join(learning.chain(0, seed, 10, reads=keys("device"), at_end=True))
        turns.do(move, seed)
        learning.publish(group)
        learning.close_window()
        seen.append((server(learning), learning.run_digest))
    assert_close(seen[0][0], moved(first, 5))
    assert_close(seen[1][0], moved(moved(first, 5), 6))
    assert seen[0][1] != seen[1][1]
