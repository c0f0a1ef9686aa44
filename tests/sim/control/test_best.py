"""`best` against an exhaustive search: every client alone in a scenario of its own, at every cut."""

import pytest
from small_scenarios import read

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.run.predictor import Predictor
from cutlayer.sim.run.run import run

GROUPS = {
    "raspberry-pi-3b-plus": "{up: 2 Mbit/s, down: 8 Mbit/s, delay: 20 ms}",
    "raspberry-pi-4b": "{up: 10 Mbit/s, down: 10 Mbit/s, delay: 5 ms}",
    "jetson-nano": "{up: 100 Mbit/s, down: 100 Mbit/s, delay: 1 ms}",
}
SIZES = (20, 30, 45)
SCENARIO = """\
name: fleet
data: {dataset: cifar10, train_samples: 1000, partition: {sizes: 20}}
model: {name: vgg5, cut: 2}
training: {rounds: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 8}
    clients: []
methods: [splitfed]
"""


def of_clients(chosen: list[int]) -> tuple[str, ...]:
    """The overrides of a fleet of these clients."""
    devices = list(GROUPS.items())
    groups = [f"{{device: {devices[i][0]}, link: {devices[i][1]}}}" for i in chosen]
    sizes = [SIZES[i] for i in chosen]
    clients = f"topology.star.clients=[{', '.join(groups)}]"
    return clients, f"data.partition={{sizes: {sizes}}}"


def alone_s(client: int, cut: int, method: str, *overrides: str) -> float:
    """The mean round time of a scenario with this client only."""
    loaded = read(
        SCENARIO, *of_clients([client]), f"methods=[{method}]", f"model.cut={cut}", *overrides
    )
    (result,) = run(loaded, executor="none")
    (played,) = result.methods.values()
    return sum(closed.round_time_s for closed in played.rounds) / len(played.rounds)


@pytest.mark.parametrize(
    ("method", "cuts", "overrides"),
    [
        ("splitfed", range(6), ()),
        ("local_loss", range(1, 5), ()),
        ("{ecofed: {init: random}}", range(1, 3), ()),  # up to the scenario's
        ("splitfed", range(6), ("scale.devices=20", "scale.links=0.1")),
        ("splitfed", range(6), ("scale.links=50",)),
    ],
)
def test_the_cuts_are_those_of_an_exhaustive_search(
    method: str, cuts: range, overrides: tuple[str, ...]
) -> None:
    fleet = read(
        SCENARIO, *of_clients([0, 1, 2]), f"methods=[{method}]", "control=best", *overrides
    )
    (result,) = run(fleet, executor="none")
    (played,) = result.methods.values()
    found = [row.cut for row in played.decisions]
    predicted = Predictor(plan_checked(fleet, trains=False)[0], fleet.scenario.methods[0])
    for client, cut in enumerate(found):
        times = {c: alone_s(client, c, method, *overrides) for c in cuts}
        assert cut == min(times, key=lambda c: times[c])
        for c, seconds in times.items():
            assert predicted(client, c).seconds == pytest.approx(seconds, rel=1e-12)


def test_the_best_cuts_differ_between_devices_and_links() -> None:
    found = set()
    inner = "control={best: {cuts: [1, 2, 3, 4, 5]}}"  # cut 0 needs no gradients
    for overrides in ((), ("scale.devices=20", "scale.links=0.1"), ("scale.links=50",)):
        fleet = read(SCENARIO, *of_clients([0, 1, 2]), inner, *overrides)
        (result,) = run(fleet, executor="none")
        found |= {row.cut for row in result.methods["splitfed"].decisions}
    assert len(found) > 1


def test_only_the_given_cuts_are_candidates() -> None:
    fleet = read(SCENARIO, *of_clients([0, 1, 2]), "control={best: {cuts: [3]}}")
    (result,) = run(fleet, executor="none")
    assert [row.cut for row in result.methods["splitfed"].decisions] == [3, 3, 3]


def test_a_client_that_is_offline_for_a_while_has_a_prediction() -> None:
    away = "[{clients: jetson-nano, offline: [{from: 0 s, until: 30 s}], on_disconnect: resume}]"
    fleet = read(SCENARIO, *of_clients([0, 1, 2]), "control=best")
    offline = read(SCENARIO, *of_clients([0, 1, 2]), "control=best", f"availability={away}")
    cuts = {
        name: {
            row.client: row.cut
            for row in run(one, executor="none")[0].methods["splitfed"].decisions
        }
        for name, one in (("online", fleet), ("offline", offline))
    }
    assert cuts["offline"].items() <= cuts["online"].items()
