"""What both ends of a client's round have: a mailbox, a route, and where they are in the log."""

from typing import TYPE_CHECKING, Any, ClassVar

import simpy

from cutlayer.sim.endpoints.mailbox import Mailbox
from cutlayer.sim.endpoints.message import Message, with_framing
from cutlayer.sim.endpoints.transfer import Delivery
from cutlayer.sim.endpoints.world import Client, World
from cutlayer.sim.learning.chain import Batch, Chain
from cutlayer.sim.log.intervals import NO_CAUSE, Phase

if TYPE_CHECKING:
    from cutlayer.sim.endpoints.churn import Churn


class Endpoint:
    """One end: where it is in the log (`last`, the row it just ended), its mailbox and its peer.

    `latest` is the row of its latest transfer. Where clients come and go, `under_way` holds what
    has not arrived yet, `held` what waits for the client to be back online.
    """

    phase: ClassVar[Phase]
    peer: "Endpoint"

    def __init__(self, world: World, client: Client, member: int, chain: Chain) -> None:
        self.world = world
        self.client = client
        self.member = member
        self.chain = chain
        self.last = NO_CAUSE
        self.latest = NO_CAUSE
        self.busy_until = 0.0
        self.mailbox = Mailbox(world.clock)
        self.churn: Churn | None = None
        self.offline = False
        self.under_way: dict[Delivery, None] = {}
        self.held: list[Delivery] = []
        up = self.phase == Phase.UPLINK
        self.route = client.up if up else client.down
        self.delay_s = client.up_delay_s if up else client.down_delay_s
        self.propagation = world.propagation(self.route, chain.round_index)
        self._outstanding = 0
        self._room: simpy.Event | None = None

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of this client's round, over all local epochs."""
        return self.client.batches

    @property
    def first_epoch(self) -> tuple[Batch, ...]:
        """The batches of the first local epoch: every sample once."""
        return self.client.first_epoch

    def receive(self) -> simpy.Event:
        """Wait for the next message of the other endpoint; the event's value is its content."""
        return self.mailbox.get()

    def send(self, message: Message, content: Any = None) -> simpy.Event:
        """Send a message; the event succeeds when its last byte has left.

        With more than one upload outstanding it succeeds as soon as another may be handed over.
        """
        world = self.world
        if world.framing != 1.0:
            message = with_framing(message, world.framing)
        left = self._hand_over(message, content)
        limit = world.uploads_outstanding
        if limit == 1:
            return left
        self._outstanding += 1
        room = world.clock.event()
        if self._outstanding < limit:
            room.succeed()
        else:
            self._room = room
        return room

    def _hand_over(self, message: Message, content: Any) -> simpy.Event:
        """Begin the transfer, or hold it while the client is offline; when it leaves is an event."""
        if self.churn is None:
            return Delivery(self, message, content, None).begin().done
        left = self.world.clock.event()
        delivery = Delivery(self, message, content, left)
        self.under_way[delivery] = None
        if self.offline:
            self.held.append(delivery)
        else:
            delivery.begin()
        return left

    def has_sent(self, row: int) -> None:
        """Take note that the message logged as `row` has left."""
        self.latest = row
        if self.world.uploads_outstanding == 1:
            self.last = row
            return
        self._outstanding -= 1
        if self._room is not None:
            room, self._room = self._room, None
            self.last = row
            room.succeed()
