"""Training on a device: where tensors are, and which devices there are.

No accelerator is needed: `other_device` stands for one, with the kernels of the CPU.
"""

import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import CommandLine
from other_device import OTHER, OnOther, WrongDeviceError, watched
from sequential_backend import Sequential
from small_studies import study_file
from stacked_runs import tensors
from tiny_runs import METHODS, Inside, digits, tiny

from cutlayer.models.draws import seed_of
from cutlayer.models.quantise import Quantised
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.world import make_method
from cutlayer.sim.learning import accelerator
from cutlayer.sim.learning.accelerator import (
    CPU,
    TrainingDeviceError,
    available,
    description,
    device_of,
    moved,
    prepare,
)
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import numerics_of
from cutlayer.sim.learning.graph.groups import SegmentTask
from cutlayer.sim.learning.graph.runtime import GraphRuntime
from cutlayer.sim.learning.graph.tasks import ChainTask, EvaluationTask
from cutlayer.sim.learning.inline import InlineRuntime
from cutlayer.sim.learning.stacked.executor import StackedRuntime
from cutlayer.sim.learning.values import encode
from cutlayer.sim.learning.workspace import Streams
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.run.engine import RoundProgress, StopCondition
from cutlayer.sim.run.windows import make_engine

RUNTIMES: dict[str, type[InlineRuntime]] = {"inline": InlineRuntime, "stacked": StackedRuntime}
GROUPS = ("splitfed_v2", "gas", "fedasync", "{fsl_sage: {upload_every: 2}}", "ampere")


def in_context(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        with watched():
            return call(*arguments)

    return called


def trained(executor: str, device: torch.device, *overrides: str) -> tuple[Inside, str]:
    """Train a tiny scenario on a device; return the run and the fingerprint of its weights."""
    run = Inside(*overrides)
    runtime = RUNTIMES[executor](ExecutorSettings())
    runtime.device = device
    with runtime:
        with nullcontext() if device == CPU else watched():
            running = runtime.executor(run.workspace)
        for name in ("run", "merge", "publish", "release", "evaluate"):
            if device != CPU:  # the clock has to do with neither
                setattr(running, name, in_context(getattr(running, name)))
        run.method.world.learning.executor = running
        run.train(client_trained=None)
        digest = running.mark().weights_digest()
    return run, digest


@cache
def on_the_cpu(executor: str, *overrides: str) -> tuple[Inside, str]:
    return trained(executor, CPU, *overrides)


@pytest.mark.parametrize("executor", RUNTIMES)
@pytest.mark.parametrize("method", [*METHODS, *GROUPS])
def test_a_training_computes_on_its_device_alone(method: str, executor: str) -> None:
    """An operation elsewhere fails; with the same kernels, the weights have the same bits."""
    overrides = (f"methods=[{method}]", "training.optimizer_state=kept")
    expected, digest = on_the_cpu(executor, *overrides)
    run, on_other = trained(executor, OTHER, *overrides)
    assert on_other == digest
    with watched():
        home = OTHER if executor == "stacked" else CPU
        for key, value in run.workspace.states.items():
            places = {tensor.device for tensor in tensors(value)}
            assert places <= {home if key.is_module else CPU}, key.text
            assert encode(moved(value, CPU)) == encode(expected.workspace.states[key]), key.text


@pytest.mark.parametrize("method", ["splitfed", "{ecofed: {init: random}}", "fedgkt", *GROUPS])
def test_tasks_compute_on_their_device_alone(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """With any backend: values travel as bytes, and folds are taken on the CPU."""
    overrides = (f"methods=[{method}]", "training.optimizer_state=kept")
    _, expected = on_the_cpu("inline", *overrides)
    for task in (ChainTask, SegmentTask, EvaluationTask):
        monkeypatch.setattr(task, "perform", in_context(task.perform))
    runtime = GraphRuntime(ExecutorSettings(), lambda _: Sequential())
    runtime._device = OTHER
    plan = plan_checked(tiny(*overrides), trains=True)[0]
    with runtime:
        method = make_method(plan, plan.scenario.methods[0], digits(plan.seed), runtime=runtime)
        executor = method.world.learning.executor
        assert executor is not None
        engine = make_engine(method, MethodResult("one", "one", plan.seed, ()))
        engine.run(StopCondition(2, evaluate_every=1000), RoundProgress(lambda _: None, None))
        digest = executor.mark().weights_digest()
        engine.finish()
    assert digest == expected


@pytest.mark.parametrize("model", ["dropout", "statistics"])
def test_models_that_draw_or_keep_statistics_do_so_too(model: str) -> None:
    overrides = (f"model={{name: 'own_models:{model}', cut: 2}}", "methods=[fedprox]")
    _, digest = trained("stacked", CPU, *overrides)
    assert trained("stacked", OTHER, *overrides)[1] == digest


def test_the_stand_in_notices_operations_on_the_wrong_device() -> None:
    layer = torch.nn.Linear(3, 2)
    inputs = torch.ones(4, 3)
    with watched():
        with pytest.raises(WrongDeviceError, match="computes on the CPU"):
            layer(inputs)
        on_other = layer.to(OTHER)
        with pytest.raises(WrongDeviceError, match="two devices"):
            on_other(inputs)
        assert isinstance(on_other(inputs.to(OTHER)), OnOther)
        assert type((on_other(inputs.to(OTHER)) * 2).detach().cpu()) is torch.Tensor


def test_values_are_moved_with_all_their_tensors() -> None:
    one = torch.ones(2)
    value: dict[str, Any] = {
        "pairs": [(one, 3), (Quantised(one, 0.5, 8, (2,)), "text")],
        "nothing": None,
    }
    assert moved(value, CPU) is value
    with watched():
        there = moved(value, OTHER)
        assert {
            tensor.device for tensor in (there["pairs"][0][0], there["pairs"][1][0].packed)
        } == {OTHER}
        assert there["pairs"][0][1] == 3
        assert there["pairs"][1][1] == "text"
        back = moved(there, CPU)
        assert torch.equal(back["pairs"][1][0].packed, one)
        assert (back["pairs"][1][0].scale, back["nothing"]) == (0.5, None)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs of a name, as far as it can be asked."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_is_named_with_or_without_its_number() -> None:
    assert available() == ["cpu", "cuda:0", "cuda:1"]
    assert device_of("cuda") == torch.device("cuda", 0)
    assert device_of("cuda:1") == torch.device("cuda", 1)
    assert description(device_of("cuda:1"))["device"] == "GPU of cuda:1"
    with pytest.raises(TrainingDeviceError) as caught:
        device_of("cuda:2")
    assert str(caught.value) == (
        "device: 'cuda:2' is not available (available here: cpu, cuda:0, cuda:1)"
    )


def test_the_gpu_of_an_apple_computer_has_the_number_of_its_tensors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert available()[-1] == "mps"
    assert device_of("mps") == torch.device("mps", 0)


def flags() -> tuple[bool, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )


def test_an_accelerator_repeats_its_bits_in_full_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags of torch; the CPU needs none, and keeps those that a user has set."""
    before, current = flags(), list[torch.device]()
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")  # restored at the end
    prepare(CPU)
    assert (flags(), current, "CUBLAS_WORKSPACE_CONFIG" in os.environ) == (before, [], False)
    try:
        prepare(torch.device("cuda", 1))
        assert flags() == (True, True, False, False, False)
        assert current == [torch.device("cuda", 1)]
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.deterministic = before[1]
        torch.backends.cudnn.benchmark = before[2]
        torch.backends.cudnn.allow_tf32 = before[3]
        torch.backends.cuda.matmul.allow_tf32 = before[4]


class Generator:
    """The generator of an accelerator, as a module of torch offers it."""

    def __init__(self) -> None:
        self.state = torch.tensor([7])

    def manual_seed(self, number: int) -> None:
        self.state = torch.tensor([number])

    def get_rng_state(self) -> torch.Tensor:
        return self.state

    def set_rng_state(self, state: torch.Tensor) -> None:
        self.state = state


def test_an_accelerator_draws_from_the_streams_of_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its generator gets the seed of the CPU's, and its own state back."""
    own = Generator()
    monkeypatch.setattr(torch, "get_device_module", lambda _: own)
    device = torch.device("cuda", 0)
    run = Inside()
    run.workspace.device = device
    with run.workspace.drawing(Streams(3, "module", 1, 2, device=device)):
        assert run.workspace.streams is not None
        run.workspace.streams.begin("block 0")
        first = int(own.state)
        assert first == seed_of(3, "module", 1, 2, "block 0", 0)
        run.workspace.streams.begin("block 0")
        assert int(own.state) == seed_of(3, "module", 1, 2, "block 0", 1) != first
    assert int(own.state) == 7


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", "CUDA", "", "meta"])
def test_an_unknown_device_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(accelerator, "available", lambda: ["cpu"])
    with pytest.raises(TrainingDeviceError) as caught:
        device_of(name)
    assert str(caught.value) == (
        f"device: unknown device {name!r}: it must be cpu, cuda, cuda:N or mps "
        "(available here: cpu)"
    )


def test_numerics_have_the_device() -> None:
    numerics = numerics_of("inline")
    assert numerics is not None
    assert numerics["device"] == "cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "tiny.yaml", "--device", "cuda:7"],
            "device: 'cuda:7' is not available (available here: cpu, cuda:0, cuda:1)\n",
        ),
        (
            ["run", "tiny.yaml", "--executor", "stacked", "--device", "gpu"],
            "device: unknown device 'gpu': it must be cpu, cuda, cuda:N or mps"
            " (available here: cpu, cuda:0, cuda:1)\n",
        ),
        (
            ["run", "tiny.yaml", "--executor", "none", "--device", "cuda"],
            "device: the executor none trains nothing, so it uses no device (got 'cuda')\n",
        ),
        (
            ["sweep", "small.yaml", "--executor", "inline", "--device", "mps"],
            "device: 'mps' is not available (available here: cpu, cuda:0, cuda:1)\n",
        ),
    ],
    ids=["absent", "unknown", "none", "sweep"],
)
@pytest.mark.usefixtures("two_gpus")
def test_a_device_that_cannot_be_used_ends_a_command(
    cli: CommandLine, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """One line, exit code 2, and no folder."""
    study_file(tmp_path)
    answer = cli(*arguments)
    assert (answer.code, answer.err) == (2, message)
    assert not list(tmp_path.glob("runs/*"))
