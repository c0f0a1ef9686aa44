"""Settings that every test shares, so that no result depends on the machine or on its load.

Property tests run from one of two profiles. `fixed`, the default: the same examples everywhere, no
limit on time, nothing remembered between runs; a failing example is printed with the line that runs
it again. `fuzz` (`make fuzz`): other examples in every run and many more of them; failing ones are
kept in .hypothesis and tried first in the next run.
"""

import ctypes
import os
import signal
import sys
import tempfile

# Signals do what they do in a terminal, whatever started the tests: a shell's background job ignores
# SIGINT, and nohup ignores SIGHUP. Both are inherited, here and by the processes that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _signal in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
    if hasattr(signal, _signal):
        signal.signal(getattr(signal, _signal), signal.SIG_DFL)

# Outlines of models are kept for this run of the suite, which its workers inherit, and not at home.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="cutlayer-cache-")
    os.environ["CUTLAYER_CACHE_DIR"] = _cache.name

# No test downloads anything; a name that is nowhere on this machine fails at once.
os.environ["HF_HUB_OFFLINE"] = "1"

# Processes that a test starts keep their byte code: otherwise each of them compiles the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# One thread: bits do not depend on the cores, and on a busy machine the threads of a linear algebra
# library wait for each other in loops that make a tenth of a second a minute. Processes that a test
# starts inherit it. The libraries read it when they are loaded, so it comes before all imports.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Iterator, Sequence  # noqa: E402
from multiprocessing import forkserver  # noqa: E402

import matplotlib  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from cutlayer.models.own_object import forbid_user_code  # noqa: E402
from cutlayer.sim.learning.graph.preloaded import PRELOADED  # noqa: E402

# Health checks that measure time; the others (a filter that rejects nearly everything) stay.
OF_SPEED = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "fixed",
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=OF_SPEED,
)
settings.register_profile(
    "fuzz", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=OF_SPEED
)
settings.load_profile("fixed")

torch.set_num_threads(1)
matplotlib.use("Agg")

# A process has one fork server, which imports what its first pool asks for. Workers of the tests' other
# pools would each import PyTorch anew, so the server imports what any of them needs.
_preload = forkserver.set_forkserver_preload


def _preload_all(names: Sequence[str]) -> None:
    own = ("cutlayer.sim.calibrate.worker", "cutlayer.sim.studies.jobs")
    _preload([*PRELOADED, *own, "cutlayer.sim.learning.inline"])


forkserver.set_forkserver_preload = _preload_all  # type: ignore[assignment]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: with a long last test, one worker keeps the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="module")
def freed_memory_is_returned() -> Iterator[None]:
    """Executors make this process keep freed memory, which grows to gigabytes over all tests."""
    yield
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


@pytest.fixture(autouse=True)
def users_code_is_allowed() -> Iterator[None]:
    """`--no-user-code` of a command that a test ran in this process ends with the test."""
    yield
    forbid_user_code(forbid=False)
