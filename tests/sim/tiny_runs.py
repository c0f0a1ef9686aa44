"""Tiny scenarios that train in a fraction of a second, and access to the inside of a method's run."""

from collections.abc import Callable
from functools import cache
from typing import Any

from small_scenarios import read

from cutlayer.scenarios import Loaded
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.world import make_method
from cutlayer.sim.data.datasets import Dataset, load
from cutlayer.sim.learning.state_key import MOMENTS, OPTIMIZER, WEIGHTS, StateKey
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.methods.method import Method
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.engine import RoundProgress
from cutlayer.sim.run.run import run
from cutlayer.sim.run.stop_condition import StopCondition
from cutlayer.sim.run.windows import make_engine

TINY = """\
name: tiny
seed: 0
data: {dataset: digits, partition: {sizes: [10, 20, 30]}, test_fraction: 0.2, train_samples: 60,
       test_samples: 20}
model: {name: lenet, cut: 1}
training: {rounds: 2, batch_size: 8, optimizer: {name: sgd, lr: 0.05, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 3, link: 4g}
methods: [splitfed]
"""
METHODS = (
    *(
        "classic_fl",
        "fedprox",
        "splitfed",
        "local_loss",
        "fedgkt",
        "{fedgkt: {exchange_weights: false}}",
    ),
    *("{ecofed: {init: random}}", "split_learning", "centralised"),
)


def tiny(*overrides: str) -> Loaded:
    """The tiny scenario with `--set` overrides."""
    return read(TINY, *overrides)


def results(*overrides: str, executor: str = "inline") -> dict[str, MethodResult]:
    """Every method's result by its label."""
    (result,) = run(tiny(*overrides), executor=executor)  # type: ignore[arg-type]
    assert result.status == "complete"
    return result.methods


def only(*overrides: str, executor: str = "inline") -> MethodResult:
    """The result of the scenario's one method."""
    (result,) = results(*overrides, executor=executor).values()
    return result


@cache
def digits(seed: int) -> Dataset:
    return load(plan_checked(tiny(f"seed={seed}"), trains=True)[0].info)


def key(text: str) -> StateKey:
    """The state with a name such as "server", "buffer/7" or "optimiser/device/0"."""
    kind = next((kind for kind in (OPTIMIZER, MOMENTS) if text.startswith(f"{kind}/")), WEIGHTS)
    part, _, owner = text.removeprefix(f"{kind}/").partition("/")
    return StateKey(part, int(owner) if owner else None, kind)


def keys(*texts: str) -> tuple[StateKey, ...]:
    return tuple(map(key, texts))


class Inside:
    """The first method of a tiny scenario, with its internal state."""

    def __init__(self, *overrides: str) -> None:
        self.plan: Plan = plan_checked(tiny(*overrides), trains=True)[0]
        entry = self.plan.scenario.methods[0]
        info = self.plan.info
        data = digits(self.plan.seed) if info.name == "digits" else load(info)
        self.method: Method = make_method(self.plan, entry, data)
        self.result = MethodResult(entry.label, entry.name, self.plan.seed, ())

    @property
    def workspace(self) -> Workspace:
        return self.method.world.learning.executor.workspace  # type: ignore[union-attr]

    @property
    def states(self) -> dict[str, Any]:
        """The current states by the names that they have in digests."""
        return {key.text: value for key, value in self.workspace.states.items()}

    def train(
        self,
        rounds: int | None = None,
        round_closed: Callable[[RoundResult], None] = lambda _: None,
        client_trained: Callable[[int, int], None] | None = None,
    ) -> "Inside":
        engine = make_engine(self.method, self.result)
        rounds = rounds or self.plan.scenario.training.rounds
        stop = StopCondition(rounds, evaluate_every=1000)
        try:
            engine.run(stop, RoundProgress(round_closed, client_trained))
        finally:
            engine.finish()
        return self
