"""Chains can only access the states that they declare, and their digests cover exactly these."""

from itertools import combinations
from typing import Any

import pytest
import torch
from tiny_runs import Inside, key, keys

from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.digest import node
from cutlayer.sim.learning.inline import Inline
from cutlayer.sim.learning.learning import Learning


def learning(*overrides: str, trains: bool = True) -> Learning:
    workspace = Inside(*overrides).workspace
    workspace.states[key("buffer/0")] = []
    initial = {key("device"): "d", key("server"): "s", key("buffer/0"): "b"}
    executor = Inline(workspace) if trains else None
    return Learning(workspace.recipe, initial, lambda client: f"shard {client}", executor)


def run_one(operation: Any, **declared: tuple[str, ...]) -> Learning:
    layer = learning()
    layer.chain(0, 0, 10, **declared).do(operation)
    layer.close_round()
    return layer


UNDECLARED = {
    "read": lambda run: run.read(key("buffer/0")),
    "replica": lambda run: run.replica("device"),
    "frozen": lambda run: run.frozen("device"),
    "fill": lambda run: run.fill(key("buffer/0")),
    "table": lambda run: run.table(key("logits/0"), 0, 10),
}


@pytest.mark.parametrize("name", UNDECLARED)
def test_access_to_an_undeclared_state_fails(name: str) -> None:
    with pytest.raises(AssertionError, match="but not declared"):
        run_one(UNDECLARED[name], reads=keys("server"))


def test_declared_states_may_be_used() -> None:
    def use(run: ChainRun) -> None:
        run.read(key("buffer/0"))
        run.replica("device")
        run.fill(key("buffer/0")).append(1)
        run.table(key("logits/0"), 0, 10)

    layer = run_one(use, reads=keys("device", "buffer/0"), writes=keys("buffer/0", "logits/0"))
    states = layer.executor.workspace.states  # type: ignore[union-attr]
    assert states[key("buffer/0")] == [1]
    assert states[key("logits/0")].shape == (10, 10)
    assert states[key("logits/0")].isnan().all()


def test_averaging_an_undeclared_state_fails() -> None:
    with pytest.raises(AssertionError, match="server is read but not declared"):
        run_one(lambda run: None, reads=keys("device"), averages=keys("server"))


def test_a_chain_without_tensors_records_nothing() -> None:
    chain = learning(trains=False).chain(0, 0, 10, reads=keys("server"), averages=keys("server"))
    assert chain.do(lambda run: 1 / 0) is None
    assert chain.operations == []


def test_references_carry_results_to_later_operations() -> None:
    seen = []
    layer = learning()
    chain = layer.chain(0, 0, 10, reads=keys("server"))
    first = chain.do(lambda run: 20)
    second = chain.do(lambda run, value, more: value + more, first, 1)
    chain.do(lambda run, value: seen.append(value), second)
    assert seen == []
    layer.close_round()
    assert seen == [21]


DECLARED: dict[str, Any] = {
    "round_index": 1,
    "client": 1,
    "reads": keys("server"),
    "averages": keys("device", "server"),
    "writes": keys("buffer/1"),
    "members": (0, 1),
}


def opened(layer: Learning, **changed: Any) -> Chain:
    plain: dict[str, Any] = {"round_index": 0, "client": 0, "samples": 10}
    plain |= {"reads": keys("device", "server"), "averages": keys("server")}
    return layer.chain(**(plain | changed))


def test_the_digest_covers_everything_that_a_chain_declares() -> None:
    digests = {"plain": opened(learning(trains=False)).digest}
    for name, value in DECLARED.items():
        digests[name] = opened(learning(trains=False), **{name: value}).digest
    rates = "training.lr_schedule={exponential: {gamma: 0.5}}"
    digests["rate"] = opened(learning(rates, trains=False), round_index=1).digest
    for one, other in combinations(digests, 2):
        assert digests[one] != digests[other], (one, other)
    assert opened(learning(trains=False)).digest == digests["plain"]


def test_a_chains_digest_depends_only_on_the_states_that_it_reads() -> None:
    layers = [learning(trains=False) for _ in range(3)]
    layers[1].digests[key("server")] = "another"
    layers[2].digests[key("buffer/0")] = "another"
    plain, read, unread = (opened(layer).digest for layer in layers)
    assert plain == unread != read


def test_the_digest_of_a_round_covers_the_averaged_clients() -> None:
    def closed(*clients: tuple[int, int]) -> str | None:
        layer = learning(trains=False)
        for client, samples in clients:
            layer.chain(0, client, samples, reads=keys("server"), averages=keys("server"))
        layer.close_round()
        return layer.run_digest

    digests = [closed((0, 10)), closed((1, 10)), closed((0, 10), (1, 10)), closed((0, 10), (1, 11))]
    assert len({*digests, closed()}) == 5
    assert closed((0, 10), (1, 10)) == digests[2]


def test_the_digest_of_a_round_covers_the_rounds_before_it() -> None:
    layer = learning(trains=False)
    seen = [layer.run_digest]
    for _ in range(3):
        layer.close_round()
        seen.append(layer.run_digest)
    assert len(set(seen)) == 4


def test_an_unknown_ingredient_makes_dependent_digests_unknown() -> None:
    assert node("chain", {}, ["a", None]) is None
    layer = learning(trains=False)
    layer.digests[key("server")] = None
    assert opened(layer, reads=keys("device")).digest is not None
    assert opened(layer).digest is None
    layer.close_round()
    assert layer.run_digest is None


def test_a_client_can_have_its_own_state_of_a_part() -> None:
    layer = learning()
    workspace = layer.executor.workspace  # type: ignore[union-attr]
    own = {name: torch.zeros_like(value) for name, value in workspace.states[key("device")].items()}
    workspace.states[key("device/3")], layer.digests[key("device/3")] = own, "own"
    seen = []
    chain = layer.chain(0, 3, 10, reads=keys("device/3"), writes=keys("device/3"))
    chain.do(lambda run: seen.append(run.replica("device").state()))
    layer.close_round()
    assert all((value == 0).all() for value in seen[0].values())
