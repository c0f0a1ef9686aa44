"""Clients per second of `--executor stacked` on a device, as ratios to a loop over the clients.

A round of 20 clients is timed, each with 5 batches of 10 images, for training the whole model
(classic_fl), training it split (splitfed), and training the server block behind a frozen device block
(ecofed). The sides take turns; each figure is the median of the ratios of the turns:

    loop     a plain PyTorch loop over clients and batches, with the same kernels (classic_fl only)
    inline   Cutlayer, client after client
    stacked  Cutlayer, clients side by side

    python benchmarks/stacked.py --device cuda [--model vgg11] [--clients 20] [--turns 3]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from cutlayer import load_scenario
from cutlayer.models import catalogue
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.world import make_method
from cutlayer.sim.data.datasets import load
from cutlayer.sim.learning.accelerator import device_of, prepare
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import RoundProgress, StopCondition
from cutlayer.sim.run.windows import make_engine

BATCHES, BATCH = 5, 10
METHODS = ("classic_fl", "splitfed", "{ecofed: {init: random}}")
SIDES = ("loop", "inline", "stacked")
SCENARIO = """\
name: stacked
data: {dataset: digits, partition: {sizes: SHARD}, test_fraction: 0.2, test_samples: 20}
model: {name: MODEL, cut: 2}
training: {rounds: 2, batch_size: BATCH, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients: [{device: server-8-core, count: CLIENTS, link: wifi-50}]
methods: [METHOD]
"""


class Work:
    """A method of the scenario and its data."""

    def __init__(self, method: str, model: str, clients: int, folder: Path) -> None:
        text = SCENARIO.replace("SHARD", str(BATCHES * BATCH)).replace("BATCH", str(BATCH))
        text = text.replace("CLIENTS", str(clients)).replace("MODEL", model)
        file = folder / "stacked.yaml"
        file.write_text(text.replace("METHOD", method), encoding="utf-8")
        (self.plan,) = plan_checked(load_scenario(file), trains=True)
        self.dataset = load(self.plan.info)
        self.clients = clients
        self.model = model

    def method(self, runtime: Any = None) -> Any:
        """Return the method in a world of its own."""
        return make_method(self.plan, self.plan.scenario.methods[0], self.dataset, runtime=runtime)


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Return how long a call takes, with the work that it leaves to the device."""
    _wait(device)
    begun = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def of_executor(name: str, work: Work, device: torch.device, lanes: int) -> float:
    """Return the time of the second of two rounds: chains and fold, without evaluation."""
    times: list[float] = []
    runtime = open_runtime(name, ExecutorSettings(device=str(device), jobs=lanes))
    assert runtime is not None
    with runtime:
        method = work.method(runtime)
        executor = method.world.learning.executor
        run = executor.run

        def timed(*arguments: Any) -> Any:
            found: list[Any] = []
            times.append(seconds(lambda: found.append(run(*arguments)), device))
            return found[0]

        executor.run = timed
        engine = make_engine(method, MethodResult("one", "one", 0, ()))
        engine.run(StopCondition(2, evaluate_every=1000), RoundProgress(lambda _: None, None))
        engine.finish()
    return times[1]


def of_loop(work: Work, device: torch.device) -> float:
    """Return the time of a round of FedAvg in plain PyTorch; the data feed is Cutlayer's."""
    prepare(device)
    feed = work.method().world.learning.executor.workspace.feed
    model = catalogue.build(work.model, classes=10, seed=0).to(device)
    model = model.to(memory_format=torch.channels_last)
    weights = {name: value.clone() for name, value in model.state_dict().items()}

    def one_round() -> None:
        mean = {name: torch.zeros_like(value) for name, value in weights.items()}
        for client in range(work.clients):
            model.load_state_dict(weights)
            sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            for position in range(BATCHES):
                images, labels = feed.batch(client, 0, Batch(position, 0, position, BATCH))
                sgd.zero_grad()
                cross_entropy(model(images.to(device)), labels.to(device)).backward()
                sgd.step()
            for name, value in model.state_dict().items():
                mean[name].add_(value, alpha=1 / work.clients)
        weights.update(mean)

    one_round()
    return seconds(one_round, device)


def report(method: str, times: dict[str, Sequence[float]], clients: int) -> None:
    """Print the rates of a method, and their ratios to the first side."""
    first = next(iter(times))
    for side, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(times[first], own, strict=True))
        rate = clients / statistics.median(own)
        print(f"{method:26} {side:8} {rate:10.2f} clients/s {ratio:8.2f} x {first}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="vgg11")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    device = device_of(chosen.device)
    print(f"{chosen.model}, {chosen.clients} clients x {BATCHES} batches of {BATCH}, on {device}")
    for method in chosen.methods:
        sides = SIDES if method == "classic_fl" else SIDES[1:]
        times: dict[str, list[float]] = {side: [] for side in sides}
        with TemporaryDirectory() as folder:
            work = Work(method, chosen.model, chosen.clients, Path(folder))
            for _ in range(chosen.turns):
                for side in sides:
                    times[side].append(
                        of_loop(work, device)
                        if side == "loop"
                        else of_executor(side, work, device, chosen.clients)
                    )
        report(method.partition(":")[0].strip("{"), times, chosen.clients)


if __name__ == "__main__":
    main()
