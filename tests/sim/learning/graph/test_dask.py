"""Workers of a Dask scheduler give the bits of `inline`, also if one is killed in the middle."""

import os
import signal
from collections.abc import Iterator, Sequence

import pytest
from dask_cluster import Dask
from training_cases import CASES, learned_on, reference

from cutlayer.errors import UserError
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.learning.numerics import numerics
from cutlayer.sim.process.dask_backend import DaskBackend
from cutlayer.sim.process.tasks import Done, Handle, Task, Ticket

pytest.importorskip("distributed", reason="needs Dask")
pytestmark = pytest.mark.slow
# One case of each method; the others differ in what the graph does, not in how its tasks are run.
OF_EACH = {name.partition(",")[0]: name for name in reversed(CASES)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


class Killing(DaskBackend):
    """Kills a worker when the task of a number is submitted."""

    def __init__(self, address: str, at: int) -> None:
        super().__init__(address, measure=numerics)
        self.at = at

    def submit(self, task: Task, inputs: Sequence[Handle], done: Done, priority: int = 0) -> Ticket:
        ticket = super().submit(task, inputs, done, priority)
        self.at -= 1
        if self.at == 0:
            os.kill(min(self._client.run(os.getpid).values()), signal.SIGKILL)
        return ticket


@pytest.mark.parametrize("name", OF_EACH.values())
def test_workers_of_a_cluster_give_the_bits_of_inline(name: str, cluster: Dask) -> None:
    assert learned_on(DaskBackend(cluster.address, measure=numerics), name) == reference(name)


@pytest.mark.parametrize(("method", "at"), [("splitfed", 9), ("fedbuff", 2)])
def test_a_killed_worker_changes_nothing(method: str, at: int, cluster: Dask) -> None:
    name = OF_EACH[method]
    cluster.wait_for(2)
    backend = Killing(cluster.address, at)
    assert learned_on(backend, name) == reference(name)
    assert backend.at <= 0


def test_a_scheduler_is_required() -> None:
    runtime = open_runtime("dask", ExecutorSettings())
    assert runtime is not None
    assert runtime.numerics()["executor"] == "inline"
    with pytest.raises(UserError, match=r"^--executor dask needs --scheduler, such as tcp://host"):
        runtime.__enter__()
