"""The control of a run: it passes closed rounds to a controller and carries out its decisions."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.memory import allowed_cuts
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.control.controller import (
    BATCH_SIZES,
    CUTS,
    PARTICIPANTS,
    ClientFacts,
    ClientRound,
    ClosedRound,
    ControlError,
    Controller,
    Decisions,
    History,
    PredictedRound,
)
from cutlayer.sim.endpoints.fleet import Fleet
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.log.record import RoundRecord, finished_s
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.network.route_runs import Lazy, OnDemand
from cutlayer.sim.results.round import Decided
from cutlayer.sim.run.predictor import Predictor


class Control:
    """Asks a controller before every round of a method, and carries out and records its decisions."""

    def __init__(self, plan: Plan, entry: MethodEntry, method: Method) -> None:
        assert plan.controller is not None
        controller, options = plan.controller
        self._controller: Controller = controller(options)
        self._fleet = method.world.fleet
        self._name = plan.topology.clients
        self._batch_size = plan.scenario.training.batch_size
        self._least = plan.model.min_batch
        self._closed: deque[ClosedRound] = deque(maxlen=self._controller.remembers)
        self._predictor = Predictor(plan, entry)
        of_method, _ = options_of(entry)
        self._possible = plan.cuts(of_method)
        self._cuts = allowed_cuts(plan, of_method) if plan.controlled(of_method, CUTS) else {}
        clients = self._fleet.clients
        self._clients = Lazy(len(clients), self._facts)
        self._last: dict[int, tuple[int, int]] = {}  # the cut and batch size last recorded

    def _facts(self, client: int) -> ClientFacts:
        of = self._fleet.clients[client]
        device = of.profile.name
        cuts = self._cuts[device] if self._cuts else (self._fleet.cuts[client],)
        sizes = of.samples, self._batch_size
        return ClientFacts(client, of.name, device, *sizes, cuts, self._least)

    def _predicted(self, client: int, cut: int) -> PredictedRound:
        if cut not in self._possible:
            possible = ", ".join(map(str, self._possible))
            where = f"{self._of(client)} at cut {cut}"
            raise self._error(f"the time of {where}: {possible} are possible")
        return self._predictor(client, cut)

    def decide(self, index: int) -> None:
        """Ask for the decisions before a round, and carry them out. Raises ControlError."""
        fleet = self._fleet
        decisions = self._controller.decide(
            History(
                index=index,
                clients=self._clients,
                able=fleet.able,
                clients_per_round=fleet.clients_per_round,
                rounds=tuple(self._closed),
                cuts=fleet.cuts,
                batch_sizes=fleet.batch_sizes,
                predict=self._predicted,
            )
        )
        self._check_fields(decisions)
        if self._cuts:
            self._set_cuts(decisions)
        for client, size in decisions.batch_sizes.items():
            if not self._least <= size <= self._batch_size:
                allowed = f"{self._least} to {self._batch_size}, training.batch_size"
                raise self._error(f"batch size {size} for {self._of(client)}: must be {allowed}")
            fleet.batch_sizes[client] = size
        if decisions.participants is not None:
            fleet.participants = tuple(sorted(set(decisions.participants)))
            if not [self._of(client) for client in fleet.participants]:
                raise self._error("no participants: choose some, or None for all")
            if not {*fleet.participants} & {*fleet.able}:
                raise self._error("participants without a batch to train on: choose others")

    def _set_cuts(self, decisions: Decisions) -> None:
        fleet, cuts = self._fleet, decisions.cuts
        if callable(cuts):
            of = cuts
            fleet.cuts = OnDemand(lambda client: self._allowed(client, of(client)))
        elif cuts:
            if not isinstance(fleet.cuts, dict):
                fleet.cuts = dict(enumerate(fleet.cuts))
            fleet.cuts |= {client: self._allowed(client, cut) for client, cut in cuts.items()}

    def _allowed(self, client: int, cut: int) -> int:
        self._of(client)
        cuts = self._clients[client].cuts
        if cut not in cuts:
            allowed = ", ".join(map(str, cuts))
            raise self._error(f"cut {cut} for {self._of(client)}: its cuts are {allowed}")
        return cut

    def _of(self, client: int) -> str:
        """Return the name of a client."""
        if client not in range(len(self._name)):
            raise self._error(f"client {client}: there are clients 0 to {len(self._name) - 1}")
        return self._name[client]

    def _check_fields(self, decisions: Decisions) -> None:
        set_ = {
            CUTS: callable(decisions.cuts) or bool(decisions.cuts),
            BATCH_SIZES: bool(decisions.batch_sizes),
            PARTICIPANTS: decisions.participants is not None,
        }
        for field, is_set in set_.items():
            if is_set and field not in self._controller.sets:
                raise self._error(f"{field}: add it to the controller's `sets`")

    def _error(self, complaint: str) -> ControlError:
        return ControlError(f"control: {type(self._controller).__name__} decides on {complaint}")

    def closed(self, rnd: Round, record: RoundRecord) -> list[Decided]:
        """Record a closed round for the controller; return the clients whose settings have changed."""
        self._closed.append(closed_round(rnd, record, self._fleet, self._batch_size))
        decided = []
        for client in rnd.participants:
            now = self._fleet.cuts[client], self._fleet.batch_sizes.get(client, self._batch_size)
            if self._last.get(client) != now:
                self._last[client] = now
                device = self._fleet.clients[client].profile.name
                decided.append(Decided(rnd.index, self._name[client], device, *now))
        return decided


def control_of(plan: Plan, entry: MethodEntry, method: Method) -> Control | None:
    """Return the control of a method, None if the scenario has no controller that affects it."""
    if plan.controller is None:
        return None
    controller, _ = plan.controller
    affected = any(plan.controlled(type(method), field) for field in controller.sets)
    return Control(plan, entry, method) if affected else None


def closed_round(rnd: Round, record: RoundRecord, fleet: Fleet, batch_size: int) -> ClosedRound:
    """Return a round as controllers get it."""
    log = record.intervals
    count = len(rnd.participants)
    member = np.where(log.actor >= 0, log.actor, log.peer)
    of_members = (member >= 0) & (log.activity != Activity.AGGREGATE.value)

    def per_member(values: NDArray[np.float64], rows: NDArray[np.bool_]) -> Sequence[float]:
        rows = rows & of_members
        sums: Sequence[float] = np.bincount(member[rows], values[rows], minlength=count).tolist()
        return sums

    seconds = {phase: per_member(log.duration, log.of(phase)) for phase in Phase}
    weights_s = per_member(log.duration, log.of_weights())
    flops = {
        phase: per_member(log.flops, log.of(phase))
        for phase in (Phase.DEVICE_COMPUTE, Phase.SERVER_COMPUTE)
    }
    received = per_member(record.moved_bytes.astype(np.float64), log.of(Phase.DOWNLINK))
    done = finished_s(log, count)
    return ClosedRound(
        rnd.index,
        record.duration_s,
        tuple(
            ClientRound(
                client=client,
                cut=fleet.cuts[client],
                batch_size=fleet.batch_sizes.get(client, batch_size),
                done_s=float(done[i]),
                computing_s=seconds[Phase.DEVICE_COMPUTE][i],
                up_s=seconds[Phase.UPLINK][i],
                down_s=seconds[Phase.DOWNLINK][i],
                weights_s=weights_s[i],
                queue_s=seconds[Phase.SERVER_QUEUE][i],
                server_s=seconds[Phase.SERVER_COMPUTE][i],
                up_bytes=int(record.wire_up[i]),
                down_bytes=int(received[i]),
                device_flops=flops[Phase.DEVICE_COMPUTE][i],
                server_flops=flops[Phase.SERVER_COMPUTE][i],
                dropped=i in rnd.dropped,
            )
            for i, client in enumerate(rnd.participants)
        ),
    )
