"""One update of an asynchronous method, from its dispatch to its fold."""

from dataclasses import dataclass, field
from math import isnan
from typing import Any

from cutlayer.sim.endpoints.device import DeviceEndpoint
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.log.updates import UpdateRow
from cutlayer.sim.methods.members import Members


@dataclass(eq=False, slots=True)
class Update:
    """One update of a client; times are virtual seconds of the run.

    `taken` says that the server has begun to fold it, or that its client keeps its permit until then.
    """

    number: int
    client: int
    chain: Chain
    read_version: int
    dispatched_s: float
    members: Members
    uploaded_s: float | None = None
    taken: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> DeviceEndpoint:
        """The device's endpoint."""
        return self.members.devices[0]

    @property
    def server(self) -> ServerEndpoint:
        """The server's endpoint."""
        return self.members.servers[0]

    def row(
        self, window: int, version: int | None, staleness: int | None, weight: float | None
    ) -> UpdateRow:
        """Return the row of an update that ends now: without a `version`, it is dropped."""
        clock, first_s = self.device.world.clock, self.device.mailbox.first_s
        return UpdateRow(
            update=self.number,
            client=self.device.client.name,
            window=window,
            read_version=self.read_version,
            version=version,
            staleness=staleness,
            weight=weight,
            dispatched_s=self.dispatched_s,
            downloaded_s=None if isnan(first_s) else clock.epoch_s + first_s,
            uploaded_s=self.uploaded_s,
            folded_s=None if version is None else clock.elapsed_s,
            computing_s=self.device.computing_s,
            queued_s=self.server.queued_s,
            dropped=int(version is None),
        )
