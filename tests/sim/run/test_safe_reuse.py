"""Methods whose rounds differ in a way that their authors did not say: reuse does not mistake them.

Each method loads a batch for nothing in some of its rounds. What decides these rounds differs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_scenarios import MIXED, scenario
from tiny_worlds import Device, Edge, make_method, played

from cutlayer import run
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.methods.classic_fl import ClassicFL
from cutlayer.sim.methods.method import Method, Process, Round
from cutlayer.sim.methods.registry import METHODS

DEVICES = [Device(loader=0.25), Device(loader=0.25)]
ROUNDS = 8
# Only a simulation gives the order of updates, which the learning digest covers.
ORDERED = {"splitfed_v2", "cse_fsl", "fsl_sage"} | {
    name for name, known in METHODS.items() if known.asynchronous
}


class Trap(ClassicFL):
    """Loads a batch for nothing in rounds that `slow` picks."""

    reusable = True

    def slow(self, device: DeviceEndpoint, rnd: Round) -> bool:
        """Return whether this round is one of those."""
        raise NotImplementedError

    def device(self, device: DeviceEndpoint, rnd: Round) -> Process:
        """Train, then load."""
        yield from super().device(device, rnd)
        if self.slow(device, rnd):
            for _ in range(4):  # longer than the upload travels
                yield device.load(device.batches[0])


class ByRoundNumber(Trap):
    """Its author did not think about reuse."""

    def slow(self, device, rnd):
        return rnd.index in (3, 6)


class ByClientNumber(Trap):
    def slow(self, device, rnd):
        return device.client.index == 1


class ByCounter(Trap):
    reusable = True

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.opened = 0

    def open_round(self, index):
        self.opened += 1
        return super().open_round(index)

    def slow(self, device, rnd):
        return self.opened % 3 == 0


class ByListThatGrows(ByCounter):
    reusable = True

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.seen: list[int] = []

    def open_round(self, index):
        self.seen.append(index % 3)
        del self.seen[:-2]
        return super().open_round(index)

    def slow(self, device, rnd):
        return self.seen == [1, 2]


class ByArrayThatChanges(ByCounter):
    reusable = True

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.rates = np.zeros(2)

    def open_round(self, index):
        self.rates[1] = index % 4
        return super().open_round(index)

    def slow(self, device, rnd):
        return self.rates[1] == 3


class ByGenerator(Trap):
    """Draws: a generator cannot be compared with what it was."""

    reusable = True

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.generator = np.random.default_rng(0)

    def slow(self, device, rnd):
        return bool(self.generator.random() < 0.5)


class BySwitchWhileItRuns(Trap):
    """Flips a switch while a round runs: a round that is not played would leave it as it is."""

    reusable = True

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.on = False

    def run_round(self, rnd):
        yield from super().run_round(rnd)
        self.on = not self.on

    def slow(self, device, rnd):
        return self.on


class ByNote(Trap):
    reusable = True

    def open_round(self, index):
        rnd = super().open_round(index)
        rnd.notes["slow"] = {"members": [index % 3]}
        return rnd

    def slow(self, device, rnd):
        return device.member in rnd.notes["slow"]["members"]


class ByDeclaration(Trap):
    """In rounds that write a state, the device loads."""

    reusable = True

    def open_round(self, index):
        rnd = super().open_round(index)
        if index % 3 == 1:
            rnd.chains = tuple(
                self.chain(index, client, writes=(StateKey("buffer", client),))
                for client in rnd.participants
            )
        return rnd

    def slow(self, device, rnd):
        return bool(device.chain.writes)


class FoldsWhileItRuns(Trap):
    """Sets a state while a round runs, as an edge node does: the learning digest covers it."""

    reusable = True

    def open_round(self, index):
        rnd = super().open_round(index)
        if index == 0:
            self.world.learning.assign(StateKey("device", "edge"), StateKey("device"))
        return rnd

    def run_round(self, rnd):
        yield from super().run_round(rnd)
        self.world.learning.assign(StateKey("device", "edge"), StateKey("device"))

    def slow(self, device, rnd):
        return False


TRAPS = [
    ByRoundNumber,
    ByClientNumber,
    ByCounter,
    ByListThatGrows,
    ByArrayThatChanges,
    ByGenerator,
    BySwitchWhileItRuns,
    ByNote,
    ByDeclaration,
    FoldsWhileItRuns,
]


def both(
    method: type[Method], *, clients_per_round: int = 2, devices: list[Device] = DEVICES
) -> list[Any]:
    """Return the results with and without reuse."""
    return [
        played(
            make_method(method, devices, clients_per_round=clients_per_round), ROUNDS, reuse=reuse
        )
        for reuse in (True, False)
    ]


@pytest.mark.parametrize("clients_per_round", [1, 2])
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_forgotten_difference_costs_time_and_no_correctness(trap, clients_per_round):
    reused, every = both(trap, clients_per_round=clients_per_round)
    # There is a difference to be missed.
    times = {kept.record.duration_s for kept in every.kept}
    assert len(times) > 1 or trap in (
        ByClientNumber,
        FoldsWhileItRuns,
    )
    assert reused.event_digest == every.event_digest
    assert reused.learning_digest == every.learning_digest


@pytest.mark.parametrize(
    ("trap", "rounds"),
    [
        (ByRoundNumber, 0),
        (ByGenerator, 0),
        (BySwitchWhileItRuns, 0),
        (ByNote, 5),
        (ByDeclaration, 6),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_rounds_that_are_known_to_be_equal_are_reused(trap, rounds):
    reused, _ = both(trap)
    assert reused.reused_rounds == rounds


class Plain(ClassicFL):
    reusable = True


class SaysNothing(Plain):
    pass


def test_a_subclass_vouches_for_its_own_code():
    assert both(Plain)[0].reused_rounds == ROUNDS - 1
    assert both(SaysNothing)[0].reused_rounds == 0


class Untimed(ByCounter):
    """Counts, but its times do not depend on it."""

    reusable = True
    untimed = ("opened", "order")

    def open_round(self, index):
        rnd = super().open_round(index)
        rnd.notes["order"] = object()
        return rnd

    def slow(self, device, rnd):
        return False


def test_what_decides_no_timing_can_be_left_out():
    reused, every = both(Untimed)
    assert reused.reused_rounds == ROUNDS - 1
    assert reused.event_digest == every.event_digest


@pytest.mark.parametrize("name", METHODS)
def test_shipped_methods_reuse_rounds_of_other_clients(tmp_path, name):
    """Some methods have several types of round."""
    loaded = scenario(
        tmp_path,
        MIXED,
        "data.partition={sizes: 20}",
        "training.rounds=8",
        "training.clients_per_round=2",
        "training.optimizer_state=kept",
        "topology.star.clients=[{device: raspberry-pi-4b, count: 4, link: 4g}]",
        f"methods=[{{{name}: {{init: random}}}}]",
    )
    (reused,), (every,) = (run(loaded, executor="none", reuse=reuse) for reuse in (True, False))
    (one,), (other,) = reused.methods.values(), every.methods.values()
    assert one.event_digest == other.event_digest
    assert one.learning_digest == other.learning_digest
    equal = 8 - {"ecofed": 2, "centralised": 2, "ampere": 3}.get(name, 1)
    assert one.reused_rounds == (0 if name in ORDERED else equal)


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("name", ["classic_fl", "splitfed"])
def test_edge_nodes_that_fold_while_a_round_runs(name, rounds):
    """Their folds are in the learning digest, which is the same with and without reuse."""
    edges, options = [Edge(2), Edge(2)], {"edges": {"rounds": rounds}}
    reused, every = (
        played(make_method(name, [Device()] * 4, options=options, edges=edges), 3, reuse=reuse)
        for reuse in (True, False)
    )
    assert reused.event_digest == every.event_digest
    assert reused.learning_digest == every.learning_digest


VALUES: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
    ("an integer and a truth", lambda: 1, lambda: True),
    ("a list and a tuple", lambda: [1], lambda: (1,)),
    ("the order of a mapping", lambda: {1: 2, 3: 4}, lambda: {3: 4, 1: 2}),
    ("nested", lambda: {"a": [{1}]}, lambda: {"a": [{2}]}),
    ("types of arrays", lambda: np.zeros(2, np.int32), lambda: np.zeros(1, np.int64)),
]


@pytest.mark.parametrize(("one", "other"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])
def test_values_are_compared_with_their_types(one, other):
    def signature(value: Any) -> Any:
        method = make_method(Plain, DEVICES)
        method.remembered = value  # type: ignore[attr-defined]
        return method.signature(method.open_round(0))

    assert signature(one()) == signature(one())
    assert signature(one()) != signature(other())
