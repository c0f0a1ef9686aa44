"""The engine of asynchronous methods: time is continuous, and a run has windows instead of rounds.

A window closes with a fold. Its record has the rows that have ended in it; jobs and transfers in
progress continue in the next one. Connections stay open between windows.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from cutlayer.sim.endpoints.run_log import RunLog
from cutlayer.sim.log.energy import DeviceUse
from cutlayer.sim.log.intervals import NO_CAUSE
from cutlayer.sim.log.record import ConservationError, RoundRecord, close_record
from cutlayer.sim.log.window import WINDOW, WindowEnd, window_rows
from cutlayer.sim.methods.asynchronous import AsyncMethod
from cutlayer.sim.methods.method import Method, Round
from cutlayer.sim.network.observers import Loads
from cutlayer.sim.process.interrupts import let_in
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.updates import summary_of_updates
from cutlayer.sim.run.control import Control
from cutlayer.sim.run.engine import Engine, RoundProgress, Steps
from cutlayer.sim.run.one_round import behind_edges, edge_slots, recorded_links
from cutlayer.sim.run.played import Played
from cutlayer.sim.run.rounds import RoundEngine
from cutlayer.sim.run.stop_condition import StopCondition


def make_engine(
    method: Method,
    result: MethodResult,
    *,
    reuse: bool = True,
    control: Control | None = None,
    **options: Any,
) -> Engine:
    """Return the engine of a method: of windows if it is asynchronous, or of rounds.

    Rounds whose timing is known are reused if `reuse`; windows never are. Only rounds have a `control`.
    """
    if method.asynchronous:
        assert control is None, "a controller decides before rounds"
        return WindowEngine(method, result, **options)
    return RoundEngine(method, result, reuse=reuse, control=control, **options)


class WindowEngine(Engine):
    """Runs one asynchronous method in its world and fills its result, window by window."""

    noun = "window"

    def steps(self, stop: StopCondition, progress: RoundProgress) -> Steps:
        """Play and train windows until a limit is reached; see `Engine.steps`."""
        assert isinstance(self.method, AsyncMethod)
        self._method, self._log_of_run = self.method, RunLog()
        self.world.log = self._log_of_run
        if self.world.transport is not None:
            self.world.transport.open_round()
        self._method.begin()
        whole = yield from super().steps(stop, progress)
        self._check_bytes()
        return whole

    def finish(self) -> None:
        """Store the results of the run, the number of clients per device, and their contributions."""
        super().finish()
        fleet, result = self.world.fleet, self.result
        population = Counter[str]()
        folded = Counter(row.client for row in result.updates if not row.dropped)
        for index in fleet.able:
            client = fleet.clients[index]
            device = client.profile.name
            population[device] += 1
            use = result.devices.setdefault(client.name, DeviceUse(device))
            use.samples, use.updates = client.samples, folded[client.name]
        device_of = {name: use.device for name, use in result.devices.items()}
        result.update_summary = summary_of_updates(
            result.updates, device_of, population, result.virtual_time_s
        )

    def _wait_s(self, index: int, stop: StopCondition) -> float:
        """Return 0 or, if no client is working before the time limit, the wait for one."""
        wait_s = 0.0 if self._method.working else super()._wait_s(index, stop)
        return wait_s if self.world.clock.elapsed_s + wait_s >= stop.virtual_time_s else 0.0

    def _play(
        self, index: int, stop: StopCondition, progress: RoundProgress, waited_s: float
    ) -> Played:
        del waited_s
        self._method.window.counted = (
            progress.client_trained if self.world.learning.trains else None
        )
        world, method, log = self.world, self._method, self._log_of_run
        start_s = log.window_s
        recorded = self._totals.keeps(WINDOW)
        loads = Loads(world.network, recorded_links(world)) if recorded else None
        observers = self._observe(world, Round(index, WINDOW, (), ())) if self._observe else ()
        world.network.observe(*([] if loads is None else [loads]), *observers)
        if loads is not None:
            loads.note_all(world.clock.now)
        try:
            with let_in():
                world.clock.play_until(lambda: method.window.closed)
        except BaseException:
            self._members = tuple(method.working)
            raise
        rnd, record = self._close_window(index, start_s, loads)
        trained = world.learning.close_window()
        played = self._issued(rnd, record, start_s + world.clock.epoch_s, stop, trained)
        ended, method.ended = method.ended, []
        played.row = replace(
            played.row,
            clients=len(ended),
            clients_dropped=sum(row.dropped for row in ended),
            version=method.version,
        )
        played.further.append(lambda: self.result.updates.extend(ended))
        method.window.begin(world.clock.elapsed_s)
        return played

    def _close_window(
        self, index: int, start_s: float, loads: Loads | None
    ) -> tuple[Round, RoundRecord]:
        """Take the rows that have ended out of the log; return them as a round and its record."""
        world, method, now = self.world, self._method, self.world.clock.now
        ended = self._log_of_run.close_window(now)
        ended_rows = window_rows(ended.rows, start_s)
        parts = {ended_rows.positions[number]: pieces for number, pieces in ended.parts.items()}
        # The row is in the previous window if that closed at this instant.
        row = ended_rows.positions.get(method.last_fold, NO_CAUSE)
        end = WindowEnd(row, len(method.ended), world.clock.elapsed_s)
        record = close_record(
            ended_rows.intervals,
            len(ended_rows.clients),
            now - start_s,
            world.server.slots,
            parts,
            interleaves=world.server.interleaves,
            edges=edge_slots(world),
            behind=behind_edges(world, ended_rows.clients),
            window=end,
        )
        bottleneck_s = world.network.collect_bottlenecks()
        uses = world.client_routes.uses(ended_rows.intervals, ended_rows.clients, bottleneck_s)
        self._members = ended_rows.clients
        self._in_flight_s = [method.permits.take_seconds(client) for client in ended_rows.clients]
        rnd = Round(index, WINDOW, ended_rows.clients, ())
        series = {} if loads is None else loads.series(start_s)
        return rnd, replace(record, uses=uses, loads=series)

    def _available_s(self, rnd: Round, record: RoundRecord) -> float:  # noqa: ARG002
        return sum(self._in_flight_s)

    def _elapsed_s(self, member: int, record: RoundRecord) -> float:  # noqa: ARG002
        return self._in_flight_s[member]

    def _check_bytes(self) -> None:
        """Check over the run that sent = delivered + dropped + in flight. Raises ConservationError."""
        world, log = self.world, self._log_of_run
        sent = log.bytes_sent - world.network.bytes_to_send()
        arrived = log.bytes_delivered + log.bytes_dropped
        travelling = log.travelling(world.clock.now)
        if sent != log.bytes_in_all or not 0 <= sent - arrived - travelling <= log.bytes_ending:
            raise ConservationError(
                f"{sent} bytes have left, {log.bytes_in_all} are logged, {arrived} have arrived or"
                f" are dropped, {travelling} are under way"
            )
