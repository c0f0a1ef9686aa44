"""What worker processes import, which begins before the command itself has imported PyTorch."""

from typing import Final

from cutlayer.sim.process.cores import cores
from cutlayer.sim.process.starter import Starter

PRELOADED: Final = (
    "cutlayer.sim.process.worker",
    "torch",
    "cutlayer.sim.learning.graph.groups",
    "cutlayer.sim.learning.graph.tasks",
    "cutlayer.sim.learning.operations",
    "cutlayer.sim.learning.distillation",
    "cutlayer.sim.learning.activation_buffer",
    "torch._dynamo",  # an optimizer imports it with its first step, which takes half a second
)


def begin_imports(jobs: int | None) -> None:
    """Begin the imports of worker processes in the background, if there will be several."""
    if (jobs or cores()) > 1:
        Starter(PRELOADED).prepare()
