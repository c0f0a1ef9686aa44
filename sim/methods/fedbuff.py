"""FedBuff (Nguyen et al., AISTATS 2022, Algorithm 1): the server folds once K updates have arrived."""

from typing import Any, ClassVar

from pydantic import Field

from cutlayer.scenarios.fields import Count
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.methods.asynchronous import AsyncMethod, AsyncOptions
from cutlayer.sim.methods.method import MethodOptions, Process
from cutlayer.sim.methods.staleness import Polynomial, Staleness
from cutlayer.sim.methods.update import Update
from cutlayer.sim.methods.whole_model import WholeModel


class FedBuffOptions(AsyncOptions):
    """The size K of the buffer and the server's learning rate."""

    staleness: Staleness = Field(
        default_factory=Polynomial,
        description="how much less an update of an old version counts: constant, hinge, polynomial",
    )
    buffer: Count = Field(10, description="updates that the server folds together (K)")
    server_lr: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        strict=False,
        description="what the mean update is multiplied by",
    )


class FedBuff(WholeModel, AsyncMethod):
    """Every client trains the whole model; the server adds the mean change of K models."""

    name = "fedbuff"
    summary = "the server adds the mean change of K models once K have arrived (FedBuff)"
    Options: ClassVar[type[MethodOptions]] = FedBuffOptions
    keeps_received = True

    options: FedBuffOptions

    def __init__(self, world: World, options: Any) -> None:
        super().__init__(world, options)
        self.buffer: list[Update] = []

    def arrived(self, update: Update) -> Process:
        """Keep the update; with the K-th, add the mean change. Stale updates have smaller weights."""
        self.buffer.append(update)
        if len(self.buffer) < self.options.buffer:
            return
        updates, self.buffer = self.buffer, []
        yield self.aggregate(updates)
        shares = [u.chain.weight * self.staleness_weight(u) for u in updates]
        total = sum(u.chain.weight for u in updates) / self.options.server_lr
        self.fold(updates, weights=shares, total=total, deltas=True)
