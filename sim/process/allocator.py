"""Make the memory allocator of this process keep what is freed."""

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1  # of mallopt(3)
M_MMAP_MAX: Final = -4
NEVER: Final = 2**31 - 1


def keep_memory() -> bool:
    """Make this process keep freed memory, as jemalloc and tcmalloc do; return whether that worked.

    glibc returns large freed tensors to the system, which maps them again, page by page, in the next
    iteration. That can take a fifth of an iteration, varies with the tensor sizes of a model, and is
    not a property of the processor. MALLOC_MMAP_MAX_=0 and MALLOC_TRIM_THRESHOLD_=2147483647 in the
    environment have the same effect. Other C libraries have no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
