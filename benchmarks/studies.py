"""The cost of 40 bandwidths over one: `uplink_sweep` beside the same study with a single uplink.

Both are whole commands in new folders on all cores, training, tables and report included, one after
the other, repeated. The result is the ratio of their wall times (target: at most 1.3). A third run is
without training (`--executor none`). Absolute times mean nothing on a shared machine.

    python benchmarks/studies.py [repetitions]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from cutlayer.scenarios.shipped import study_path

STUDY = "uplink_sweep"


def seconds(study: Path, out: Path, *options: str) -> float:
    command = [sys.executable, "-m", "cutlayer", "sweep", str(study)]
    start = time.monotonic()
    subprocess.run([*command, "--out", str(out), *options], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    whole = yaml.safe_load(study_path(STUDY).read_text(encoding="utf-8"))
    one = {key: value for key, value in whole.items() if key != "crossovers"}
    axis = {key: value for key, value in whole["axes"][0].items() if key != "log_range"}
    one |= {"axes": [axis | {"values": ["10 Mbit/s"]}]}
    ratios, clocks = [], []
    with tempfile.TemporaryDirectory() as folder:
        files = {"one": one, "whole": whole}
        for name, content in files.items():
            Path(folder, f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        for number in range(repetitions):
            times = {
                name: seconds(Path(folder, f"{name}.yaml"), Path(folder, f"{name}-{number}"))
                for name in files
            }
            clock = seconds(
                Path(folder, "whole.yaml"), Path(folder, f"clock-{number}"), "--executor", "none"
            )
            ratios.append(times["whole"] / times["one"])
            clocks.append(clock / times["one"])
            print(
                f"40 uplinks {times['whole']:.1f} s, one {times['one']:.1f} s: ratio {ratios[-1]:.2f};"
                f" 40 uplinks timed only: {clocks[-1]:.2f}",
                flush=True,
            )
    print(f"mean ratio {sum(ratios) / len(ratios):.2f} (baseline: one uplink, same command)")


if __name__ == "__main__":
    main()
