"""Files changed at random end in exit code 0 or in one clear message, within time and memory.

CUTLAYER_FUZZ_CASES says how many cases to try, and CUTLAYER_FUZZ_FIRST the number of the first; the
cases are run in another process, whose death is a failure, too. A failed case leaves its files.
"""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import child
import corpus
import pytest

CASES = int(os.environ.get("CUTLAYER_FUZZ_CASES", "60"))
FIRST = int(os.environ.get("CUTLAYER_FUZZ_FIRST", "0"))
CPU_S = 10 if CASES >= 1000 else 60  # the suite looks for what never ends, on a machine at work
SILENCE_S = 600  # beyond the child's own alarms: it hangs where Python cannot interrupt it
FINE = ("exit 0", "exit 2", "exit 3", "large")


def test_changed_files_end_in_a_result_or_in_one_message(tmp_path: Path) -> None:
    folder = Path(os.environ.get("CUTLAYER_FUZZ_FOLDER", tmp_path))
    verdicts: Counter[str] = Counter()
    failed: list[str] = []
    for said in outcomes(FIRST, CASES, folder):
        verdicts[f"{said['kind']}: {said['verdict']}"] += 1
        if said["verdict"] not in FINE:
            last = said["told"].strip().split("\n")[-1]
            failed.append(f"case {said['number']}, {said['kind']}: {said['verdict']}: {last}")
    counts = "\n".join(f"{count:6} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"{sum(verdicts.values())} cases\n{counts}")
    assert sum(verdicts.values()) == CASES
    again = f"CUTLAYER_FUZZ_FIRST=NUMBER CUTLAYER_FUZZ_CASES=1 pytest {Path(__file__).name}"
    assert not failed, "\n".join([*failed, f"their files are in {folder}; again: {again}"])


def test_a_case_is_decided_by_its_number() -> None:
    every = corpus.samples()
    assert [child.case(number, every) for number in range(50)] == [
        child.case(number, every) for number in range(50)
    ]


def test_unchanged_files_are_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutation of what is refused anyway would try nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cutlayer"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    for kind, those in corpus.samples().items():
        for sample in those:
            if kind in ("scenario", "study") and sample.shipped:
                continue  # other tests play them
            for name, text in sample.files.items():
                Path(name).write_text(text, encoding="utf-8")
            if kind == "study":
                code, told = child.ask_study(sample.asked)
            else:
                sets = ["--set", sample.files["value"]] if kind == "set" else []
                code, told = child.cli("check", sample.asked, *sets, "--set", "training.rounds=1")
            assert (kind, code, told) == (kind, 0, "")


def outcomes(first: int, count: int, folder: Path) -> Iterator[dict[str, Any]]:
    """The outcomes of cases, in children one after another: a child that dies fails its case."""
    number = first
    while number < first + count:
        begun = number
        for said in _lines(number, first + count - number, folder):
            if "begins" in said:
                begun = said["begins"]
            elif "number" in said:
                number = said["number"] + 1
                yield said
        if number <= begun and number < first + count:
            told = f"the process died, or was silent for {SILENCE_S} s"
            yield {"number": begun, "kind": "process", "verdict": "died", "told": told}
            number = begun + 1


def _lines(first: int, count: int, folder: Path) -> Iterator[dict[str, Any]]:
    file = Path(__file__).with_name("child.py")
    root = str(file.parents[2])
    with subprocess.Popen(
        [sys.executable, str(file), str(first), str(count), str(folder), str(CPU_S)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": root, "COLUMNS": "200"},
    ) as process:
        assert process.stdout is not None
        try:
            while True:
                watch = threading.Timer(SILENCE_S, process.kill)
                watch.start()
                line = process.stdout.readline()
                watch.cancel()
                if not line:
                    return
                if line.startswith("{"):
                    yield json.loads(line)
        finally:
            process.kill()
