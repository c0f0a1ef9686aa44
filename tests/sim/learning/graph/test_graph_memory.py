"""Values are freed when nothing needs them, so that memory does not grow with the number of clients."""

from collections import OrderedDict

import pytest
from shuffled import Shuffled
from tiny_runs import digits, tiny

from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.graph import set_up
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.run.play import empty_result, play


class InTurn(Shuffled):
    """Runs tasks in their order."""

    def chosen(self, names: object) -> int:
        return 0


def most_values(method: str, clients: int, rounds: int) -> int:
    """The largest number of values that exist at the same time."""
    overrides = (
        "data.partition={sizes: 2}",
        "training.batch_size=2",
        f"topology.star.clients.0.count={clients}",
        f"training.rounds={rounds}",
        f"methods=[{method}]",
    )
    plan = plan_checked(tiny(*overrides), trains=True)[0]
    entry = plan.scenario.methods[0]
    backend = InTurn(0)
    with GraphRuntime(ExecutorSettings(), lambda _: backend) as runtime:
        play(plan, entry, digits(0), result=empty_result(plan, entry), runtime=runtime)
    return backend.most


@pytest.mark.parametrize("method", ["splitfed", "{fedbuff: {buffer: 2, in_flight: 4}}"])
def test_values_do_not_grow_with_clients_and_rounds(method: str) -> None:
    assert most_values(method, 15, 1) <= most_values(method, 30, 3) <= most_values(method, 15, 2)


def test_a_process_drops_the_workspaces_of_runs_that_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: OrderedDict[str, Workspace] = OrderedDict()
    monkeypatch.setattr(set_up, "_workspaces", kept)
    plan = plan_checked(tiny("training.rounds=1"), trains=True)[0]
    entry = plan.scenario.methods[0]
    with GraphRuntime(ExecutorSettings(), lambda _: InTurn(0)) as runtime:
        for _ in range(3):
            play(plan, entry, digits(0), result=empty_result(plan, entry), runtime=runtime)
            assert len(kept) == 1
