"""What determines the bits of a training, apart from its settings."""

import platform
from typing import Any

import torch

from cutlayer.sim.learning.accelerator import CPU, description, prepare
from cutlayer.sim.learning.kernels import fingerprint


def numerics(device: torch.device = CPU) -> dict[str, Any]:
    """Return what determines the bits of a training in addition to its digest.

    `kernels` is a measured fingerprint; the other entries describe the environment.
    """
    prepare(device)
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "dtype": str(torch.get_default_dtype()),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "kernels": fingerprint(device),
        **description(device),
        "executor": "inline",
    }
