"""A group that becomes a value between any two operations, and goes on from it, trains the same bits."""

from typing import Any

import pytest
from tiny_runs import Inside, only

import cutlayer.sim.learning.inline as executor
from cutlayer.sim.learning.chain import Batch, Chain
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.chain_values import UnsavableRunError
from cutlayer.sim.learning.interleaved_execution import GroupRun
from cutlayer.sim.learning.operations import backward, forward
from cutlayer.sim.learning.values import decode, encode

OWN = (
    "model={name: 'own_models:everything', cut: 2}",
    "data.partition={sizes: [3, 6, 9]}",
    "training.batch_size=3",
    "training.rounds=1",
)
SGD, ADAM = "sgd, momentum: 0.9, lr: 0.01", "adam, lr: 0.01"
AWAY = (
    "availability=[{clients: raspberry-pi-4b, markov: {online: 400 ms, offline: 50 ms},"
    " on_disconnect: drop}]"
)
MIXED = ("model.cut={raspberry-pi-4b-0: 1, raspberry-pi-4b-1: 3, default: 2}",)


class Cut(GroupRun):
    """A group that becomes a value after each operation, and goes on from it in new modules."""

    cuts = 0
    in_flight = 0  # the most graphs that waited at a cut

    def executed(self, chain: Chain) -> ChainRun:
        operations, self._group.pending = self._group.pending, []
        for operation in operations:
            self._group.pending = [operation]
            super().executed(operation[0])
            passes = sum(map(len, self._passes.values()))
            value = decode(encode(self.dump()))
            again = GroupRun.load(self._group, self._workspace, value, list(self._runs))
            self.__dict__ = again.__dict__
            Cut.cuts += 1
            Cut.in_flight = max(Cut.in_flight, passes)
        return super().executed(chain)


@pytest.mark.parametrize(
    ("method", "optimizer", "settings"),
    [
        ("{gas: {activation_buffer: 2}}", SGD, ()),
        ("{gas: {activation_buffer: 2}}", ADAM, ()),
        ("gas", SGD, (AWAY, "training.rounds=2")),
        ("splitfed_v2", SGD, ("training.rounds=2",)),
        ("splitfed_v2", ADAM, ("training.optimizer_state=kept", "training.rounds=2")),
        ("splitfed_v2", ADAM, (*MIXED, "training.rounds=2")),
        ("{fsl_sage: {upload_every: 2, align_every: 1}}", SGD, ()),
    ],
)
def test_every_cut_leaves_the_bits_as_they_are(
    method: str, optimizer: str, settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = (f"methods=[{method}]", *OWN, f"training.optimizer={{name: {optimizer}}}", *settings)
    undisturbed = only(*run)
    monkeypatch.setattr(executor, "GroupRun", Cut)
    monkeypatch.setattr(Cut, "cuts", 0)
    monkeypatch.setattr(Cut, "in_flight", 0)
    cut = only(*run)
    assert Cut.cuts > 20
    assert Cut.in_flight > 0 or "fsl_sage" in method  # its uploads get no gradient back
    assert cut.weights_digest == undisturbed.weights_digest is not None
    assert [row.accuracy for row in cut.rounds] == [row.accuracy for row in undisturbed.rounds]


def test_a_pass_that_waits_while_its_weights_change_is_refused() -> None:
    inside: Any = Inside("methods=[splitfed_v2]")
    rnd = inside.method.open_round(0)
    chain, group = rnd.chains[1], rnd.chains[1].group
    batches = [Batch(number, 0, number, 8) for number in range(2)]
    sent = [chain.do(forward, 1, batch) for batch in batches]
    run = GroupRun(group, inside.workspace)
    run.executed(chain)
    assert sorted(run.dump()["values"]) == [ref.number for ref in sent]
    gradient = run.dump()["values"][sent[0].number][0]
    chain.do(backward, batches[0], gradient)
    run.executed(chain)
    with pytest.raises(UnsavableRunError, match="run the passes one after another"):
        run.dump()
