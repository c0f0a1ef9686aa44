"""The executor `processes` gives the bits of `inline`, with any number of workers, also if they die."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from training_cases import learned_on, reference, trained
from troubled import TroubledPool

from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import begin, numerics_of
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.process.pool import Pool
from cutlayer.sim.process.starter import Starter

CASES = {
    1: ["splitfed, some", "local_loss, cuts", "split_learning", "centralised"],
    2: [
        "gas",
        "fedoptima",
        "splitfed, edges",
        "fedgkt",
        "fedbuff",
        "fedasync",
        "classic_fl, two slices",
        "drawing",
        "cse_fsl",
        "ampere",
        "smofi",
        "mergesfl",
        "splitfed, lora",
    ],
    3: [
        "pipar",
        "splitfed, many",
        "ecofed, cuts",
        "splitfed_v2",
        "splitfed, late",
        "fedprox, kept",
        "safsl",
        "fsl_sage",
        "sfl_ga",
        "epsl",
    ],
}


@pytest.fixture(scope="module")
def pool_of() -> Iterator[Callable[[int], Pool]]:
    """Return the pool with a number of workers, which all tests of this module share."""
    with ExitStack() as stack:
        yield cache(lambda jobs: stack.enter_context(Pool(jobs, preload=["torch._dynamo"])))


def test_every_method_is_among_the_cases() -> None:
    names = [name for names in CASES.values() for name in names]
    assert {name.partition(",")[0] for name in names} >= METHODS.keys()


@pytest.mark.parametrize(
    ("jobs", "name"), [(j, name) for j, names in CASES.items() for name in names]
)
def test_worker_processes_give_the_bits_of_inline(
    jobs: int,
    name: str,
    pool_of: Callable[[int], Pool],
    tmp_path: Path,
) -> None:
    """Tasks take random times, so that they end in another order than they begin."""
    pool = TroubledPool(pool_of(jobs), tmp_path, most_s=0.02)
    assert learned_on(pool, name) == reference(name)


@pytest.mark.parametrize("name", ["splitfed, some", "gas"])
def test_workers_that_are_killed_change_nothing(
    name: str,
    pool_of: Callable[[int], Pool],
    tmp_path: Path,
) -> None:
    pool = TroubledPool(pool_of(2), tmp_path, most_s=0, kills=2)
    assert learned_on(pool, name) == reference(name)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_registered_executor_has_the_numerics_of_inline() -> None:
    settings = ExecutorSettings(jobs=2)
    assert numerics_of("processes", settings) == numerics_of("inline", settings)
    assert trained("classic_fl", "processes").weights_digest == reference("classic_fl")["weights"]


@pytest.mark.parametrize(("jobs", "begun"), [(1, 0), (2, 1)])
def test_the_imports_of_several_workers_begin_before_those_of_the_command(
    jobs: int, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Starter] = []
    monkeypatch.setattr(Starter, "prepare", lambda starter: prepared.append(starter))
    begin("processes", jobs)
    assert len(prepared) == begun
