"""Aggregations: against a scalar twin in double precision, their identities, and the state they keep."""

from collections.abc import Mapping
from itertools import combinations
from math import copysign, sqrt
from typing import Any

import pytest
import torch
from tiny_runs import Inside, key, keys, only, results, tiny
from torch import Tensor

from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.learning.aggregation import (
    Aggregation,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedYogi,
    Shared,
)
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.inline import Inline
from cutlayer.sim.learning.learning import Learning
from cutlayer.sim.learning.state_key import MOMENTS, StateKey

State = dict[str, Tensor]
OPTIMIZERS = (
    FedAvgM(lr=0.7, momentum=0.8),
    FedAdam(lr=0.1),
    FedYogi(lr=0.3, beta1=0.4, beta2=0.6, tau=0.02),
)
SHARES = (0.5, 0.2, 0.3)
NAMES = {"w", "b"}  # the parameters; "mean" and "count" are buffers


def drawn_state(draw: torch.Generator, dtype: torch.dtype = torch.float64) -> State:
    return {
        "w": torch.randn((3, 4), generator=draw, dtype=dtype),
        "b": torch.randn(4, generator=draw, dtype=dtype) * 1e-3,
        "mean": torch.randn(5, generator=draw, dtype=dtype),
        "count": torch.randint(0, 9, (2,), generator=draw),
    }


def folds(
    aggregation: Aggregation, rounds: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[list[Shared], list[list[State]]]:
    """The shared weights before and after each of some rounds, and copies of the rounds' members."""
    draw = torch.Generator().manual_seed(seed)
    shared, members = [Shared(drawn_state(draw, dtype), {})], []
    for _ in range(rounds):
        members.append([drawn_state(draw, dtype) for _ in SHARES])
        copies = [{name: value.clone() for name, value in m.items()} for m in members[-1]]
        shared.append(aggregation.fold(shared[-1], zip(copies, SHARES, strict=True), NAMES))
    return shared, members


class Scalar:
    """One parameter's server optimizer, in Python's floats, as in Reddi et al., Algorithm 2."""

    def __init__(self, aggregation: Any) -> None:
        self.name, self.settings = type(aggregation).__name__, aggregation
        self.m = 0.0
        self.v = 0.0 if self.name == "FedAvgM" else aggregation.tau**2

    def step(self, x: float, mean: float) -> float:
        delta, settings = mean - x, self.settings
        if self.name == "FedAvgM":
            self.m = settings.momentum * self.m + delta
            return float(x + settings.lr * self.m)
        self.m = settings.beta1 * self.m + (1 - settings.beta1) * delta
        if self.name == "FedAdam":
            self.v = settings.beta2 * self.v + (1 - settings.beta2) * delta**2
        else:
            sign = copysign(1.0, self.v - delta**2)
            self.v = self.v - (1 - settings.beta2) * delta**2 * sign
        return float(x + settings.lr * self.m / (sqrt(self.v) + settings.tau))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("aggregation", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_server_optimizers_equal_a_scalar_twin(aggregation: Aggregation, seed: int) -> None:
    shared, members = folds(aggregation, seed=seed)
    for name in NAMES:
        size = shared[0].weights[name].numel()
        twins = [Scalar(aggregation) for _ in range(size)]
        values = shared[0].weights[name].flatten().tolist()
        for after, round_members in zip(shared[1:], members, strict=True):
            columns = [member[name].flatten().tolist() for member in round_members]
            means = [
                sum(s * x for s, x in zip(SHARES, c, strict=True))
                for c in zip(*columns, strict=True)
            ]
            values = [t.step(x, m) for t, x, m in zip(twins, values, means, strict=True)]
            actual = after.weights[name].flatten().tolist()
            assert actual == pytest.approx(values, rel=1e-12, abs=1e-14)
        assert max(abs(x - m) for x, m in zip(values, means, strict=True)) > 1e-4


@pytest.mark.parametrize("aggregation", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_buffers_and_integers_are_those_of_fedavg(aggregation: Aggregation) -> None:
    shared, _ = folds(aggregation)
    plain, _ = folds(FedAvg())
    for one, other in zip(shared[1:], plain[1:], strict=True):
        assert torch.equal(one.weights["mean"], other.weights["mean"])
        assert torch.equal(one.weights["count"], other.weights["count"])
        assert not torch.equal(one.weights["w"], other.weights["w"])
        assert {key.partition("/")[0] for key in one.moments} == NAMES
        assert len(one.moments) == len(NAMES) * len(aggregation.moments)
        assert other.moments == {}


def test_a_fold_changes_neither_weights_nor_moments_of_before() -> None:
    for aggregation in OPTIMIZERS:
        shared, members = folds(aggregation, rounds=1)
        before = shared[1]
        copy = Shared(*({k: v.clone() for k, v in part.items()} for part in before))
        aggregation.fold(before, zip(members[0], SHARES, strict=True), NAMES)
        for part, copied in zip(before, copy, strict=True):
            assert all(torch.equal(value, copied[name]) for name, value in part.items())


@pytest.mark.parametrize("seed", range(20))
def test_server_momentum_0_with_rate_1_has_the_bits_of_fedavg(seed: int) -> None:
    """Also where a mean is -0.0, and where the update is rounded."""
    plain, _ = folds(FedAvg(), rounds=5, seed=seed, dtype=torch.float32)
    momentum, _ = folds(FedAvgM(lr=1, momentum=0), rounds=5, seed=seed, dtype=torch.float32)
    for one, other in zip(plain, momentum, strict=True):
        for name, value in one.weights.items():
            assert value.numpy().tobytes() == other.weights[name].numpy().tobytes(), name


def test_a_negative_zero_stays_one() -> None:
    before, mean = torch.tensor([1.0, -0.0, 0.0, 1e30]), torch.tensor([-0.0, -0.0, -0.0, 1e-30])
    after, _ = FedAvgM(lr=1, momentum=0).step(before, mean, (torch.zeros(4),))
    assert after.numpy().tobytes() == mean.numpy().tobytes()


ONCE = ("classic_fl", "fedprox", "splitfed", "local_loss", "fedgkt", "ecofed")


def entry(method: str, aggregation: str, **options: Any) -> str:
    given = {"init": "random", "aggregation": aggregation, **options}
    text = ", ".join(f"{name}: {value}" for name, value in given.items())
    return f"methods=[{{{method}: {{{text}}}}}]"


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("method", ONCE)
def test_every_averaging_method_with_momentum_0_and_rate_1_is_itself(
    method: str, seed: int
) -> None:
    rest = ("training.optimizer.lr=0.01", f"seed={seed}", "training.rounds=3")
    plain = only(entry(method, "fedavg"), *rest)
    momentum = only(entry(method, "{fedavgm: {momentum: 0}}"), *rest)
    adam = only(entry(method, "{fedadam: {lr: 0.001}}"), *rest)
    assert plain.weights_digest == momentum.weights_digest != adam.weights_digest
    assert len({r.learning_digest for r in (plain, momentum, adam)}) == 3
    assert plain.diverged_in_round is adam.diverged_in_round is None


def test_the_default_is_fedavg_with_the_digest_of_before_there_were_others() -> None:
    for method in ONCE:
        plain = only(f"methods=[{{{method}: {{init: random}}}}]", executor="none")
        assert (
            plain.learning_digest == only(entry(method, "fedavg"), executor="none").learning_digest
        )
    recipe = Inside("methods=[classic_fl]").workspace.recipe
    assert recipe.options == {}


@pytest.mark.parametrize("aggregation", ["{fedadam: {lr: 0.01}}", "{fedyogi: {lr: 0.01}}"])
def test_a_cut_changes_nothing_under_a_server_optimizer(aggregation: str) -> None:
    """A server optimizer works parameter by parameter, so SplitFed still has classic FL's bits."""
    digests = {
        only(entry(method, aggregation), f"model.cut={cut}", "training.rounds=3").weights_digest
        for method, cut in [("classic_fl", 1), ("splitfed", 1), ("splitfed", 3)]
    }
    assert len(digests) == 1


@pytest.mark.parametrize("method", ONCE)
def test_the_clock_alone_has_the_digests_of_a_training(method: str) -> None:
    for aggregation in ("fedavgm", "{fedyogi: {lr: 0.001}}"):
        case = entry(method, aggregation), "training.optimizer.lr=0.001"
        trained, timed = only(*case), only(*case, executor="none")
        assert trained.learning_digest == timed.learning_digest is not None
        assert trained.event_digest == timed.event_digest


def test_moments_are_states_of_the_averaged_parts() -> None:
    run = Inside(entry("ecofed", "{fedadam: {lr: 0.01}}")).train()
    assert {name for name in run.states if name.startswith("moments")} == {"moments/server"}
    weights = run.states["server"]
    assert run.states["moments/server"].keys() == {f"{n}/{m}" for n in weights for m in "mv"}
    assert key("moments/server") in run.method.world.learning.digests
    plain = Inside(entry("ecofed", "fedavg")).train()
    assert not any(name.startswith("moments") for name in plain.states)
    assert not any(key.kind == MOMENTS for key in plain.method.world.learning.digests)


def set_to(run: ChainRun, value: float) -> None:
    for parameter in run.replica("server").module.parameters():
        parameter.data.fill_(value)


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


def rounds_of(interrupted_in: int | None = None) -> Learning:
    """Three rounds of two clients under FedAdam, one of them interrupted and run again."""
    workspace = Inside().workspace
    layer = Learning(
        workspace.recipe,
        {key("device"): "d", key("server"): "s"},
        lambda client: f"shard {client}",
        Inline(workspace),
        FedAdam(lr=0.1),
    )

    def interrupt(done: int, total: int) -> None:
        if done == total:
            raise Interrupted

    for index in range(3):
        for client in range(2):
            chain = layer.chain(index, client, 10, reads=keys("server"), averages=keys("server"))
            chain.do(set_to, float(index + client))
        if index == interrupted_in:
            before = dict(workspace.states)
            with pytest.raises(Interrupted):
                layer.close_round(interrupt)
            assert_same_objects(workspace.states, before)
        layer.close_round()
    return layer


def assert_same_objects(states: Mapping[StateKey, Any], before: Mapping[StateKey, Any]) -> None:
    assert states.keys() == before.keys()
    assert all(states[name] is state for name, state in before.items())


def states_of(layer: Learning) -> Mapping[StateKey, Any]:
    return layer.executor.workspace.states  # type: ignore[union-attr]


@pytest.mark.parametrize("index", range(3))
def test_an_interrupted_round_keeps_the_moments_of_the_last_closed_one(index: int) -> None:
    """The first round leaves none behind; run again, a round gives the bits of an undisturbed run."""
    undisturbed, interrupted = states_of(rounds_of()), states_of(rounds_of(index))
    assert undisturbed.keys() == interrupted.keys()
    for state in keys("server", "moments/server"):
        for name, value in undisturbed[state].items():
            assert torch.equal(value, interrupted[state][name]), (state, name)


def test_a_mark_keeps_the_weights_and_the_moments_of_its_round() -> None:
    layer = rounds_of()
    before = dict(states_of(layer))
    mark = layer.close_round().mark
    chain = layer.chain(3, 0, 10, reads=keys("server"), averages=keys("server"))
    chain.do(set_to, 9.0)
    layer.close_round()
    assert states_of(layer)[key("moments/server")] is not before[key("moments/server")]
    assert mark is not None
    kept = {name: mark.values()[name, version] for name, version in mark.versions().items()}
    assert_same_objects(kept, before)


def test_an_average_without_members_leaves_weights_and_moments() -> None:
    layer = rounds_of()
    before, digests = dict(states_of(layer)), dict(layer.digests)
    chain = layer.chain(3, 0, 10, reads=keys("server"), averages=keys("server"))
    layer.drop(chain)
    layer.close_round()
    assert layer.digests == digests
    assert_same_objects(states_of(layer), before)


def test_the_digest_of_a_server_optimizer_covers_what_it_reads() -> None:
    shared, members = ["weights", "moments"], ["one", "other"]
    weights = [[0, 10], [1, 20]]
    digests = {
        name: aggregation.digest(part, given, before, of)
        for name, aggregation, part, given, before, of in [
            ("plain", FedAdam(lr=0.1), "server", weights, shared, members),
            ("yogi", FedYogi(lr=0.1), "server", weights, shared, members),
            ("rate", FedAdam(lr=0.2), "server", weights, shared, members),
            ("part", FedAdam(lr=0.1), "device", weights, shared, members),
            ("weights", FedAdam(lr=0.1), "server", [[0, 10], [1, 21]], shared, members),
            ("before", FedAdam(lr=0.1), "server", weights, ["weights", "others"], members),
            ("first", FedAdam(lr=0.1), "server", weights, ["weights"], ["moments", *members]),
            ("members", FedAdam(lr=0.1), "server", weights, shared, members[::-1]),
        ]
    }
    for one, other in combinations(digests, 2):
        assert digests[one] != digests[other], (one, other)
    assert FedAvg().digest("server", weights, shared, members) == FedAvg().digest(
        "server", weights, ["another"], members
    )


class Halfway(Aggregation):
    """An aggregation of one's own, without moments: half of the way to the mean."""

    def step(
        self, weight: Tensor, mean: Tensor, moments: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return (weight + mean) / 2, moments


def test_an_aggregation_of_ones_own() -> None:
    shared, members = folds(Halfway(), rounds=1)
    mean = sum(s * m["w"] for s, m in zip(SHARES, members[0], strict=True))
    torch.testing.assert_close(shared[1].weights["w"], (shared[0].weights["w"] + mean) / 2)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("{classic_fl: {aggregation: fedadam}}", "fedadam.lr: is required"),
        (
            "{classic_fl: {aggregation: fedyog}}",
            "unknown choice \"fedyog\"; did you mean 'fedyogi'?",
        ),
        ("{splitfed: {aggregation: {fedavgm: {momentum: 1}}}}", "momentum: must be less than 1"),
        ("{ecofed: {aggregation: {fedyogi: {lr: 0}}}}", "lr: must be greater than 0 (got 0)"),
        ("{fedprox: {mu: -1}}", "fedprox.mu: must be at least 0 (got -1)"),
        ("{split_learning: {aggregation: fedavg}}", "aggregation: is an unknown key"),
        ("{centralised: {aggregation: fedavg}}", "aggregation: is an unknown key"),
        (
            "{fedgkt: {aggregation: fedavgm, exchange_weights: false}}",
            "exchange_weights: needs aggregation: fedavg when false, since no weights are averaged",
        ),
    ],
)
def test_refused_aggregations(methods: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        tiny(f"methods=[{methods}]")
    assert message in str(caught.value)


def test_the_resolved_scenario_names_the_aggregation() -> None:
    methods = "methods=[classic_fl, {splitfed: {aggregation: {fedadam: {lr: 0.1}}}}]"
    plain, adam = tiny(methods).resolved()["methods"]
    assert plain["classic_fl"]["aggregation"] == {"fedavg": {}}
    settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "tau": 0.001}
    assert adam["splitfed"]["aggregation"] == {"fedadam": settings}
    again = tiny(f"methods=[{{splitfed: {{aggregation: {{fedadam: {settings}}}}}}}]")
    assert again.resolved()["methods"] == [adam]


def test_results_of_one_run_do_not_depend_on_the_methods_beside_them() -> None:
    entries = "classic_fl, {classic_fl: {aggregation: fedavgm}, label: m}"
    both = results(f"methods=[{entries}]")
    alone = only("methods=[{classic_fl: {aggregation: fedavgm}, label: m}]")
    assert both["m"].weights_digest == alone.weights_digest != both["classic_fl"].weights_digest
