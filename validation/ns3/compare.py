"""Simulate the cases with Cutlayer and compare with ns-3: `python compare.py cases.json packets.json`.

Run from the repository's root. Writes `results.csv` beside this file and prints the tables of
docs/validation/packet-simulator.md. An error is (Cutlayer - ns-3) / ns-3 of the time from a flow's start
to the arrival of its last byte.
"""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import simpy

from cutlayer.sim.network import Network
from cutlayer.sim.transport import PathSettings, Tcp, TransportSettings

HERE = Path(__file__).parent
FRAMED = 1502 / 1500  # ns-3's point-to-point links carry 2 bytes of PPP for each packet of 1500


class Route(NamedTuple):
    resources: tuple[tuple[str, float], ...]
    delay_s: float = 0.0


def simulate(case: dict[str, Any], settings: TransportSettings) -> list[float]:
    """Return when the last byte of each flow arrives, in seconds."""
    env = simpy.Environment()
    flows = case["flows"]
    per_byte = FRAMED / settings.header_efficiency
    rate = case["rate_bit_s"] / 8
    resources = {"bottleneck": rate} | {f"access{i}": 10 * rate for i in range(len(flows))}
    routes = [
        Route((("bottleneck", per_byte), (f"access{i}", per_byte))) for i in range(len(flows))
    ]
    paths = [PathSettings(flow["rtt_s"], i, settings) for i, flow in enumerate(flows)]
    weights = [settings.weight(flow["rtt_s"]) for flow in flows]
    network = Network(env, resources, routes, weights=weights, transport=Tcp(env, paths))
    sent = {}

    def start(i: int) -> Any:
        yield env.timeout(flows[i]["start_s"])
        sent[i] = network.start(i, flows[i]["size_bytes"])
        yield sent[i].done

    env.run(env.all_of([env.process(start(i)) for i in range(len(flows))]))
    return [sent[i].finish_s + flow["rtt_s"] / 2 for i, flow in enumerate(flows)]


def plain(case: dict[str, Any]) -> list[float]:
    """Return the same times without TCP: latency + size / rate, with fair sharing."""
    ideal = TransportSettings(
        handshake="open", slow_start=False, window_bytes=float("inf"), headers=False
    )
    return simulate(case, ideal)


class Row(NamedTuple):
    """Relative errors of one case; `flows` and `flows_without_tcp` have one per flow."""

    kind: str
    name: str
    dropped: int
    flows: list[float]
    mean_time: float
    last: float
    flows_without_tcp: list[float]
    last_without_tcp: float

    @property
    def flow(self) -> float:
        """Return the mean absolute error of the flows."""
        return fmean(abs(error) for error in self.flows)

    @property
    def flow_without_tcp(self) -> float:
        return fmean(abs(error) for error in self.flows_without_tcp)

    def key(self, names: list[str]) -> tuple[str, ...]:
        """Return n, S, C and RTT from the name of the case."""
        words = dict(word.split("=") for word in self.name.split())
        return tuple(words[name] for name in names)


def row(name: str, case: dict[str, Any], found: dict[str, Any], settings: TransportSettings) -> Row:
    ends = found["ends"]
    starts = [flow["start_s"] for flow in case["flows"]]
    durations = [end - start for end, start in zip(ends, starts, strict=True)]

    def errors(found: list[float]) -> list[float]:
        ours = [end - start for end, start in zip(found, starts, strict=True)]
        return [a / b - 1 for a, b in zip(ours, durations, strict=True)]

    ours, ideal = simulate(case, settings), plain(case)
    mean_time = fmean(end - start for end, start in zip(ours, starts, strict=True))
    kind, _, rest = name.partition(" ")
    return Row(
        kind,
        rest,
        found["dropped"],
        errors(ours),
        mean_time / fmean(durations) - 1,
        max(ours) / max(ends) - 1,
        errors(ideal),
        max(ideal) / max(ends) - 1,
    )


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


HEADS = ["cases", "each flow", "mean time", "last finish", "furthest last", "each flow, no TCP"]


def line(rows: list[Row]) -> list[str]:
    return [
        str(len(rows)),
        percent(fmean(each.flow for each in rows)),
        percent(fmean(abs(each.mean_time) for each in rows)),
        percent(fmean(abs(each.last) for each in rows)),
        percent(max((each.last for each in rows), key=abs)),
        percent(fmean(each.flow_without_tcp for each in rows)),
    ]


def number(word: str) -> int:
    return int("".join(filter(str.isdigit, word)))


def table(rows: list[Row], names: list[str]) -> None:
    """Return one row per combination of the parameters in the names of the cases, and one for all."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for each in rows:
        groups[each.key(names)].append(each)
    print("| " + " | ".join([*names, *HEADS]) + " |")
    print("|---" * (len(names) + len(HEADS)) + "|")
    for key, members in sorted(groups.items(), key=lambda group: [number(k) for k in group[0]]):
        print("| " + " | ".join([*key, *line(members)]) + " |")
    if len(groups) > 1:
        print("| all |" + " |" * (len(names) - 1) + " " + " | ".join(line(rows)) + " |")


def write(rows: list[Row], file: Path) -> None:
    heads = "kind,case,dropped,each_flow,mean_time,last_finish,each_flow_no_tcp,last_finish_no_tcp"
    with file.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(heads.split(","))
        for each in rows:
            figures = (each.flow, each.mean_time, each.last)
            figures += (each.flow_without_tcp, each.last_without_tcp)
            shown = (f"{figure:.4f}" for figure in figures)
            out.writerow([each.kind, each.name, each.dropped, *shown])


def main(cases_file: str, packets_file: str, results: Path = HERE / "results.csv") -> None:
    cases = json.loads(Path(cases_file).read_text(encoding="utf-8"))
    packets = json.loads(Path(packets_file).read_text(encoding="utf-8"))
    rows = []
    for name, found in packets.items():
        stuck = sum(end < 0 for end in found["ends"])
        if stuck:
            print(f"left out, {stuck} flows of ns-3 never ended: {name}")
            continue
        rows.append(row(name, cases[name], found, TransportSettings()))
        if name.startswith("unequal"):
            biased = row(name, cases[name], found, TransportSettings(rtt_bias=0.25))
            rows.append(biased._replace(kind="biased"))
    write(rows, results)
    for title, chosen, names in (
        ("one flow", [r for r in rows if r.kind == "equal" and r.key(["n"]) == ("1",)], ["S"]),
        (
            "equal, nothing dropped",
            [
                r
                for r in rows
                if r.kind in {"equal", "deep"} and r.key(["n"]) != ("1",) and not r.dropped
            ],
            ["n", "S"],
        ),
        (
            "equal, dropped",
            [r for r in rows if r.kind == "equal" and r.key(["n"]) != ("1",) and r.dropped],
            ["n", "S"],
        ),
        ("deep, dropped", [r for r in rows if r.kind == "deep" and r.dropped], ["n", "S"]),
        ("delayed acknowledgements", [r for r in rows if r.kind == "delayed-acks"], ["S"]),
        ("unequal", [r for r in rows if r.kind == "unequal"], ["n", "S"]),
        ("unequal, rtt_bias 0.25", [r for r in rows if r.kind == "biased"], ["n", "S"]),
    ):
        if chosen:
            print(f"\n{title}\n")
            table(chosen, names)
    print("\nfurthest off, last finish\n")
    for each in sorted(rows, key=lambda each: -abs(each.last))[:12]:
        print(f"{each.kind:8} {each.name:40} flow {percent(each.flow)}, last {percent(each.last)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
