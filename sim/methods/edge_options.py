"""The option `edges`: clients train with edge nodes, or with stronger clients."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cutlayer.scenarios.fields import rule
from cutlayer.sim.methods.method import AveragingOptions


class Edges(BaseModel):
    """Clients train with their edge nodes, which the server averages after some edge rounds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rounds: int = Field(1, ge=1, description="edge rounds, each of local_epochs, in a round (k2)")


class SplitEdges(Edges):
    """`edges` of a method with a server block, which is on the server or on every edge node."""

    server_block: Literal["server", "edge"] = Field(
        "server", description="where the server block (and EcoFed's replay buffer) is: server, edge"
    )


class SplitFedEdges(SplitEdges):
    """`edges` of SplitFed, in which stronger clients can be the edge nodes of weaker ones."""

    peers: str | None = Field(
        None,
        description=(
            "clients (a device, group or name) that have the server blocks of the others, and are"
            " their edge nodes; null: nodes of the topology"
        ),
    )

    @model_validator(mode="after")
    def _has_the_block(self) -> Self:
        if self.peers is not None and "server_block" in self.model_fields_set:
            raise rule("has server_block beside peers, which have the server block: remove it")
        return self


class EdgesOptions(AveragingOptions):
    """The options of a method that averages whole models, also at edge nodes."""

    edges: Edges | None = Field(
        None, description="average at edge nodes first; null: at the server"
    )


class SplitEdgesOptions(AveragingOptions):
    """The options of a method with a server block that averages, also at edge nodes."""

    edges: SplitEdges | None = Field(
        None, description="average at edge nodes first; null: at the server"
    )


class SplitFedOptions(AveragingOptions):
    """The options of SplitFed."""

    edges: SplitFedEdges | None = Field(
        None, description="average at edge nodes first; null: at the server"
    )
