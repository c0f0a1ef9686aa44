"""TCP as a cap on each flow that changes with time: set-up, slow start, windows, loss.

A connection is opened once a round, by the first message in either direction; both directions wait
until it is open. Each direction has its own congestion window. In slow start a flow sends one window a
round trip, evenly; the window doubles as long as at least half of it is used. The rest of a message
leaves at line rate as soon as it fits into the window. Slow start ends when the window covers the rate
that the links could give, or twice the rate that they gave for a round trip: a queue of one
bandwidth-delay product would have overflowed. From then on only the receive window and loss cap the
flow. Congestion avoidance is not modelled: the flow has its max-min fair share at once.

A round trip begins with the first message after the previous one has ended; later messages use what
it leaves of the window. The window is kept between messages and during an outage of a link.

There is one event when a connection opens, and one for each round trip of slow start but the last.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from simpy import Environment
from simpy.events import NORMAL

from cutlayer.sim.network import Carrier, Flow, NetworkError
from cutlayer.sim.network.route_runs import OnDemand
from cutlayer.sim.network.settling import Wake
from cutlayer.sim.transport.account import Account, CapFrom
from cutlayer.sim.transport.settings import PathSettings
from cutlayer.sim.transport.tcp_formulas import retransmission_timeout

ROUNDING_BYTES: Final = 0.5  # sizes are whole bytes: rounding must not cost a round trip


@dataclass(slots=True, eq=False)
class _Connection:
    """The state that two directions share; `epoch` counts how often it was closed."""

    epoch: int = 0
    round: int = 0
    opened_s: float | None = None

    def close(self) -> None:
        self.epoch += 1
        self.opened_s = None


@dataclass(slots=True, eq=False)
class _Direction:
    """One sender: its path, its window, and the flow that it sends."""

    path: PathSettings
    connection: _Connection
    flow: Flow | None = None
    generation: int = 0
    opening: bool = False
    account: Account = field(init=False)
    requested_cap: float = field(init=False)
    booked_s: float = field(init=False)
    limit: float = field(init=False)
    limit_from: CapFrom = field(init=False)
    timeout_s: float = field(init=False)
    epoch: int = field(init=False)
    slow: bool = field(init=False)
    window: float = field(init=False)
    round_end_s: float = field(init=False)
    sent_s: float = field(init=False)  # when its last byte left
    used: float = field(init=False)  # of the window, in the round trip under way
    room: float = field(init=False)  # left of the window when the flow's cap was set
    left: float = field(init=False)  # of the flow, then

    def __post_init__(self) -> None:
        settings, rtt_s = self.path.settings, self.path.rtt_s
        self.limit, self.limit_from = settings.limit(rtt_s, self.path.loss)
        restarts = settings.slow_start and settings.idle_restart and rtt_s > 0
        self.timeout_s = retransmission_timeout(rtt_s) if restarts else inf
        self.forget()

    def forget(self) -> None:
        """Reset to the state of a connection that was just opened."""
        self.epoch = self.connection.epoch
        self.sent_s = inf
        self.restart(self.path.settings.slow_start and self.path.rtt_s > 0)

    def restart(self, slow: bool) -> None:
        """Begin with the initial window, in slow start if `slow`."""
        self.slow = slow
        self.window = self.path.settings.initial_window_bytes
        self.round_end_s = -inf
        self.used = self.room = self.left = 0.0

    def count(self, left: float) -> float:
        """Subtract the bytes sent since the cap was set from the window, and return them."""
        sent = min(self.left - left, self.room)
        self.used += sent
        return sent

    def end_round(self) -> None:
        """End a round trip: the window grows by what was acknowledged, if half of it was used.

        Linux has about the same condition (`tcp_is_cwnd_limited`).
        """
        if 2 * self.used >= self.window:
            self.window += self.used
        self.used = 0.0


class Tcp:
    """The `Transport` of a network whose route i has `paths[i]`.

    With `keep_accounts`, `accounts` has the Account of every transfer that ended in this round, by
    the flow's sequence number.
    """

    def __init__(
        self, env: Environment, paths: Sequence[PathSettings], *, keep_accounts: bool = False
    ) -> None:
        self.accounts: dict[int, Account] = {}
        self._env = env
        self._keep = keep_accounts
        self._round = 0
        self._callbacks: list[Callable[[Any], None]] = [self._wake]
        self._network: Carrier
        connections: defaultdict[int, _Connection] = defaultdict(_Connection)

        def direction(route: int) -> _Direction:
            path = paths[route]
            return _Direction(path, connections[path.connection])

        self._directions = OnDemand(direction)

    def attach(self, network: Carrier) -> None:
        """Cap the transfers of a network, whose routes must carry one transfer at a time."""
        if not network.fifo:
            raise NetworkError("TCP needs a network whose routes carry one transfer at a time")
        self._network = network

    def open_round(self) -> None:
        """Close all connections, and forget the accounts of earlier rounds."""
        self._round += 1
        self.accounts = {}

    def disconnect(self, route: int) -> None:
        """Close the connection of a route; the caller cancels its transfers at this instant."""
        self._connection(route).close()

    def opened_s(self, route: int) -> float:
        """Return when the connection of a route was or will be open; -inf if it was not opened."""
        opened = self._connection(route).opened_s
        return -inf if opened is None else opened

    def begins(self, flow: Flow) -> float:
        """Return the cap of a flow whose turn has come, bytes/s; 0 while its connection opens."""
        now = self._env.now
        direction = self._directions[flow.route]
        connection = self._connection(flow.route)
        if direction.epoch != connection.epoch:
            direction.forget()
        elif now - direction.sent_s > direction.timeout_s:
            direction.restart(slow=True)
        if connection.opened_s is None:
            connection.opened_s = now + direction.path.settings.setup_s(direction.path.rtt_s)
        direction.flow = flow
        direction.requested_cap = flow.cap
        direction.account = account = Account(now, now)
        direction.booked_s = 0.0
        direction.opening = connection.opened_s > now
        if direction.opening:
            self._wake_in(direction, connection.opened_s - now)
            return 0.0
        account.cap, account.cap_from = self._choose_cap(direction, flow, now)
        return account.cap

    def ends(self, flow: Flow) -> None:
        """Close the account of a flow; the next message goes on with its window."""
        now = self._env.now
        direction = self._directions[flow.route]
        account = direction.account
        account.end_s = now
        if direction.opening:
            account.connect_s = now - account.start_s
        else:
            direction.sent_s = now
            if direction.slow:
                direction.count(flow.left)
        if self._keep:
            self._book(direction, flow)
            account.own_link_s = flow.own_link_s
            account.window_bytes = direction.window
            self.accounts[flow.sequence] = account
        direction.flow = None
        direction.generation += 1

    def _connection(self, route: int) -> _Connection:
        connection = self._directions[route].connection
        if connection.round != self._round:
            connection.round = self._round
            connection.close()
        return connection

    def _wake_in(self, direction: _Direction, delay: float) -> None:
        """Wake a direction in `delay` seconds, before the network settles that instant."""
        Wake(self._env, self._callbacks, direction, direction.generation, delay, NORMAL)

    def _wake(self, wake: Wake) -> None:
        direction: _Direction = wake.target
        flow = direction.flow
        if flow is None or wake.generation != direction.generation:
            return
        now = self._env.now
        account = direction.account
        if direction.opening:
            direction.opening = False
            account.connect_s = now - account.start_s
        else:
            sent = direction.count(self._network.left_bytes(flow))
            direction.slow = 2 * sent >= direction.room
            direction.round_end_s = now
            account.rounds += 1
        cap, cap_from = self._choose_cap(direction, flow, now)
        # This brings `capped_s` up to date.
        self._network.set_cap(flow, min(cap, direction.requested_cap))
        self._book(direction, flow)
        account.cap, account.cap_from = cap, cap_from

    def _choose_cap(self, direction: _Direction, flow: Flow, now: float) -> tuple[float, CapFrom]:
        """Return a flow's cap from now on and what sets it; in slow start, set a wake-up."""
        rtt = direction.path.rtt_s
        rest = direction.round_end_s - now
        if direction.slow:
            if rest <= 0:
                rest = rtt
                direction.round_end_s = now + rtt
                direction.end_round()
            if 0 < min(direction.limit, self._network.reach(flow.route)) * rtt <= direction.window:
                direction.slow = False
        if direction.slow:
            direction.room = direction.window - direction.used
            direction.left = self._network.left_bytes(flow)
            if direction.left > direction.room + ROUNDING_BYTES:
                self._wake_in(direction, rest)
                cap = direction.room / rest
                if cap < direction.limit:
                    return cap, "slow start"
        return direction.limit, direction.limit_from

    def _book(self, direction: _Direction, flow: Flow) -> None:
        """Add the time at a cap of the transport, without that at the cap of an own link."""
        held_s = flow.capped_s - flow.own_link_s
        direction.account.book(max(0.0, held_s - direction.booked_s))
        direction.booked_s = held_s
