"""What the filling solver keeps for each shared resource, and for each flow in flight."""

from cutlayer.sim.network.flow import Flow


class Sender:
    """A flow in flight and the shared resources it crosses, with the consumption per byte of each.

    `row` is its number in a table (see table.py), 0 outside. The account of a flow in a table is
    kept there, that of another one here: at the time of its component it has `left` bytes to send
    and runs at `rate` bytes/s, at most `limit`.
    """

    __slots__ = ("flow", "left", "limit", "rate", "row", "uses")

    def __init__(
        self, flow: Flow, uses: "tuple[tuple[Resource, float], ...]", left: float, limit: float
    ) -> None:
        self.flow = flow
        self.uses = uses
        self.left = left
        self.limit = limit
        self.rate: float = 0
        self.row = 0


class Resource:
    """A shared resource and the flows in flight that cross it.

    `bottleneck_s` is for how many seconds it held back a flow that was below its cap.
    """

    __slots__ = ("bottleneck_s", "capacity", "name", "users")

    def __init__(self, name: str, capacity: float) -> None:
        self.name = name
        self.capacity = capacity
        self.users: dict[Sender, None] = {}
        self.bottleneck_s: float = 0
