"""Damaged and edited run folders: every command that reads them reports one line."""

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Answer, CommandLine

import cutlayer.sim.commands.run
from cutlayer.sim.commands.compare import figure_changes, scenario_differences
from cutlayer.sim.files.checksums import CHECKSUMS
from cutlayer.sim.results.files import SavedError
from cutlayer.sim.results.folder import MARKER
from cutlayer.sim.results.read import read_run
from cutlayer.sim.run.progress import MethodRun

COMMANDS: dict[str, Sequence[str]] = {
    "report": ("report", "out", "--out", "page.html", "--force"),
    "explain": ("explain", "out"),
    "explain-round": ("explain", "out", "--method", "splitfed", "--round", "0"),
    "compare": ("compare", "out", "whole"),
    "export": ("export", "out", "--to", "csv", "--out", "new"),
}
USED = {
    "report": [
        *("summary.json", "versions.json", "scenario.yaml", "rounds.csv", "links.csv"),
        *("devices.csv", "events.npz"),
    ],
    "explain": ["summary.json", "versions.json", "rounds.csv"],
    "explain-round": ["summary.json", "versions.json", "rounds.csv", "events.npz"],
    "compare": ["summary.json", "versions.json"],
    "export": ["summary.json", "versions.json", "rounds.csv", "links.csv", "events.npz"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, created once."""
    from command_line import TINY

    from cutlayer import load_scenario, run

    folder = tmp_path_factory.mktemp("made")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    loaded = load_scenario(folder / "tiny.yaml", ["training.rounds=2"])
    run(loaded, executor="none", out=folder / "out", log="events")
    return folder / "out"


@pytest.fixture
def copy(made: Path, cli: CommandLine) -> CommandLine:
    """The command line in a folder with two copies of the run: `out` and `whole`."""
    for name in ("out", "whole"):
        shutil.copytree(made, cli.folder / name)
    return cli


def accept_edits(folder: Path) -> None:
    """Delete all lines of the checksums, as a user may."""
    (folder / CHECKSUMS).write_text("", encoding="utf-8")


def assert_one_line(answer: Answer, *words: str) -> None:
    assert answer.code == 2, answer
    assert answer.err.count("\n") == 1, answer.err
    for word in words:
        assert word in answer.err, answer.err


def ask(cli: CommandLine, command: str) -> Answer:
    shutil.rmtree("new", ignore_errors=True)
    return cli(*COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_whole_copy_is_read(copy: CommandLine, command: str) -> None:
    answer = ask(copy, command)
    assert answer.code in (0, None), answer


@pytest.mark.parametrize("command", COMMANDS)
def test_every_file_that_is_missing_cut_off_or_changed_is_named(
    copy: CommandLine, command: str
) -> None:
    for name in USED[command]:
        file = Path("out") / name
        content = file.read_bytes()
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        for damaged in (content[:middle], b"", flipped, content + b"\n"):
            file.write_bytes(damaged)
            assert_one_line(ask(copy, command), f"out/{name} has changed since it was written")
        file.unlink()
        words = "no summary.json" if name == "summary.json" else f"out/{name} is missing"
        assert_one_line(ask(copy, command), words)
        if hasattr(os, "mkfifo"):
            os.mkfifo(file)
            words = "no summary.json" if name == "summary.json" else f"out/{name} is not a file"
            assert_one_line(ask(copy, command), words)
            file.unlink()
        file.write_bytes(content)
    (Path("out") / CHECKSUMS).unlink()
    assert_one_line(ask(copy, command), f"out/{CHECKSUMS} is missing")
    (Path("out") / CHECKSUMS).write_text("not a checksum\n", encoding="utf-8")
    assert_one_line(ask(copy, command), f"out/{CHECKSUMS}:1 is damaged")


def test_the_checksums_are_those_of_sha256sum(copy: CommandLine) -> None:
    names = [
        line.split("  ")[1] for line in (Path("out") / CHECKSUMS).read_text("utf-8").splitlines()
    ]
    there = {path.name for path in Path("out").iterdir()} - {CHECKSUMS, MARKER}
    assert set(names) == there
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", "--quiet", CHECKSUMS]
        subprocess.run(command, cwd="out", check=True)


def test_an_edited_file_is_read_once_its_line_is_deleted(copy: CommandLine) -> None:
    file = Path("out/rounds.csv")
    file.write_text(file.read_text("utf-8").replace("raspberry-pi-4b-0", "mine"), "utf-8")
    assert_one_line(ask(copy, "explain"), f"delete its line in out/{CHECKSUMS}")
    lines = (Path("out") / CHECKSUMS).read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.endswith("rounds.csv")]
    (Path("out") / CHECKSUMS).write_text("\n".join(kept) + "\n", "utf-8")
    assert ask(copy, "explain").code in (0, None)


def test_a_folder_of_an_earlier_version_is_read_unchecked(copy: CommandLine) -> None:
    (Path("out") / CHECKSUMS).unlink()
    (Path("out") / MARKER).unlink()
    assert ask(copy, "explain").code in (0, None)


@pytest.mark.parametrize("command", COMMANDS)
def test_accepted_edits_that_make_no_sense_are_one_line(copy: CommandLine, command: str) -> None:
    """Any content in files whose checksum was deleted gives an answer or one line."""
    accept_edits(Path("out"))
    refused = 0
    for name in USED[command]:
        file = Path("out") / name
        content = file.read_bytes()
        step = max(1, len(content) // 6)
        damages = [content[:at] for at in range(0, len(content), 3 * step)]
        damages += [
            content[:at] + b"\xff" + content[at + 1 :] for at in range(1, len(content), step)
        ]
        damages += [b"[" * 100_000, b"\x00", b"{}", b"[]", b"7"]
        for damaged in damages:
            file.write_bytes(damaged)
            answer = ask(copy, command)
            assert answer.code in (0, None, 2), (name, damaged[:60], answer)
            if answer.code == 2:
                refused += 1
                assert answer.err.count("\n") == 1, (name, answer.err)
        file.write_bytes(content)
    assert refused > 10


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a JSON document."""
    found = [place]
    items = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())  # fmt: skip
    for key, inner in items:
        found += leaves(inner, (*place, key))
    return found


@pytest.mark.usefixtures("copy")
def test_wrong_types_in_the_summary_are_one_line() -> None:
    accept_edits(Path("out"))
    file = Path("out/summary.json")
    content = json.loads(file.read_text("utf-8"))
    places = [p for p in leaves(content) if p and p[:1] != ("scenario",) and len(p) < 6]
    places += [("scenario",), ("scenario", "name"), ("scenario", "description")]
    whole = read_run("whole")
    refused: list[str] = []
    for place in places:
        for wrong in (None, "text", -1, [], {}, True):
            changed = json.loads(json.dumps(content))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            file.write_text(json.dumps(changed), "utf-8")
            try:
                found = read_run("out")
            except SavedError as error:
                refused.append(str(error))
            else:
                assert figure_changes(whole, found)
                assert scenario_differences(whole, found) is not None
    assert len(refused) > 100
    assert not [line for line in refused if "\n" in line or "out/summary.json" not in line]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.pop("cause"), "no column 'cause'"),
        (lambda e: e.update(start=e["start"][:-1]), "entries"),
        (lambda e: e.update(actor=e["actor"] + 1000), "actor has an entry out of range"),
        (lambda e: e.update(phase=e["phase"] + 100), "phase has an entry out of range"),
        (lambda e: e.update(phase=e["phase"] * 1.5), "phase has a wrong type"),
        (lambda e: e.update(end=e["end"] * np.nan), "end has an entry that is not finite"),
        (lambda e: e.update(labels=e["labels"][:1]), "out of range"),
        (lambda e: e.update(actor_names=e["actor_names"][1:]), "no server"),
        (lambda e: e.update(cause=np.arange(len(e["cause"]))), "events.npz is damaged"),
        (lambda e: e.update(start=e["start"].reshape(1, -1)), "start is not a column"),
        (lambda e: e.update(start=e["start"].astype(str)), "start has a wrong type"),
    ],
)
def test_intervals_that_make_no_sense_are_one_line(
    copy: CommandLine, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    accept_edits(Path("out"))
    with np.load("out/events.npz") as arrays:
        events = {name: arrays[name] for name in arrays.files}
    change(events)
    file = io.BytesIO()
    np.savez_compressed(file, **events)
    Path("out/events.npz").write_bytes(file.getvalue())
    assert_one_line(ask(copy, "explain-round"), "events.npz is damaged", words)


def test_a_table_that_makes_no_sense_is_one_line(copy: CommandLine) -> None:
    accept_edits(Path("out"))
    file = Path("out/rounds.csv")
    text = file.read_text("utf-8")
    header, first, *_ = text.splitlines()
    names = header.split(",")
    for name in ("round", "round_time_s", "critical_uplink_s", "virtual_time_s", "label"):
        values = first.split(",")
        for wrong, why in (("", "is empty"), ("many", "is not a number"), ("inf", "is not")):
            if name == "label" and wrong:
                continue
            values[names.index(name)] = wrong
            file.write_text(f"{header}\n{','.join(values)}\n", "utf-8")
            assert_one_line(ask(copy, "explain"), f"out/rounds.csv is damaged: row 1: {name} {why}")
    file.write_text(text.replace("round_time_s", "other"), "utf-8")
    assert_one_line(ask(copy, "explain"), "no column 'round_time_s'")


def test_a_run_without_rounds_and_one_of_several_seeds_that_was_stopped_are_reported(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a stalled or stopped run is not damaged."""
    from cutlayer.sim.commands.progress import RunProgress

    stuck = "changes=[{at: 0 s, clients: raspberry-pi-4b, up: 0 bit/s}]"
    assert cli.run(stuck).code == 3
    Path("runs/tiny").rename("out")
    assert cli.run().code == 0
    Path("runs/tiny").rename("whole")
    for command in COMMANDS:
        if command != "explain-round":
            answer = ask(cli, command)
            assert answer.code in (0, None), (command, answer)

    started = RunProgress.method_started

    def interrupted(self: RunProgress, method: MethodRun) -> None:
        if (method.seed, method.label) == (1, "frozen"):
            raise KeyboardInterrupt
        started(self, method)

    monkeypatch.setattr(RunProgress, "method_started", interrupted)
    assert (
        cli.run("seeds=[0, 1]", "methods=[splitfed, {classic_fl: {}, label: frozen}]").code == 130
    )
    shutil.rmtree("out")
    Path("runs/tiny").rename("out")
    for command in ("report", "explain", "export"):
        answer = ask(cli, command)
        assert answer.code in (0, None), (command, answer)


def test_a_run_that_is_stopped_before_its_first_round_is_reported(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cutlayer.sim.commands.run.RunProgress, "method_started", interrupted)
    assert cli.run().code == 130
    Path("runs/tiny").rename("out")
    for command in ("report", "explain", "export"):
        answer = ask(cli, command)
        assert answer.code in (0, None), (command, answer)
