"""The graph gives the bits of `inline` for every method, in whichever order its tasks end."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shuffled import Shuffled
from training_cases import CASES, learned, reference, trained

from cutlayer.sim.learning import executors
from cutlayer.sim.learning.executors import EXECUTORS, ExecutorEntry
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.methods.registry import METHODS


def by_graph(name: str, seed: int) -> dict[str, Any]:
    """What tasks in a random order give for a case."""
    backend = Shuffled(seed)
    entry = ExecutorEntry("", lambda settings: GraphRuntime(settings, lambda _: backend))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "EXECUTORS", {**EXECUTORS, "graph": entry})
        result = learned(trained(name, "graph"))
    assert backend.live == 1, "of a run that has ended, only the data set is kept"
    return result


@pytest.fixture(autouse=True)
def own_models_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])


def test_every_method_is_among_the_cases() -> None:
    assert {name.partition(",")[0] for name in CASES} >= METHODS.keys()


@pytest.mark.parametrize("name", CASES)
def test_any_order_gives_the_bits_of_inline(name: str) -> None:
    assert by_graph(name, sum(name.encode())) == reference(name)
    assert reference(name)["weights"] is not None


SHUFFLED = ("gas, dropouts", "splitfed, late", "splitfed_v2, dropouts", "fedbuff", "ecofed, cuts")


@settings(
    max_examples=settings().max_examples // 20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(SHUFFLED), st.integers(0, 10**9))
def test_many_orders_give_the_bits_of_inline(name: str, seed: int) -> None:
    """For `make fuzz`, which tries hundreds of them."""
    assert by_graph(name, seed) == reference(name)
