"""One transfer: so many bytes over one route."""

from collections.abc import Sequence
from math import nan
from typing import Final, Protocol

from simpy import Environment, Event

WAITING: Final = "waiting"
SENDING: Final = "sending"
FINISHED: Final = "finished"
CANCELLED: Final = "cancelled"


class Route(Protocol):
    """The path of a flow: the resources it crosses, and how long a bit travels.

    `resources` pairs a resource's name with the consumption per byte of traffic (1 on a wire, 1/r
    for a Wi-Fi station of rate r on a medium of capacity 1).
    """

    @property
    def resources(self) -> Sequence[tuple[str, float]]:
        """Pairs of resource name and consumption per byte."""

    @property
    def delay_s(self) -> float:
        """Propagation delay in seconds; whoever waits for the arrival adds it to `finish_s`."""


class Flow:
    """A transfer in bytes and seconds; times that have not come yet are NaN.

    `done` succeeds with the flow when the last byte has left, and never for a cancelled flow.
    `queued_s` is when it was asked for, `start_s` when its first byte left (later than `queued_s`
    if an earlier flow held the route), `finish_s` when its last byte left.
    """

    __slots__ = (
        "cap",
        "capped_s",
        "charged_s",
        "done",
        "finish_s",
        "held_by",
        "left",
        "limit",
        "load",
        "own_link_s",
        "place",
        "queued_s",
        "rate",
        "route",
        "sequence",
        "since",
        "size_bytes",
        "start_s",
        "state",
        "tag",
        "turn",
        "version",
        "weight",
    )

    def __init__(
        self,
        env: Environment,
        route: int,
        sequence: int,
        size_bytes: float,
        weight: float,
        cap: float,
        now: float,
    ) -> None:
        self.done = Event(env)
        self.route = route
        self.sequence = sequence
        self.size_bytes = size_bytes
        self.weight = weight
        self.cap = cap
        self.queued_s = now
        self.start_s = nan
        self.finish_s = nan
        self.state = WAITING
        # What is still to be sent: of the whole flow while it waits and after it has ended; while
        # it is being sent the solver keeps its own account here, so ask `Network.left_bytes`.
        self.left = size_bytes
        # Who held it: `capped_s` is how long it ran at its cap (the solver's account, up to date once
        # a cap has changed and at its end), `charged_s` how much of that is charged to who set the
        # cap, `held_by` the own link that sets it now (None: the transport), `own_link_s` their part.
        self.capped_s: float = 0
        self.charged_s: float = 0
        self.held_by: str | None = None
        self.own_link_s: float = 0
        # The solver's account: set by the solver that holds the flow, read by nobody else.
        self.limit = cap
        self.load: float = 0
        self.rate: float = 0
        self.since: float = 0
        self.tag: float = 0
        self.place = 0
        self.version = 0
        self.turn = 0

    def __repr__(self) -> str:
        return (
            f"<flow {self.sequence}: {self.size_bytes:g} bytes on route {self.route}, {self.state}>"
        )
