"""Exchange folders where a system has no room, no shared memory or no locks."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from cutlayer.sim.files import lock as file_lock
from cutlayer.sim.process import exchange
from cutlayer.sim.process.exchange import Exchange, ExchangeError, write


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    homes = [tmp_path / "shm", tmp_path / "temporary"]
    for home in homes:
        home.mkdir()
    monkeypatch.setattr(exchange, "SHARED_MEMORY", homes[0])
    monkeypatch.setattr(tempfile, "tempdir", str(homes[1]))
    return homes


def test_values_are_in_the_first_folder_with_room(
    homes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`os.write` may write a part before the disk is full."""
    really, full = os.write, {"shm"}

    def write_until_full(file: int, content: memoryview) -> int:
        where = Path(f"/proc/self/fd/{file}").resolve().parents[1].name
        if where in full and len(content) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(file, content[:50])

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "write", write_until_full)
    with Exchange() as made:
        value = write(made.folders, "a", bytes(120))
        assert bytes(value.read()) == bytes(120)
        assert Path(value.path).parent == Path(made.folders[1])
        full.add("temporary")
        with pytest.raises(
            ExchangeError, match=r"^no room .* \(No space left on device\): free some"
        ):
            write(made.folders, "b", bytes(120))
        assert sorted(value.path for value in made.files("")) == sorted(
            str(Path(folder) / name)
            for folder, name in [
                (made.folders[0], exchange.LOCK),
                (made.folders[1], exchange.LOCK),
                (made.folders[1], "a"),
            ]
        )
    assert not any(any(home.iterdir()) for home in homes)


@pytest.mark.parametrize("missing", [0, 1])
def test_one_folder_is_enough(homes: list[Path], missing: int) -> None:
    homes[missing].rmdir()
    with Exchange() as made:
        assert [Path(folder).parent for folder in made.folders] == [homes[1 - missing]]


def test_without_any_folder_there_is_an_error(homes: list[Path]) -> None:
    for home in homes:
        home.rmdir()
    with pytest.raises(ExchangeError, match=r"^no folder for worker processes can be made \("):
        Exchange().__enter__()


def test_without_locks_no_folder_counts_as_stale(
    homes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(file_lock, "_LOCK", without)
    with Exchange() as first, Exchange() as second:
        assert all(Path(folder).exists() for folder in first.folders + second.folders)
    assert not any(any(home.iterdir()) for home in homes)


def test_a_folder_that_another_command_has_removed_is_made_again(
    homes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between the making and the locking of the folder."""
    really, made = tempfile.mkdtemp, []

    def make(**options: object) -> str:
        made.append(really(**options))  # type: ignore[call-overload]
        if len(made) % 2:
            Path(made[-1]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    with Exchange() as exchanged:
        assert list(exchanged.folders) == made[1::2]
