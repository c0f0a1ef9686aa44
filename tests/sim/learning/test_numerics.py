"""The scenario's `numerics`: what is computed in which type, and where the choice is recorded."""

from functools import cache
from typing import Any

import pytest
import torch
from tiny_runs import Inside, keys, only, results
from torch import Tensor, nn

from cutlayer.models.layers import conv_block
from cutlayer.scenarios.numerics import DEFAULT, Numerics
from cutlayer.sim.learning.accelerator import CPU
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.learning.kernels import fingerprint
from cutlayer.sim.learning.precision import (
    UnsupportedNumericsError,
    apply_to_module,
    check_numerics,
    compute_in_bfloat16,
)

ALL = "methods=[classic_fl, splitfed, local_loss, fedgkt, {ecofed: {init: random}}, splitfed_v2]"
CHOICES = [
    Numerics(dtype="float64"),
    Numerics(dtype="bfloat16"),
    Numerics(memory_format="contiguous"),
]


def chosen(numerics: Numerics) -> list[str]:
    return [f"numerics.{name}={value}" for name, value in numerics.model_dump().items()]


def weights(run: Inside) -> dict[str, Tensor]:
    states = run.states
    return {**states[keys("device")[0].text], **states[keys("server")[0].text]}


@cache
def learned(method: str, *overrides: str) -> dict[str, Tensor]:
    return weights(Inside(f"methods=[{method}]", *overrides).train())


@pytest.mark.parametrize("numerics", CHOICES, ids=str)
def test_every_method_learns_nearly_the_same(numerics: Numerics) -> None:
    """The unit roundoff of bfloat16 is 2^-8, and some hundred of its operations add up."""
    limit = 0.05 if numerics.dtype == "bfloat16" else 1e-4
    for method in ("classic_fl", "splitfed", "{ecofed: {init: random}}"):
        plain, other = learned(method), learned(method, *chosen(numerics))
        stored = torch.float64 if numerics.dtype == "float64" else torch.float32
        for name, value in other.items():
            assert value.dtype == stored
            torch.testing.assert_close(value.float(), plain[name], rtol=limit, atol=limit)


@pytest.mark.parametrize("numerics", CHOICES, ids=str)
def test_all_methods_train_and_a_cut_changes_no_bit(numerics: Numerics) -> None:
    found = results(ALL, *chosen(numerics))
    assert all(result.weights_digest for result in found.values())
    assert found["classic_fl"].weights_digest == found["splitfed"].weights_digest


def test_the_choice_is_recorded_with_the_kernels_that_it_uses() -> None:
    versions = []
    for numerics in (DEFAULT, *CHOICES):
        runtime = open_runtime("inline", ExecutorSettings(numerics=numerics))
        assert runtime is not None
        versions.append(runtime.numerics())
        assert versions[-1].items() >= numerics.model_dump().items()
        assert versions[-1]["kernels"] == fingerprint(CPU, numerics)
    assert len({used["kernels"] for used in versions[:3]}) == 3
    rest = [
        {k: v for k, v in used.items() if k not in ("kernels", *DEFAULT.model_dump())}
        for used in versions
    ]
    assert all(one == rest[0] for one in rest)


def test_times_and_bytes_are_those_of_float32() -> None:
    plain = only("methods=[splitfed]")
    for numerics in CHOICES:
        other = only("methods=[splitfed]", *chosen(numerics))
        assert other.event_digest == plain.event_digest
        assert other.learning_digest == plain.learning_digest


def test_a_block_in_bfloat16_rounds_within_and_returns_float32() -> None:
    torch.manual_seed(0)
    block = conv_block(3, 8)
    apply_to_module(block, Numerics(dtype="bfloat16"))
    inputs = torch.randn(4, 3, 8, 8)
    exact = block(inputs)
    seen: list[torch.dtype] = []
    block.get_submodule("conv").register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    compute_in_bfloat16(block)
    rounded = block(inputs)
    assert seen == [torch.bfloat16]
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.1
    rounded.sum().backward()
    assert {p.grad.dtype for p in block.parameters() if p.grad is not None} == {torch.float32}


def test_a_type_that_a_device_cannot_compute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_numerics(Numerics(dtype="bfloat16"))

    def to(module: nn.Module, *_: Any, **__: Any) -> nn.Module:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype\nas the framework has none")

    monkeypatch.setattr(nn.Module, "to", to)
    message = (
        "numerics.dtype: the device mps of this machine cannot compute with it (Cannot convert a MPS"
        " Tensor to float64 dtype) (got float64), use float32"
    )
    with pytest.raises(UnsupportedNumericsError) as raised:
        check_numerics(Numerics(dtype="float64"), "mps")
    assert str(raised.value) == message
