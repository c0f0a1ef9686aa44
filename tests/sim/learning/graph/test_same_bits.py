"""The graph gives the bits of `inline` for every method, in whichever order its tasks end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from shuffled import Shuffled
from training_cases import CASES, learned, reference, trained

from cutlayer.sim.learning import executors
from cutlayer.sim.learning.executors import EXECUTORS, ExecutorEntry
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.process.tasks import Backend


@pytest.fixture
def with_backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Backend], None]:
    """Register the executor `graph` of a backend."""

    def register(backend: Backend) -> None:
        entry = ExecutorEntry("", lambda settings: GraphRuntime(settings, lambda _: backend))
        monkeypatch.setattr(executors, "EXECUTORS", {**EXECUTORS, "graph": entry})

    monkeypatch.chdir(Path(__file__).parents[1])  # for own models
    return register


def test_every_method_is_among_the_cases() -> None:
    assert {name.partition(",")[0] for name in CASES} >= METHODS.keys()


@pytest.mark.parametrize("name", CASES)
def test_any_order_gives_the_bits_of_inline(
    name: str, with_backend: Callable[[Backend], None]
) -> None:
    backend = Shuffled(sum(name.encode()))
    with_backend(backend)
    assert learned(trained(name, "graph")) == reference(name)
    assert reference(name)["weights"] is not None
    assert backend.live == 1, "of a run that has ended, only the data set is kept"
