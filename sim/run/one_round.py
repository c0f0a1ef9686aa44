"""Play one round of a method on the clock and check that nothing of it is left over."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError
from cutlayer.sim.endpoints.fleet import EDGES
from cutlayer.sim.endpoints.world import RoundLog, World
from cutlayer.sim.log.intervals import Intervals
from cutlayer.sim.log.node_use import Slots
from cutlayer.sim.log.record import ConservationError, RoundRecord, close_record
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.network.observers import Loads
from cutlayer.sim.network.settling import Observer

MAX_LINKS_NAMED: Final = 3  # in the message about a round that never ends
MAX_LINKS_RECORDED: Final = 32  # shared links whose load over time is recorded


class UnfinishedRoundError(UserError):
    """A method closed a round while some of its clients were still working."""


def play_round(
    method: Method, rnd: Round, observers: Sequence[Observer] = (), *, record_loads: bool = False
) -> RoundRecord:
    """Play a round from local time 0 and return its record.

    `record_loads` records the load over time of the first shared links. Raises UnfinishedRoundError,
    ConservationError, and what the clock raises.
    """
    world = method.world
    log = world.log = RoundLog()
    if world.transport is not None:
        world.transport.open_round()
    loads = Loads(world.network, recorded_links(world)) if record_loads else None
    world.network.observe(*([] if loads is None else [loads]), *observers)
    world.clock.play(world.clock.process(method.run_round(rnd)))
    _check_finished(world)
    intervals = Intervals.from_rows(log.rows)
    logged, sent = int(intervals.wire_bytes.sum()), log.bytes_sent
    delivered, dropped = log.bytes_delivered, log.bytes_dropped
    if not sent == logged == delivered + dropped:
        raise ConservationError(
            f"{sent} bytes were sent, {logged} logged, {delivered} delivered, {dropped} dropped"
        )
    record = close_record(
        intervals,
        len(rnd.participants),
        world.clock.now,
        world.server.slots,
        log.parts,
        interleaves=world.server.interleaves,
        edges=edge_slots(world),
        behind=behind_edges(world, rnd.participants),
        peers=members_that_are_nodes(world, rnd.participants),
    )
    bottleneck_s = world.network.collect_bottlenecks()
    uses = world.client_routes.uses(intervals, rnd.participants, bottleneck_s, log.copies)
    series = {} if loads is None else loads.series()
    return replace(record, uses=uses, loads=series, copies=log.copies)


def edge_slots(world: World) -> list[Slots]:
    """Return the slots of the edge nodes that compute."""
    return [Slots(n.queue.slots, n.queue.interleaves) for n in list(world.nodes.values())[1:]]


def behind_edges(world: World, participants: Sequence[int]) -> NDArray[np.bool_] | None:
    """Return which members have an edge node on their way to the server; None without any."""
    if not world.has_edges:
        return None
    clients = world.fleet.clients
    return np.array([clients[client].edge is not None for client in participants], np.bool_)


def members_that_are_nodes(world: World, participants: Sequence[int]) -> dict[int, int]:
    """Return the members that are peers, which compute for others, by their node numbers."""
    if len(world.nodes) == 1:
        return {}
    clients = world.fleet.clients
    numbers = {name: node.number for name, node in world.nodes.items()}
    return {
        numbers[name]: member
        for member, client in enumerate(participants)
        if (name := clients[client].name) in numbers
    }


def recorded_links(world: World) -> Sequence[str]:
    """Return the shared links whose load over time is recorded."""
    return world.network.shared[:MAX_LINKS_RECORDED]


def _check_finished(world: World) -> None:
    """Check that nothing of a round goes on when its method closes it."""
    in_flight = len(world.network.in_flight())
    log = world.log
    travelling = log.bytes_sent - log.bytes_delivered - log.bytes_dropped
    computing = sum(row.end > world.clock.now for row in log.rows)
    if not (in_flight or travelling or computing or not world.idle):
        return
    raise UnfinishedRoundError(
        f"it was closed at {world.clock.now:.6g} s with"
        f" {in_flight} transfers in flight, {travelling} bytes not delivered, {computing}"
        f" computations running and the server {'idle' if world.idle else 'busy'}; a method"
        " that closes a round early must cancel the clients that are not done (Method.cancel)"
    )


def obstacle(world: World, members: int) -> str:
    """Return why a round with `members` clients can never end."""
    network, clients = world.network, len(world.fleet.clients)
    routes = [flow.route for flow in network.in_flight()]
    stuck = len({route % clients for route in routes if route < EDGES * clients})
    if any(route >= EDGES * clients for route in routes):
        stuck, subject = len(routes), "an edge node can never"
    elif stuck >= members:
        subject = "no client can" if members > 1 else "its client can never"
    else:
        subject = f"{stuck} of {members} clients can never"
    links = network.without_capacity()
    if stuck and links:
        more = f" and {len(links) - MAX_LINKS_NAMED} more" if len(links) > MAX_LINKS_NAMED else ""
        has = "its link has" if stuck == 1 else "their links have"
        names = ", ".join(links[:MAX_LINKS_NAMED]) + more
        return f"{subject} finish, {has} zero capacity ({names})"
    if stuck:
        return f"{subject} finish"
    if world.fleet.presences:
        return "a client that went offline does not come back"
    return "it waits for something that never happens"
