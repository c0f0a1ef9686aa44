"""Fair comparisons: methods differ in what they charge, and train every batch that they charge for."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from cutlayer.scenarios.load import Loaded
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.memory import memory_by_device, server_memory
from cutlayer.sim.compute.stage import Work
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.registry import METHODS, options_of
from cutlayer.sim.papers.fairness import SCENARIO
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.run import load_scenario, run

TINY = (
    *("seeds=[0]", "training.rounds=2", "training.clients_per_round=2", "training.batch_size=16"),
    *("data.partition=iid", "data.train_samples=400", "training.evaluate_every=2"),
)


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_scenario(SCENARIO, TINY)


def charged(loaded: Loaded, result: MethodResult) -> dict[str, Any]:
    """Return all that a method was charged for in two rounds: messages, bytes, FLOPs and memory."""
    (plan, *_) = plan_checked(loaded, trains=False)
    entry = next(one for one in plan.scenario.methods if one.label == result.label)
    messages: Counter[tuple[int, int]] = Counter()
    flops: Counter[int] = Counter()
    for kept in result.kept:
        log = kept.record.intervals
        messages.update(zip(log.phase.tolist(), log.activity.tolist(), strict=True))
        for phase, done in zip(log.phase.tolist(), log.flops.tolist(), strict=True):
            flops[phase] += round(done)
    method, options = options_of(entry)
    return {
        "messages": messages,
        "flops": flops,
        "bytes": result.traffic(),
        "device": memory_by_device(plan, method),
        "server": server_memory(plan, method, options),
    }


def test_no_two_methods_are_charged_for_the_same(loaded: Loaded) -> None:
    (result,) = run(loaded, executor="none", log="events")
    signatures = {label: charged(loaded, one) for label, one in result.methods.items()}
    assert signatures.keys() == METHODS.keys()
    equal = [
        (one, other)
        for one, other in combinations(signatures, 2)
        if signatures[one] == signatures[other]
    ]
    assert equal == []


def test_every_method_trains_the_batches_that_its_devices_are_charged_for(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of asynchronous methods, updates that are in flight at the end are charged and not trained."""
    paid: Counter[tuple[int, int, int]] = Counter()
    used: Counter[tuple[int, int, int]] = Counter()
    compute, read = DeviceEndpoint.compute, ChainRun.batch

    def compute_noted(
        device: DeviceEndpoint, work: Work, activity: Activity, *rest: Any, **more: Any
    ) -> Any:
        batch: Batch | None = more.get("batch")
        if batch is not None and activity != Activity.LOAD:
            paid[device.client.index, device.chain.round_index, batch.number] += 1
        return compute(device, work, activity, *rest, **more)

    def read_noted(run_: ChainRun, client: int, batch: Batch) -> Any:
        used[client, run_.chain.round_index, batch.number] += 1
        return read(run_, client, batch)

    monkeypatch.setattr(DeviceEndpoint, "compute", compute_noted)
    monkeypatch.setattr(ChainRun, "batch", read_noted)
    for entry in loaded.scenario.methods:
        paid.clear()
        used.clear()
        only = load_scenario(SCENARIO, [*TINY, f"methods=[{{{entry.name}: {{init: partial}}}}]"])
        run(only, executor="inline")
        if entry.name == "centralised":  # the server trains
            assert not paid
        elif METHODS[entry.name].asynchronous:
            assert used, entry.name
            assert used <= paid, entry.name
        else:
            assert used, entry.name
            assert used == paid, entry.name
