"""Run the cases through ns-3: `python packets.py cases.json packets.json`, in an environment with `ns3`.

`ns3` is a package on PyPI (3.44 was used) and needs cppyy; Cutlayer does not depend on it.
"""

import json
import sys
import time
from pathlib import Path

import cppyy
from ns import ns

HERE = Path(__file__).parent


def main(cases_file: str, out_file: str) -> None:
    cppyy.cppdef((HERE / "dumbbell.cc").read_text(encoding="utf-8"))
    cppyy.gbl.settings()
    numbers = cppyy.gbl.std.vector["double"]
    cases = json.loads(Path(cases_file).read_text(encoding="utf-8"))
    found = {}
    for name, case in cases.items():
        began = time.perf_counter()
        rtts = [flow["rtt_s"] for flow in case["flows"]]
        ends = cppyy.gbl.dumbbell(
            case["rate_bit_s"],
            case["bottleneck_rtt_s"],
            case["queue_packets"],
            case["packets_per_ack"],
            numbers(rtts),
            numbers([float(flow["size_bytes"]) for flow in case["flows"]]),
            numbers([flow["start_s"] for flow in case["flows"]]),
            case["limit_s"],
        )
        *arrived, dropped = (float(number) for number in ends)
        found[name] = {"ends": arrived, "dropped": int(dropped)}
        print(f"{name:40} {time.perf_counter() - began:6.1f} s", flush=True)
        Path(out_file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    assert ns is not None
    main(*sys.argv[1:])
