"""Runs cases one after another in this process, within limits, and prints an outcome for each.

    python tests/fuzz/child.py FIRST COUNT FOLDER [CPU_SECONDS]

A case is decided by its number alone. It fails with a traceback, an exit code other than 0, 2 and 3, a
message that is missing or garbled, more processor time than CPU_SECONDS (10), or more memory than
MEMORY_BYTES beyond what the process has once everything is imported. The files of a failed case stay
in FOLDER/NUMBER.
"""

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

from corpus import Sample, samples
from mutations import mutate

WALL_S: Final = 500  # for what waits without computing, on a machine that has other things to do
MEMORY_BYTES: Final = 2 * 10**9
LONGEST_LINE: Final = 2000
# A fleet this large takes its time: that does not count as a hang.
LARGE: Final = 2000
WEIGHTS: Final = {
    "scenario": 50,
    "study": 15,
    "set": 7,
    "trace": 8,
    "recording": 4,
    "scores": 4,
    "profile": 6,
    "network": 6,
}


class _TooLongError(BaseException):
    """Raised by the alarms, and caught by nothing in between."""


def case(number: int, every: dict[str, list[Sample]]) -> tuple[Sample, dict[str, bytes]]:
    """The case of a number: what is asked, and the files that are there."""
    stream = random.Random(number)
    kind = stream.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    sample = stream.choice(every[kind])
    other = stream.choice(every[stream.choice(list(WEIGHTS))])
    files = {name: text.encode() for name, text in sample.files.items()}
    files[sample.target] = mutate(
        stream,
        files[sample.target],
        other.files[other.target].encode(),
        tree=sample.target.endswith(".yaml"),
    )
    if sample.target == "value":  # arguments cannot hold a zero byte
        files["value"] = files["value"].replace(b"\0", b"")
    return sample, files


def outcome(sample: Sample, files: dict[str, bytes], cpu_s: float) -> dict[str, Any]:
    """What becomes of a case in the current folder, as an entry of the list that is printed."""
    for name, content in files.items():
        Path(name).write_bytes(content)
    begun, processor = time.monotonic(), time.process_time()
    verdict, told = "fine", ""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, WALL_S)
    try:
        code, told = _ask(sample, files)
        verdict = f"exit {code}"
        if fault := _fault(code, told):
            verdict = fault
    except _TooLongError:
        verdict, told = "hang", traceback.format_exc()
    except MemoryError:
        verdict, told = "memory", traceback.format_exc()
    except BaseException:
        verdict, told = "traceback", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    if verdict in ("hang", "memory") and _clients(sample) > LARGE:
        verdict = "large"
    return {
        "kind": sample.kind,
        "verdict": verdict,
        "told": told[-6000:],
        "seconds": round(time.monotonic() - begun, 2),
        "cpu": round(time.process_time() - processor, 2),
    }


def _ask(sample: Sample, files: dict[str, bytes]) -> tuple[object, str]:
    """The exit code and the message of the first command that does not end in 0, or of the last."""
    if sample.kind == "study":
        return ask_study(sample.asked)
    short = ["--set", "training.rounds=1"]
    if sample.kind == "set":
        short = ["--set", files["value"].decode("utf-8", "surrogateescape"), *short]
    code, told = cli("check", sample.asked, *short)
    if code != 0:
        return code, told
    return cli("run", sample.asked, *short, "--executor", "none", "--out", "out")


def cli(*arguments: str) -> tuple[object, str]:
    from cutlayer.sim.cli import main

    sys.argv = ["cutlayer", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            return ended.code or 0, err.getvalue()
    return 0, err.getvalue()


def ask_study(asked: str) -> tuple[object, str]:
    """A study is loaded, and its first points are checked as `sweep` does before it runs any."""
    from cutlayer.errors import UserError
    from cutlayer.sim.studies.check import check_point
    from cutlayer.sim.studies.sweep import load_study

    try:
        study = load_study(asked)
        for point in study.points[:3]:
            check_point(study, point, trains=False)
    except UserError as error:
        return 2, str(error)
    return 0, ""


def _fault(code: object, told: str) -> str:
    """What is wrong with an exit code and its message; empty, if nothing."""
    if code not in (0, 2, 3):
        return f"exit code {code}"
    if "Traceback" in told:
        return "traceback in the message"
    if code == 2 and not told.strip():
        return "no message"
    if any(len(line) > LONGEST_LINE for line in told.split("\n")):
        return "long message"
    if not all(letter.isprintable() or letter == "\n" for letter in told):
        return "control characters in the message"
    return ""


def _clients(sample: Sample) -> int:
    from cutlayer.sim.run.run import load_scenario

    try:
        return load_scenario("s.yaml").scenario.client_count
    except (ValueError, OSError, MemoryError):
        return 0


def run(first: int, count: int, folder: Path, cpu_s: float) -> None:
    """Run the cases and print for each a line as it begins and a line of JSON as it ends."""
    every = samples()
    _prepare()
    for number in range(first, first + count):
        print(json.dumps({"begins": number}), flush=True)
        place = folder / str(number)
        place.mkdir(parents=True)
        os.chdir(place)
        said = outcome(*case(number, every), cpu_s)
        os.chdir(folder)
        if said["verdict"] in ("exit 0", "exit 2", "exit 3", "large"):
            shutil.rmtree(place)
        else:
            text = f"{said['verdict']}\n{said['told']}\n"
            (place / "outcome.txt").write_bytes(text.encode("utf-8", "backslashreplace"))
        print(json.dumps({"number": number, **said}), flush=True)


def _prepare() -> None:
    """Import what the commands need, leave pictures out, set the alarms and the bound on memory."""
    import matplotlib as mpl
    import torch

    mpl.use("Agg")
    torch.set_num_threads(1)
    import cutlayer.sim.commands.check
    import cutlayer.sim.commands.run
    import cutlayer.sim.studies.sweep

    cutlayer.sim.commands.run.write_plots = lambda *_: []  # type: ignore[assignment]

    def ring(*_: object) -> None:
        raise _TooLongError

    signal.signal(signal.SIGPROF, ring)
    signal.signal(signal.SIGALRM, ring)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    run(int(given[1]), int(given[2]), Path(given[3]).resolve(), float(given.get(4, 10)))
