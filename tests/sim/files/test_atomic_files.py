"""Files are written completely or not at all, and no file of a user is replaced by accident."""

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cutlayer.sim.files.atomic import (
    PART,
    OutputError,
    check_output_file,
    whole_text,
    write_bytes,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_content_and_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "über\r\n")
        write_json(tmp_path / "b.json", {"a": [1, None]})
    finally:
        os.umask(mask)
    assert (tmp_path / "a.txt").read_bytes() == "über\r\n".encode()
    assert (tmp_path / "b.json").read_bytes() == b'{\n  "a": [\n    1,\n    null\n  ]\n}\n'
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert names(tmp_path) == ["a.txt", "b.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_gives_one_line_and_keeps_the_old_file(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "events.npz"
    write_bytes(target, b"old")

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError) as raised:
        write_bytes(target, b"new")
    assert str(raised.value) == f"{target} cannot be written: {os.strerror(number)}"
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["events.npz"]


def test_a_file_above_the_size_limit_gives_one_line(tmp_path: Path) -> None:
    program = (
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from cutlayer.sim.files.atomic import OutputError, write_bytes\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_bytes(Path('small'), bytes(1000))\n"
        "try:\n"
        "    write_bytes(Path('large'), bytes(1001))\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == f"large cannot be written: {os.strerror(errno.EFBIG)}\n"
    assert names(tmp_path) == ["small"]


def test_a_missing_folder_gives_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone/a cannot be written: No such file or directory"):
        write_text(tmp_path / "gone/a", "text")


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_no_file(tmp_path: Path, error: type[BaseException]) -> None:
    def half(path: Path) -> None:
        with whole_text(path) as text:
            text.write("half a row")
            raise error

    with pytest.raises(error):
        half(tmp_path / "a.csv")
    assert names(tmp_path) == []


def test_two_writers_of_a_file_do_not_interfere(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with whole_text(target) as one, whole_text(target) as other:
        one.write("one")
        other.write("other")
        assert len([name for name in names(tmp_path) if name.endswith(PART)]) == 2
    assert target.read_text(encoding="utf-8") == "one"
    assert names(tmp_path) == ["a"]


def test_a_link_is_replaced_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me", encoding="utf-8")
    (tmp_path / "link").symlink_to("precious")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "keep me"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("hard_links", [True, False])
def test_without_replace_an_existing_file_stays(
    tmp_path: Path, hard_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not hard_links:
        monkeypatch.setattr(os, "link", without)
    target = tmp_path / "a"
    write_text(target, "first", replace=False)
    with pytest.raises(OutputError, match="exists by now"):
        write_text(target, "second", replace=False)
    assert target.read_text(encoding="utf-8") == "first"
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(OutputError, match="exists by now"):
        write_text(tmp_path / "link", "second", replace=False)
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path) == ["a", "link"]


def test_an_existing_output_file_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep me", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    check_output_file(tmp_path / "new", "--out")
    for name in ("file", "link", "dangling"):
        with pytest.raises(OutputError) as raised:
            check_output_file(tmp_path / name, "--out")
        assert str(raised.value) == (
            f"--out {tmp_path / name} exists; name a new file, or add --force to replace it"
        )
        check_output_file(tmp_path / name, "--out", force=True)


def test_folders_pipes_sockets_and_devices_are_refused_even_if_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        sorts = {
            Path("folder"): "a folder",
            Path("pipe"): "a named pipe",
            Path("socket"): "a socket",
            Path(os.devnull): "a device",
        }
        for path, sort in sorts.items():
            for force in (False, True):
                with pytest.raises(OutputError) as raised:
                    check_output_file(path, "--csv", force=force)
                assert str(raised.value) == (f"--csv {path} is {sort}, not a file; name a new file")
