"""What determines the bits of a training, apart from its settings."""

import platform
from typing import Any

import torch

from cutlayer.scenarios.numerics import DEFAULT, Numerics
from cutlayer.sim.learning.accelerator import CPU, description, prepare
from cutlayer.sim.learning.kernels import fingerprint


def numerics(device: torch.device = CPU, chosen: Numerics = DEFAULT) -> dict[str, Any]:
    """Return what determines the bits of a training in addition to its digest.

    `kernels` is a measured fingerprint; the other entries describe the scenario's choice and the
    environment.
    """
    prepare(device)
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        **chosen.model_dump(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "kernels": fingerprint(device, chosen),
        **description(device),
        "executor": "inline",
    }
