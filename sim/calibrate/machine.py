"""What the profile is a profile of: processor, memory, threads and versions, in words."""

import os
import platform
from pathlib import Path


def processor() -> str:
    """Return the processor's or the board's name, as the system tells it."""
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text(encoding="utf-8", errors="replace").rstrip("\0\n ")
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Return the machine's memory in bytes, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def description(threads: int) -> str:
    """Return what was measured, in a line."""
    import torch

    of = f"{threads} thread{'s' if threads > 1 else ''} of {os.cpu_count()}"
    return f"{processor()}, {of}, PyTorch {torch.__version__} on the CPU"
