"""The cases of the comparison with ns-3, as JSON: `python cases.py cases.json`.

A dumbbell: every flow crosses one bottleneck whose drop-tail queue holds one bandwidth-delay product
(of the longest round trip), or four and at least 250 packets in the cases called `deep`. Flows start
at random within 20 ms, so that they are not synchronized.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

KB, MB = 1000, 1000**2
SPREAD_S = 0.02


def case(
    megabits: int, rtts: list[float], size_bytes: int, *, acks: int, deep: bool, seed: str
) -> dict[str, Any]:
    rng = random.Random(seed)
    alone = len(rtts) == 1
    bytes_per_s = megabits * 125_000
    product = bytes_per_s * max(rtts) / 1500
    return {
        "rate_bit_s": megabits * 1e6,
        "bottleneck_rtt_s": min(rtts) / 2,
        "queue_packets": round(max(250, 4 * product) if deep else max(10, product)),
        "packets_per_ack": acks,
        "limit_s": 60 + 10 * len(rtts) * size_bytes / bytes_per_s,
        "flows": [
            {
                "rtt_s": rtt,
                "size_bytes": size_bytes,
                "start_s": 0.0 if alone else rng.uniform(0, SPREAD_S),
            }
            for rtt in rtts
        ],
    }


def spread(count: int) -> list[float]:
    """Return round-trip times from 20 to 100 ms."""
    return [0.02 + 0.08 * i / (count - 1) for i in range(count)]


def cases() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    def add(kind: str, megabits: int, rtts: list[float], size: int, acks: int = 1) -> None:
        longest = round(1000 * max(rtts))
        name = f"{kind} n={len(rtts)} S={size // KB}kB C={megabits}Mbit/s RTT={longest}ms"
        deep = kind == "deep"
        found[name] = case(megabits, rtts, size, acks=acks, deep=deep, seed=name)

    for megabits in (10, 100):
        for rtt in (0.01, 0.05, 0.1):
            for count in (1, 5, 20, 50):
                for size in (10 * KB, 100 * KB, MB, 10 * MB):
                    if count * size > 200 * MB and megabits < 100:
                        continue  # minutes of ns-3 for what 20 flows show, too
                    add("equal", megabits, [rtt] * count, size)
                    if count == 1:
                        add("delayed-acks", megabits, [rtt], size, acks=2)
                    elif count * size <= 50 * MB:
                        add("deep", megabits, [rtt] * count, size)
        for count in (5, 20, 50):
            for size in (100 * KB, MB, 10 * MB):
                if count * size > 200 * MB and megabits < 100:
                    continue
                add("unequal", megabits, spread(count), size)
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(cases(), indent=1), encoding="utf-8")
