"""The fingerprint of the arithmetic: it differs if the bits of a training may differ."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cutlayer.sim.learning.kernels import fingerprint
from cutlayer.sim.learning.numerics import numerics

ROOT = Path(__file__).parents[3]
TRAINED = """\
import hashlib
import torch
from torch import nn
from cutlayer.sim.learning.kernels import fingerprint

torch.set_num_threads(1)
print(fingerprint())
torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
    nn.Flatten(), nn.Linear(16 * 16, 10),
)
images, labels = torch.randn(10, 3, 16, 16), torch.arange(10)
for _ in range(3):
    net.zero_grad()
    nn.functional.cross_entropy(net(images), labels).backward()
    for weight in net.parameters():
        weight.data.add_(weight.grad, alpha=-0.05)
weights = torch.cat([weight.detach().flatten() for weight in net.parameters()])
print(hashlib.sha256(weights.numpy().tobytes()).hexdigest())
"""
ENVIRONMENTS = [
    {},
    {"MALLOC_PERTURB_": "7"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"ATEN_CPU_CAPABILITY": "default"},
]


@pytest.fixture(scope="module")
def measured() -> list[tuple[str, str]]:
    """The fingerprint and the hash of trained weights, from a process in each environment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TRAINED],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if "ISA" not in k and "CAPABILITY" not in k}
            | {"PYTHONPATH": str(ROOT)}
            | changed,
            stdout=subprocess.PIPE,
            text=True,
        )
        for changed in ENVIRONMENTS
    ]
    measurements = []
    for process in started:
        output, _ = process.communicate()
        assert process.returncode == 0
        kernels, weights = output.split()
        measurements.append((kernels, weights))
    return measurements


def test_equal_processes_have_one_fingerprint(measured: list[tuple[str, str]]) -> None:
    assert measured[0] == measured[1]


def test_different_bits_have_different_fingerprints(measured: list[tuple[str, str]]) -> None:
    for kernels, weights in measured:
        for other_kernels, other_weights in measured:
            if weights != other_weights:
                assert kernels != other_kernels


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="needs a processor with more than the oldest instructions",
)
def test_instruction_sets_have_different_fingerprints(measured: list[tuple[str, str]]) -> None:
    plain, _, onednn, aten = (kernels for kernels, _ in measured)
    assert len({plain, onednn, aten}) == 3


def test_it_is_part_of_the_numerics_and_has_no_side_effects() -> None:
    state = torch.random.get_rng_state()
    with torch.no_grad():
        assert numerics()["kernels"] == fingerprint()
    assert torch.equal(torch.random.get_rng_state(), state)
