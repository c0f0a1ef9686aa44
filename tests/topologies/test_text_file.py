"""Reading a user's file: text within limits, or an error of one sentence."""

import gzip
import os
import socket
from pathlib import Path

import pytest

from cutlayer.topologies.text_file import TextFileError, file_state, read_text

LIMIT = 1000


def refusal(path: str | Path, limit: int = LIMIT) -> str:
    with pytest.raises(TextFileError) as refused:
        read_text(path, limit)
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a\nb\n", "a\nb\n"),
        (b"a\r\nb\rc\n\rd", "a\nb\nc\n\nd"),
        (b"\xef\xbb\xbfscore\r\n1\r\n", "score\n1\n"),
        ("µ\t☃".encode(), "µ\t☃"),
        (b"", ""),
    ],
)
def test_text_is_read_with_plain_ends_of_lines(tmp_path, content, text):
    (tmp_path / "t").write_bytes(content)
    (tmp_path / "t.gz").write_bytes(gzip.compress(content, mtime=0))
    assert read_text(tmp_path / "t", LIMIT) == text
    assert read_text(str(tmp_path / "t.gz"), LIMIT) == text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t", b"a\nb\xff", "is not text in UTF-8 (line 2)"),
        ("t", "score".encode("utf-16"), "is text in UTF-16: save it as UTF-8"),
        ("t", b"a\r\n\0b", "is not text: line 2 holds the control character U+0000"),
        ("t", b"\x1b[31mred", "is not text: line 1 holds the control character U+001B"),
        ("t", gzip.compress(b"a", mtime=0), "is compressed: expected a name that ends in .gz"),
        ("t.gz", b"a", "cannot be read: Not a gzipped file"),
        ("t.gz", gzip.compress(b"a" * 999, mtime=0)[:-9], "cannot be read: Compressed file ended"),
        ("t", b"a" * (LIMIT + 1), "is longer than 1000 B, the most that is read"),
        (
            "t.gz",
            gzip.compress(bytes(10**7), mtime=0),
            "is longer than 1000 B, the most that is read",
        ),
    ],
)
def test_what_is_not_text_within_the_limit_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(said)


def test_what_is_not_a_file_is_refused_and_does_not_block(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket may only be short
    os.mkfifo("fifo")
    Path("loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert refusal("socket") == "is a socket, not a file"
    assert refusal("fifo") == "is a pipe, not a file"
    assert refusal(".") == "is a folder, not a file"
    assert refusal("/dev/zero") == "is a device, not a file"
    assert refusal("loop").startswith("cannot be read: ")
    assert refusal("x" * 5000) == "cannot be read: File name too long"
    assert refusal("a\0b") == "cannot be read: embedded null byte"
    assert refusal("nowhere") == "does not exist"
    Path("link.gz").symlink_to("/dev/zero")
    assert refusal("link.gz") == "is a device, not a file"


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "t").write_text("a", encoding="utf-8")

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    assert refusal(tmp_path / "t") == "cannot be read: Permission denied"


def test_a_limit_is_reported_in_mebibytes(tmp_path):
    (tmp_path / "t").write_bytes(bytes(2**20 + 1))
    assert refusal(tmp_path / "t", 2**20) == "is longer than 1 MiB, the most that is read"


def test_a_state_identifies_the_content(tmp_path):
    file = tmp_path / "t"
    file.write_text("a", encoding="utf-8")
    before = file_state(file)
    assert file_state(str(file)) == before
    file.write_text("ab", encoding="utf-8")
    assert file_state(file) != before
