"""Asynchronous methods with one server block for all clients, which lives as long as the run."""

from typing import Any

from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.learning.state_key import SERVER, shared
from cutlayer.sim.methods.asynchronous import AsyncMethod


class RunBlockMethod(AsyncMethod):
    """A method whose updates exchange tensors with the chain of one server block, the group's trunk.

    An update joins the `group`. The states of the trunk become current when a window closes.
    """

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        block = (SERVER,)
        clients = world.fleet.able
        trunk = self.joint_chain(0, clients, reads=block, writes=block, at_end=True)
        self.group = world.learning.interleave(trunk)

    @classmethod
    def server_replicas(cls, options: Any, participants: int) -> int:  # noqa: ARG003
        """Return 1: there is a single server block."""
        return 1

    def open_chain(self, client: int, index: int) -> Chain:
        """Open the chain of an update, whose optimizer continues from the client's last folded one."""
        parts, samples = shared(*self.parts), self.world.fleet.clients[client].samples
        return self.world.learning.chain(
            index, client, samples, reads=parts, averages=parts, at_end=True
        )

    def publish_at_close(self) -> None:
        """Make the server block's states current if the last fold has closed the window."""
        if self.window.closed:
            self.world.learning.publish(self.group)
