"""Keeping memory between iterations, as jemalloc and tcmalloc do, where the allocator is glibc's.

glibc gives large tensors back to the system when they are freed, and has them mapped anew, page by page,
in the next iteration: that can be a fifth of its time, comes and goes with the sizes that a model
happens to have, and is no property of the processor. Whoever trains for long turns it off, by another
allocator or by MALLOC_MMAP_MAX_=0 and MALLOC_TRIM_THRESHOLD_=2147483647.
"""

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1  # of mallopt(3)
M_MMAP_MAX: Final = -4
NEVER: Final = 2**31 - 1


def keep_memory() -> bool:
    """Have this process keep what it frees; returns whether it could be told to."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
