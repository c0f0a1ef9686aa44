"""Explain the time of one client's transfers in one round or window of one method.

The round is simulated again, without tensors, with a probe on the client's routes: it records what
limited each transfer at every moment. The probe changes nothing; times and bytes are those of the run. A
window has the transfers that ended in it; they may have begun before it, at a negative time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from cutlayer.errors import UserError
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.clients import transports
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.endpoints.fleet import Client
from cutlayer.sim.endpoints.nodes import RouteRef
from cutlayer.sim.endpoints.world import World
from cutlayer.sim.log.intervals import SERVER, Activity, Phase
from cutlayer.sim.log.record import TOLERANCE
from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.methods.method import Round
from cutlayer.sim.network.flow import FINISHED, Flow
from cutlayer.sim.network.observers import Probe, Probed
from cutlayer.sim.network.settling import Observer
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import KeptRound, RoundResult
from cutlayer.sim.run.engine import Observe
from cutlayer.sim.run.pieces import Piece, pieces_of
from cutlayer.sim.run.play import play, scenario_stop
from cutlayer.sim.transport import Account, Tcp
from cutlayer.suggestion import suggestion


class ExplainError(UserError):
    """An unknown method, round or client to explain."""


@dataclass(frozen=True)
class Transfer:
    """One message. Times are seconds since the round or window began, rates are wire bytes/s.

    `start_s` is when it began to be sent on its connection; `carried_bytes` crossed each link, headers
    included. `cap` is the last limit on its rate, set by `cap_from`: "slow start", "window", "loss", a
    link of its own, or "none". `account` has its seconds by what limited it.
    """

    number: int
    direction: Literal["up", "down"]
    activity: str
    start_s: float
    end_s: float
    delay_s: float
    wire_bytes: int
    payload_bytes: int
    carried_bytes: float
    dropped: bool
    cap: float
    cap_from: str
    account: Account
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        """Seconds from its turn to its last byte."""
        return self.end_s - self.start_s

    @property
    def mean_rate(self) -> float | None:
        """Mean rate in wire bytes/s, None if it took no time."""
        return self.wire_bytes / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class Explained:
    """A client's transfers in a round, in the order in which they ended.

    `cut` is the client's in this round; if `mixed`, other clients may have other cuts.
    """

    label: str
    client: str
    cut: int
    mixed: bool
    seed: int
    rtt_s: float
    rnd: RoundResult
    transfers: tuple[Transfer, ...]

    def held_s(self) -> dict[str, float]:
        """Return the seconds of all transfers by what limited them, longest first."""
        held: dict[str, float] = {}
        for transfer in self.transfers:
            for piece in transfer.pieces:
                held[piece.held_by] = held.get(piece.held_by, 0.0) + piece.seconds
        return dict(sorted(held.items(), key=lambda item: -item[1]))


def explain(
    plan: Plan, label: str | None = None, round_index: int = 0, client: str | None = None
) -> Explained:
    """Explain a client's transfers; by default the straggler's, under the first method.

    Raises ExplainError for an unknown method, round or client.
    """
    entries = {entry.label: entry for entry in plan.scenario.methods}
    if label is not None and label not in entries:
        raise ExplainError(f"--method: unknown method {label!r}{suggestion(label, entries)}")
    entry = plan.scenario.methods[0] if label is None else entries[label]
    rounds = plan.scenario.training.rounds
    if not 0 <= round_index < rounds:
        last = f"rounds are 0 to {rounds - 1}" if rounds > 1 else "there is only round 0"
        raise ExplainError(f"--round: unknown round {round_index}; {last}")
    clients = plan.topology.clients
    if client is not None and client not in clients:
        raise ExplainError(f"--client: unknown client {client!r}{suggestion(client, clients)}")
    if client is None:
        client = _played(plan, entry, round_index).rounds[round_index].straggler
        if client is None:
            raise ExplainError(f"--round: no client took part in round {round_index}; try another")
    routes = _RoutesOfClient(round_index, clients.index(client))
    result = _played(plan, entry, round_index, routes.observe)
    kept = result.kept[-1]
    names = kept.participants
    if client not in names:
        raise ExplainError(
            f"--client: {client} takes no part in {result.noun} {round_index}; "
            + (f"its participants are {', '.join(names)}" if names else "it has no participants")
        )
    return Explained(
        label=entry.label,
        client=client,
        cut=routes.world.fleet.cuts[routes.client],
        mixed=routes.world.learning.mixed is not None,
        seed=plan.seed,
        rtt_s=routes.rtt_s,
        rnd=result.rounds[round_index],
        transfers=tuple(routes.transfers(plan, kept)),
    )


@dataclass
class _RoutesOfClient:
    """Observes one client's routes: in one round if it takes part in it, or in all windows."""

    round_index: int
    client: int
    world: World = field(init=False)
    owner: Client = field(init=False)
    probe: Probe | None = None

    def observe(self, world: World, rnd: Round) -> Sequence[Observer]:
        """Return the probe of the client's routes."""
        self.world, self.owner = world, world.fleet.clients[self.client]
        elsewhere = rnd.index != self.round_index or self.client not in rnd.participants
        if rnd.round_type != WINDOW and elsewhere:
            return ()
        if self.probe is None:
            self.probe = Probe(world.network, [route.index for route in self._routes.values()])
        return (self.probe,)

    @property
    def _routes(self) -> dict[tuple[Phase, int], RouteRef]:
        """The routes of its messages, to and from the server and the edge node that it uses."""
        route, client, edge = self.world.route, self.client, self.owner.edge
        nodes = (SERVER,) if edge is None or len(self.world.nodes) == 1 else (SERVER, edge)
        ups = {(Phase.UPLINK, node): route(client, node) for node in nodes}
        return ups | {(Phase.DOWNLINK, node): route(node, client) for node in nodes}

    @property
    def rtt_s(self) -> float:
        """The mean round trip to the node with which the client exchanges weights."""
        nearest = min(node for _, node in self._routes)
        return sum(route.delay_s for (_, node), route in self._routes.items() if node == nearest)

    def transfers(self, plan: Plan, kept: KeptRound) -> Iterator[Transfer]:
        """Yield the client's transfers of a kept round in the order in which they ended."""
        world, probe = self.world, self.probe
        assert probe is not None
        log, member = kept.record.intervals, kept.participants.index(self.owner.name)
        copies = kept.record.copies
        window = kept.round_type == WINDOW
        began_s = kept.start_s - world.clock.epoch_s if window else 0.0
        weight = 1 / transports(plan)[self.client].header_efficiency
        seen = {
            ends: [
                p for p in probe.transfers if route.index in world.network.branches(p.flow.route)
            ]
            for ends, route in self._routes.items()
        }
        member_of = np.where(log.phase == Phase.UPLINK, log.actor, log.peer)
        ours = (
            np.isin(log.phase, (Phase.UPLINK, Phase.DOWNLINK))
            & (member_of == member)
            & (log.activity != Activity.CONNECT)
        )
        for number, row in enumerate(np.flatnonzero(ours).tolist()):
            phase = Phase(int(log.phase[row]))
            end_s, dropped = float(log.end[row]) + began_s, bool(log.dropped[row])
            node = int((log.peer if phase == Phase.UPLINK else log.actor)[row])
            waiting = seen[phase, node]
            while window and waiting and _ended_before(waiting[0].flow, end_s):
                waiting.pop(0)
            probed = waiting.pop(0) if waiting and _is_of(waiting[0].flow, end_s, dropped) else None
            assert probed is not None or dropped, f"row {row} of the log belongs to no transfer"
            began = float(log.start[row]) + began_s
            start_s = began if probed is None else float(probed.flow.start_s)
            account = _account(world, probed, start_s, end_s)
            cap, cap_from = _cap(world, probed, account)
            yield Transfer(
                number=number,
                direction="up" if phase == Phase.UPLINK else "down",
                activity=Activity(int(log.activity[row])).name.lower(),
                start_s=start_s - began_s,
                end_s=end_s - began_s,
                delay_s=float(log.delay[row]),
                wire_bytes=int(log.wire_bytes[of := copies.get(row, row)]),
                payload_bytes=int(log.payload_bytes[of]),
                carried_bytes=float(log.wire_bytes[of]) * weight,
                dropped=dropped,
                cap=cap,
                cap_from=cap_from,
                account=account,
                pieces=()
                if probed is None
                else tuple(
                    replace(piece, start_s=piece.start_s - began_s, end_s=piece.end_s - began_s)
                    for piece in pieces_of(probed.spans, end_s, account)
                ),
            )


def _account(world: World, probed: Probed | None, start_s: float, end_s: float) -> Account:
    """Return a transfer's seconds by what held it."""
    if probed is None:
        return Account(start_s, end_s)
    if isinstance(world.transport, Tcp) and probed.flow.sequence in world.transport.accounts:
        return world.transport.accounts[probed.flow.sequence]
    return Account(start_s, end_s, own_link_s=probed.flow.own_link_s)


def _cap(world: World, probed: Probed | None, account: Account) -> tuple[float, str]:
    """Return the last cap of a transfer, bytes/s, and what set it."""
    if probed is None or probed.flow.held_by is None:
        return account.cap, account.cap_from
    holder = probed.flow.held_by
    rates = [span.rate for span in probed.spans if span.bottleneck == holder]
    return (rates[-1] if rates else world.network.limit(probed.flow)[0]), holder


def _is_of(flow: Flow, end_s: float, dropped: bool) -> bool:
    """Whether a row of the log can belong to `flow`, the next one on its route."""
    if flow.state == FINISHED:
        return abs(flow.finish_s - end_s) <= TOLERANCE * max(1.0, end_s)
    return dropped and flow.start_s <= end_s


def _ended_before(flow: Flow, end_s: float) -> bool:
    """Whether a transfer had ended before an earlier window closed."""
    return flow.state == FINISHED and flow.finish_s < end_s - TOLERANCE * max(1.0, end_s)


def _played(
    plan: Plan, entry: MethodEntry, round_index: int, observe: Observe | None = None
) -> MethodResult:
    """Play a method up to a round. Raises ExplainError if it ends before."""
    stop = replace(scenario_stop(plan.scenario), rounds=round_index + 1)
    result = play(plan, entry, stop=stop, observe=observe)
    if len(result.rounds) <= round_index:
        raise ExplainError(
            f"--round: round {round_index} of {entry.label} is not played: "
            + (result.ended or f"the time limit ends the run after {len(result.rounds)} rounds")
        )
    return result
