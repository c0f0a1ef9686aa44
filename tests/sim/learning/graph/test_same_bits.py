"""The graph gives the bits of `inline` for every method, in whichever order its tasks end."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shuffled import Shuffled
from training_cases import CASES, learned_on, reference

from cutlayer.models.own_object import looking_in
from cutlayer.sim.methods.registry import METHODS


def by_graph(name: str, seed: int) -> dict[str, Any]:
    """What tasks in a random order give for a case."""
    backend = Shuffled(seed)
    found = learned_on(backend, name)
    assert backend.live == 1, "of a run that has ended, only the data set is kept"
    return found


def test_every_method_is_among_the_cases() -> None:
    assert {name.partition(",")[0] for name in CASES} >= METHODS.keys()


@pytest.mark.parametrize("name", CASES)
def test_any_order_gives_the_bits_of_inline(name: str) -> None:
    assert by_graph(name, sum(name.encode())) == reference(name)
    assert reference(name)["weights"] is not None


def test_the_test_set_is_evaluated_in_slices() -> None:
    backend = Shuffled(0)
    name = "classic_fl, two slices"
    assert learned_on(backend, name) == reference(name)
    slices = {"classic_fl, test batches 0 to 4", "classic_fl, test batches 5 to 9"}
    assert {name for name in backend.names if "test batches" in name} == slices


def test_groups_that_are_open_at_the_same_time_are_independent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No method of ours has several; `inline` kept the replicas of one of them only."""
    name = "two groups"
    monkeypatch.setitem(CASES, name, ("graph_methods:TwoBlocks",))  # type: ignore[index]
    with looking_in([str(Path(__file__).parent)]):
        assert by_graph(name, 1) == reference(name)


SHUFFLED = ("gas, dropouts", "splitfed, late", "splitfed_v2, dropouts", "fedbuff", "ecofed, cuts")


@settings(max_examples=settings().max_examples // 20)
@given(st.sampled_from(SHUFFLED), st.integers(0, 10**9))
def test_many_orders_give_the_bits_of_inline(name: str, seed: int) -> None:
    """For `make fuzz`, which tries hundreds of them."""
    assert by_graph(name, seed) == reference(name)
