"""SAFSL, semi-asynchronous federated split learning: the server folds the first B of N in flight.

Checked against the re-implementation in amir-ndr/FLEXP (eb56773). The share of an update in equation 4
is proportional to |D|^gamma alpha, where D is the client's data and alpha = 1 + tau its duration in
folds: a stale update counts more.
"""

from typing import Any, ClassVar

from pydantic import Field

from cutlayer.scenarios.fields import Count
from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.digest import Ingredient
from cutlayer.sim.methods.asynchronous import AsyncMethod, AsyncOptions
from cutlayer.sim.methods.method import MethodOptions, Process
from cutlayer.sim.methods.splitfed import train_replica, train_split
from cutlayer.sim.methods.staleness import Interval, Staleness
from cutlayer.sim.methods.update import Update


class SAFSLOptions(AsyncOptions):
    """The size B of the buffer, and the effect of data and staleness on the weights."""

    staleness: Staleness = Field(
        default_factory=Interval,
        description=(
            "what an update of an old version counts: constant, hinge or polynomial (less), or"
            " interval (more)"
        ),
    )
    buffer: Count | None = Field(
        None,
        description="updates that the server folds together (B); null: 0.8 of the clients in flight",
    )
    gamma: float = Field(
        1.0,
        ge=0,
        le=10,
        allow_inf_nan=False,
        strict=False,
        description="exponent of a client's samples in its weight; 0: samples do not count",
    )


class SAFSL(AsyncMethod):
    """SplitFed without a barrier: clients wait only until B updates have arrived.

    Every client in flight has a replica of the server block on the server. A fold replaces both blocks
    by the weighted mean of B updates; other clients then start, and those in flight continue.
    """

    name = "safsl"
    summary = "like splitfed, but the server averages the first B of the clients in flight (SAFSL)"
    Options: ClassVar[type[MethodOptions]] = SAFSLOptions

    options: SAFSLOptions

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.buffer: list[Update] = []
        # Clients without a batch are never in flight, so that there may be fewer than `buffer`.
        self.size = min(options.buffer or round(0.8 * self.in_flight), self.in_flight)

    @classmethod
    def check_population(cls, options: Any, clients: int, participants: int) -> str | None:
        """Return why there are too few clients for `in_flight`, or too few in flight for `buffer`."""
        in_flight = options.in_flight or participants
        if options.buffer is not None and options.buffer > in_flight:
            return f"buffer must be at most {in_flight}, the number of clients in flight"
        return super().check_population(options, clients, participants)

    @classmethod
    def learning_options(cls, options: Any) -> dict[str, Ingredient]:
        """Return the options that affect learning; the members of the folds tell the buffer's size."""
        kept = super().learning_options(options)
        return {name: value for name, value in kept.items() if name != "buffer"}

    def device(self, device: DeviceEndpoint, update: Update) -> Process:  # noqa: ARG002
        """Send activations and receive their gradients; at the end, send the device block."""
        return train_split(device)

    def server(self, server: ServerEndpoint, update: Update) -> Process:  # noqa: ARG002
        """Train the client's server block, and return the gradients."""
        return train_replica(server)

    def arrived(self, update: Update) -> Process:
        """Keep the update and its client's permit; with the B-th update, average the blocks."""
        update.taken = True
        self.buffer.append(update)
        if len(self.buffer) < self.size:
            return
        updates, self.buffer = self.buffer, []
        yield self.aggregate(updates)
        gamma = self.options.gamma
        weights = [u.chain.weight**gamma * self.staleness_weight(u) for u in updates]
        self.fold(updates, weights=weights)
