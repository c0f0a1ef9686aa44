"""The topologies `ring` and `mesh`: connected sites, with clients at each."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from cutlayer.scenarios.fields import Section, not_empty, rule
from cutlayer.scenarios.groups import ClientGroup, Routing, StarServer
from cutlayer.scenarios.links import Link

SiteCount = Annotated[int, Field(strict=True, ge=2, le=10_000)]
SiteIndex = Annotated[int, Field(strict=True, ge=0)]


class _Sites(Section):
    least: ClassVar[int]
    server: StarServer
    server_at: SiteIndex = 0
    sites: SiteCount
    link: Link
    clients: Annotated[tuple[ClientGroup, ...], not_empty]
    routing: Routing = "delay"

    @model_validator(mode="after")
    def _sites_are_there(self) -> Self:
        if self.sites < self.least:
            raise rule(f"needs {self.least} sites or more, not {self.sites}")
        if self.server_at >= self.sites:
            last = self.sites - 1
            raise rule(f"has its server at site {self.server_at}; sites are 0 to {last}")
        return self

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return self.sites * sum(group.count for group in self.clients)


class Ring(_Sites):
    """Sites in a ring, with the same clients at each; the `up` of a `link` leads to the next site."""

    least = 3


class Mesh(_Sites):
    """Sites with a link between every two, and the same clients at each."""

    least = 2
