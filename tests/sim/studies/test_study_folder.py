"""A study's folder: claims, reports of damage, and its state after a fault."""

import gzip
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from small_studies import SCENARIO, UP, small_study
from test_going_on import contents

from cutlayer.sim.files.atomic import OutputError, part_path, remove_stale_parts
from cutlayer.sim.process.jobs import Done, Here
from cutlayer.sim.process.tasks import Note
from cutlayer.sim.results.folder import FolderTakenError, read_marker
from cutlayer.sim.results.read import read_study
from cutlayer.sim.studies.folder import claim_study
from cutlayer.sim.studies.jobs import Job
from cutlayer.sim.studies.result_store import Store
from cutlayer.sim.studies.sweep import sweep
from cutlayer.sim.views.studies import print_study

CONTENT = {"schema": 1, "numbers": [1, 2.5, None], "name": "å"}


def silent(line: str) -> None:
    raise AssertionError(f"nothing is damaged, and yet: {line}")


# --- whose folder it is


def test_a_users_own_folder_is_left_alone(tmp_path: Path) -> None:
    """`--out .` in the folder with the user's study.yaml."""
    own = tmp_path / "own"
    for name in ("study.yaml", "summary.json", "points.csv", "deep/er/download.part", "a.part"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text("name: small\n", encoding="utf-8")
    before = contents(own)
    with pytest.raises(FolderTakenError, match="own exists and is not empty; name a new folder"):
        sweep(small_study(tmp_path), executor="none", out=own)
    assert contents(own) == before


def test_the_next_name_where_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/small").mkdir(parents=True)
    Path("runs/small/study.yaml").write_text("name: small\n", encoding="utf-8")  # a user's own
    Path("runs/small-2").write_text("a file", encoding="utf-8")
    with claim_study(None, "small") as third, claim_study(None, "small") as fourth:
        assert [third.path.name, fourth.path.name] == ["small-3", "small-4"]
        for folder in (third, fourth):
            (folder.path / "study.yaml").write_text("name: small\n", encoding="utf-8")
    with claim_study(None, "small") as again:
        assert again.path.name == "small-3"
        assert again.continued


def test_a_folder_in_use_or_of_another_study_is_refused(tmp_path: Path) -> None:
    study, out = small_study(tmp_path), tmp_path / "out"
    sweep(study, executor="none", out=out)
    marker = read_marker(out)
    assert marker is not None
    assert marker.kind == "study"
    before = contents(out)
    with claim_study(out, "small"), pytest.raises(FolderTakenError, match="is in use by another"):
        sweep(study, executor="none", out=out)
    with pytest.raises(OutputError, match="holds the study 'small', not 'other'; name a new"):
        sweep(small_study(tmp_path, name="other"), executor="none", out=out)
    assert contents(out) == before


def test_only_unfinished_files_of_dead_commands_are_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = small_study(tmp_path)
    sweep(study, executor="none", out=out)
    old = time.time() - 7200
    stale, deep = out / ".999999999-0123456789abcdef.part", out / "points/0000/user.part"
    deep.parent.mkdir(parents=True)
    young = out / "cells/.999999999-0123456789abcdef.part"
    others = [out / "cells/download.part", deep, out / "cells/.x-0123456789abcdef.part"]
    alive = part_path(out)
    for file in (stale, young, alive, *others):
        file.write_text("cut off", encoding="utf-8")
        if file is not young:
            os.utime(file, (old, old))
    sweep(study, executor="none", out=out)
    assert not stale.exists()
    assert all(file.exists() for file in (young, alive, *others))
    remove_stale_parts(tmp_path / "missing")


# --- damage


def flipped(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 16]) + packed[middle + 1 :]


def changed(packed: bytes) -> bytes:
    return gzip.compress(gzip.decompress(packed).replace(b"2.5", b"3.5"))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped byte": flipped,
    "cut off": lambda packed: packed[: len(packed) // 2],
    "empty": lambda _: b"",
    "a changed value": changed,
    "no checksum": lambda _: gzip.compress(json.dumps(CONTENT).encode()),
    "no JSON": lambda _: gzip.compress(b"\xff\x00", mtime=0),
    "something after it": lambda packed: packed + gzip.compress(b"}", mtime=0),
    "no gzip": lambda _: b"hello",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named_and_counts_as_missing(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    said: list[str] = []
    store = Store(tmp_path / "cells", said.append)
    store.put("abc", CONTENT)
    file = tmp_path / "cells/abc.json.gz"
    whole = file.read_bytes()
    assert store.get("abc") == CONTENT
    file.write_bytes(damage(whole))
    assert store.get("abc") is None
    (line,) = said
    assert line.startswith(f"{file} is damaged (")
    assert "\n" not in line
    store.put("abc", CONTENT)
    assert store.get("abc") == CONTENT
    assert file.read_bytes() == whole
    assert len(said) == 1


@pytest.mark.parametrize("bit", range(0, 8, 3))
def test_no_flipped_bit_is_accepted(tmp_path: Path, bit: int) -> None:
    """Except flags, time and system in gzip's header, which have no effect."""
    store = Store(tmp_path, lambda _: None)
    store.put("abc", CONTENT)
    file = tmp_path / "abc.json.gz"
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        found = store.get("abc")
        assert found is None or (found == CONTENT and 3 <= place < 10), place


def test_another_files_content_is_refused(tmp_path: Path) -> None:
    said: list[str] = []
    store = Store(tmp_path, said.append)
    store.put("one", CONTENT)
    shutil.copy(tmp_path / "one.json.gz", tmp_path / "two.json.gz")
    (tmp_path / "three.json.gz").mkdir()
    assert [store.get(name) for name in ("one", "two", "three", "four")] == [CONTENT, *[None] * 3]
    assert [line.partition(" is damaged")[0] for line in said] == [
        str(tmp_path / f"{name}.json.gz") for name in ("two", "three")
    ]


def test_damaged_cells_and_curves_are_named_and_computed_again(tmp_path: Path) -> None:
    study, out, said = small_study(tmp_path), tmp_path / "out", []
    sweep(study, out=out, warn=silent)
    before = contents(out)
    cell, curve = (sorted((out / name).iterdir())[0] for name in ("cells", "trainings"))
    for file in (cell, curve):
        file.write_bytes(flipped(file.read_bytes()))
    again = sweep(study, out=out, warn=said.append)
    assert again.new == {"clock runs": 1, "trainings": 1}
    assert [line.partition(" is damaged")[0] for line in said] == [str(cell), str(curve)]
    assert contents(out) == before


RESULTS = ["study.yaml", "versions.json", "points.csv", "curves.csv", "pareto.csv", "summary.json"]


@pytest.mark.parametrize("damaged", [*RESULTS, "checksums.sha256"])
def test_damaged_tables_are_named_and_written_again(tmp_path: Path, damaged: str) -> None:
    study, out, said = small_study(tmp_path), tmp_path / "out", []
    sweep(study, executor="none", out=out, warn=silent)
    before = contents(out)
    file = out / damaged
    file.write_text(file.read_text("utf-8")[:-20] + "\n{", encoding="utf-8")
    sweep(study, executor="none", out=out, warn=said.append)
    assert said == [f"{file} is damaged (its content is not what was written) and is written again"]
    assert contents(out) == before


# --- faults in the middle


class Interferes(Here):
    """Runs jobs in this process and calls a function after the first one."""

    def __init__(self, interfere: Callable[[], None]) -> None:
        super().__init__()
        self.interfere = interfere

    def run(self, jobs: Sequence[Job], done: Done, note: Note) -> None:
        def and_then(number: int, found: dict[str, Any]) -> None:
            done(number, found)
            if number == 0:
                self.interfere()

        super().run(jobs, and_then, note)


def test_a_folder_that_is_removed_meanwhile_is_one_line(tmp_path: Path) -> None:
    study, out = small_study(tmp_path), tmp_path / "out"
    with pytest.raises(OutputError, match=r"out was removed while the command wrote to it$"):
        sweep(study, executor="none", out=out, workers=Interferes(lambda: shutil.rmtree(out)))
    assert not out.exists()
    (tmp_path / "moved").mkdir()

    def replaced() -> None:
        out.rename(tmp_path / "moved/out")
        out.mkdir()
        (out / "mine.txt").write_text("of somebody else", encoding="utf-8")

    with pytest.raises(OutputError, match="was removed while"):
        sweep(study, executor="none", out=out, workers=Interferes(replaced))
    assert list(contents(out)) == ["mine.txt"]


class FullDisk(Interferes):
    """After the first job, the system refuses to write more than 100 bytes to any file."""

    def __init__(self) -> None:
        self.resource = pytest.importorskip("resource")
        self.before = self.resource.getrlimit(self.resource.RLIMIT_FSIZE)
        super().__init__(lambda: self.limit(100))

    def limit(self, size_bytes: int) -> None:
        self.resource.setrlimit(self.resource.RLIMIT_FSIZE, (size_bytes, self.before[1]))

    def __exit__(self, *_: object) -> None:
        self.limit(self.before[0])


def test_a_full_disk_is_one_line_and_the_sweep_can_go_on(tmp_path: Path) -> None:
    study, out = small_study(tmp_path), tmp_path / "out"
    sweep(study, executor="none", out=tmp_path / "whole")
    with pytest.raises(OutputError, match=r"/out/cells/\w+\.json\.gz cannot be written: ") as told:
        sweep(study, executor="none", out=out, workers=FullDisk())
    assert "\n" not in str(told.value)
    assert not (out / "summary.json").exists()
    assert [name for name in contents(out) if name.endswith(".part")] == []
    kept = len(list((out / "cells").iterdir()))
    assert kept == 2  # both methods of the first point
    again = sweep(study, executor="none", out=out, warn=silent)
    assert again.new["clock runs"] == 4 - kept
    assert contents(out) == contents(tmp_path / "whole")


def test_a_cache_that_is_not_a_folder_is_reported_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="cache cannot be written: File exists"):
        sweep(small_study(tmp_path), out=tmp_path / "out", cache=tmp_path / "cache")
    assert not (tmp_path / "out").exists()


def test_points_that_never_end_are_marked_as_stalled(tmp_path: Path) -> None:
    base = yaml.safe_load(SCENARIO)
    base["changes"] = [{"at": "10000 s", "clients": "raspberry-pi-4b", "up": "0 bit/s"}]
    axes = [
        {"name": "up", "field": UP, "values": ["10 Mbit/s", "10 bit/s"]},
        {"name": "length", "field": "training.rounds", "values": [2]},
    ]
    study = small_study(tmp_path, yaml.safe_dump(base), axes=axes, crossovers={"axis": "up"})
    swept = sweep(study, executor="none", out=tmp_path / "out")
    found = {(f.point.labels["up"], f.cell.label): f.status for f in swept.cells}
    assert found["10 Mbit/s", "splitfed"] == "complete"
    assert found["10 bit/s", "splitfed"] == "stalled"
    summary = json.loads((tmp_path / "out/summary.json").read_text("utf-8"))
    assert summary["stalled"] == 2
    again = sweep(study, executor="none", out=tmp_path / "out")
    assert again.new["clock runs"] == 0
    assert again.table() == swept.table()
    notes = dict(zip(swept.table()["status"], swept.table()["note"], strict=True))
    assert "round 0 never ends" in notes["stalled"]
    console = Console(width=1000, record=True, file=io.StringIO())
    print_study(read_study(tmp_path / "out"), console, again.new)
    last = console.export_text().splitlines()[-2:]
    assert last == [f"STALLED {m} at point 1: {notes['stalled']}" for m in ("splitfed", "ecofed")]
