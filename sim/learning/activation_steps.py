"""The step of a server block that lives as long as the run, on one activation of any client."""

from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.operations import Buffered, server_step_detached


def step_at(run: ChainRun, lr: float, upload: Buffered) -> None:
    """Train the server block on an activation, with the learning rate `lr`; nothing is returned."""
    run.replica("server").set_lr(lr)
    server_step_detached(run, upload)
