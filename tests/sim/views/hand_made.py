"""Small runs put together by hand: every number in them is known without running anything."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cutlayer.sim.log.intervals import NO_CAUSE, SERVER, Activity, Interval, Intervals, Phase
from cutlayer.sim.log.link_use import ClientRoutes, LinkTotals
from cutlayer.sim.log.record import RoundRecord, close_record
from cutlayer.sim.network.observers import LoadSeries
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.read import SavedRun, read_run
from cutlayer.sim.results.round import KeptRound, RoundResult
from cutlayer.sim.results.write import RunFolder

DEVICE_S, UP_S, SERVE_S, DOWN_S, DELAY_S = 1.0, 2.0, 0.5, 0.25, 0.125
UP_BYTES, DOWN_BYTES = 2_000_000, 500_000
UP_RATE, DOWN_RATE, SHARED_RATE = 2e6, 4e6, 10e6  # bytes/s: of access links, and of "cell"
HELD_S = 0.5  # for so long of a round everything was a bottleneck


def split_rows(clients: int, batches: int, scale: float = 1.0, slots: int = 1) -> list[Interval]:
    """Forward, upload, serve, download for each batch; clients are alike, served in order."""
    rows: list[Interval] = []
    now = [0.0] * clients
    last = [NO_CAUSE] * clients
    free = [0.0] * slots

    def log(start, end, actor, phase, peer, size, flops, activity, client):
        delay = DELAY_S if size else 0.0
        row = Interval(
            start, end, actor, phase, peer, activity, last[client], size, size, flops, delay
        )
        rows.append(row)
        last[client] = len(rows) - 1

    for _ in range(batches):
        for c in range(clients):
            end = now[c] + DEVICE_S * scale
            log(now[c], end, c, Phase.DEVICE_COMPUTE, c, 0, 1e9, Activity.FORWARD, c)
            left = end + UP_S * scale
            log(end, left, c, Phase.UPLINK, SERVER, UP_BYTES, 0.0, Activity.ACTIVATION, c)
            arrived = left + DELAY_S
            slot = free.index(min(free))
            start = max(arrived, free[slot])
            if start > arrived:
                log(arrived, start, SERVER, Phase.SERVER_QUEUE, c, 0, 0.0, Activity.TRAIN, c)
            free[slot] = start + SERVE_S * scale
            log(start, free[slot], SERVER, Phase.SERVER_COMPUTE, c, 0, 2e9, Activity.TRAIN, c)
            sent = free[slot] + DOWN_S * scale
            log(free[slot], sent, SERVER, Phase.DOWNLINK, c, DOWN_BYTES, 0.0, Activity.GRADIENT, c)
            now[c] = sent + DELAY_S
    return rows


def record_of(rows: list[Interval], clients: int, slots: int = 1) -> RoundRecord:
    intervals = Intervals.from_rows(rows)
    last = int(intervals.end.argmax())
    tail = DELAY_S if intervals.phase[last] == Phase.DOWNLINK else 0.0
    return close_record(intervals, clients, float(intervals.end.max()) + tail, slots, {})


def shared_load(intervals: Intervals) -> LoadSeries:
    """The rates of all transfers, added up from each moment at which one begins or ends."""
    sent = [
        (float(start), float(end), float(size) / float(end - start))
        for start, end, size in zip(
            intervals.start, intervals.end, intervals.wire_bytes, strict=True
        )
        if size
    ]
    times = sorted({time for start, end, _ in sent for time in (start, end)})
    load = [sum(rate for start, end, rate in sent if start <= time < end) for time in times]
    return LoadSeries(np.array(times), np.array(load), np.full(len(times), SHARED_RATE))


def client_routes(names: Sequence[str]) -> ClientRoutes:
    return ClientRoutes(
        [((f"{name}.up", 1.0), ("cell", 1.0)) for name in names],
        [((f"{name}.down", 1.0), ("cell", 1.0)) for name in names],
    )


def with_links(record: RoundRecord, names: Sequence[str], made: ClientRoutes) -> RoundRecord:
    members = tuple(range(len(names)))
    keys = ["cell", *(f"{name}.{direction}" for name in names for direction in ("up", "down"))]
    uses = made.uses(record.intervals, members, dict.fromkeys(keys, HELD_S))
    return replace(record, uses=uses, loads={"cell": shared_load(record.intervals)})


def capacity(name: str) -> float:
    return {"up": UP_RATE, "down": DOWN_RATE}.get(name.rpartition(".")[2], SHARED_RATE)


def method(
    label: str,
    rounds: int = 3,
    clients: int = 2,
    batches: int = 2,
    scale: float = 1.0,
    slots: int = 1,
    accuracy: Sequence[float] | None = (0.5, 0.7, 0.9),
    round_types: Sequence[str] = ("train",),
    seed: int = 0,
    coarse: tuple[str, ...] = (),
    targets: tuple[float, ...] = (),
) -> MethodResult:
    """A method whose rounds of one type are all alike; the second type has half the batches."""
    result = MethodResult(label, "by_hand", seed, targets, coarse=coarse)
    time = 0.0
    for index in range(rounds):
        round_type = round_types[index % len(round_types)]
        work = batches if round_type == round_types[0] else max(batches // 2, 1)
        record = record_of(split_rows(clients, work, scale, slots), clients, slots)
        names = tuple(f"pi-{member + 1}" for member in range(clients))
        made = client_routes(names)
        record = with_links(record, names, made)
        links = {key: made.name(key, range(clients)) for key in record.uses}
        used: dict[str, list[float]] = {}
        for key, use in record.uses.items():
            result.links.setdefault(links[key], LinkTotals()).add(use)
            share = use.consumed / capacity(links[key]) / record.duration_s
            used.setdefault(use.series(key), []).append(share)
        if index < len(round_types):
            result.kept.append(KeptRound(index, round_type, time, names, record, links))
        time += record.duration_s
        result.rounds.append(
            RoundResult(
                index=index,
                round_type=round_type,
                clients=clients,
                round_time_s=record.duration_s,
                virtual_time_s=time,
                additive_round_time_s=sum(record.additive_s.values()),
                wire_up=int(record.wire_up.sum()),
                wire_down=int(record.wire_down.sum()),
                payload_up=int(record.payload_up.sum()),
                payload_down=int(record.payload_down.sum()),
                wire_by=record.wire_by,
                payload_by=record.payload_by,
                critical_path_s=record.critical_path_s,
                additive_s=record.additive_s,
                straggler=names[record.straggler],
                accuracy=accuracy[index % len(accuracy)] if accuracy else None,
                utilisation={line: sum(shares) / len(shares) for line, shares in used.items()},
            )
        )
        result.clients_busy_s += float(record.device_busy_s.sum())
        result.server_busy_s += record.server_busy_s
        result.link_clients = made.clients
    result.capacity_s = {name: capacity(name) * time for name in result.links}
    result.clients_available_s = clients * time
    result.server_available_s = slots * time
    return result


def run_of(*methods: MethodResult, seed: int = 0, name: str = "by-hand") -> RunResult:
    return RunResult({"name": name}, seed, {}, {m.label: m for m in methods})


def saved(folder: Path, *runs: RunResult) -> list[SavedRun]:
    """Write runs, the seeds of one scenario, into a new folder and read them back."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for run in runs:
        path = folder / f"seed-{run.seed}"
        path.mkdir()
        with RunFolder(path, run) as files:
            for result in run.methods.values():
                for closed in result.rounds:
                    files.add(result.label, result.method, closed)
            files.finish(run)
        found.append(read_run(path))
    return found
