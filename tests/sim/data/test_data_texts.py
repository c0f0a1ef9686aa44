"""Texts as data sets: tokenizers, the forms of texts, what fills and what exceeds a sample."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from cutlayer.models.packaged import packaged
from cutlayer.sim.data import texts
from cutlayer.sim.data.datasets import describe, load
from cutlayer.sim.data.info import IGNORED, DataError, DatasetInfo
from cutlayer.sim.data.samples import InMemory, TokenNotes, partition_by_group
from cutlayer.sim.data.tables import Columns, table_declaration
from cutlayer.sim.data.text_files import (
    fortunes_declaration,
    plain_text_declaration,
    text_folder_declaration,
)
from cutlayer.sim.data.texts import TextOptions
from cutlayer.sim.data.tokenizer import TokenizerOptions

WORDS = TokenizerOptions("words", 8)
BYTES = TokenizerOptions("bytes")
COMPUTERS = "The disk is full.\n%\n%\nThe disk is\nlost, and so is the day.\n%\n"
FOOD = "Eat.\n%\nThe soup is cold."


def fortunes(folder: Path) -> Path:
    for name, text in {"food": FOOD, "computers": COMPUTERS, "empty": "%\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / f"{name}.dat").write_bytes(b"")
        (folder / f"{name}.u8").symlink_to(name)
    (folder / "README").write_text("not a category", encoding="utf-8")
    return folder


def own_tokenizer(folder: Path, **beside: Any) -> Path:
    """Write a tokenizer of six words, which begins each text with <s>."""
    words = ["<s>", "the", "disk", "is", "full", "[UNK]", "<pad>"]
    own = tokenizers.Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "[UNK]"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    own.save(str(folder / "tokenizer.json"))
    if beside:
        (folder / "tokenizer_config.json").write_text(json.dumps(beside), encoding="utf-8")
    return folder


def tokens(info: DatasetInfo) -> list[list[int]]:
    found: list[list[int]] = load(describe(info)).train_images.tolist()
    return found


def targets(info: DatasetInfo) -> Any:
    return load(describe(info)).train_labels.tolist()


def notes(info: DatasetInfo) -> TokenNotes:
    assert isinstance(info.source, InMemory)
    assert info.source.notes is not None
    return info.source.notes


def test_fortunes_are_texts_by_category(tmp_path: Path) -> None:
    folder = fortunes(tmp_path)
    info = fortunes_declaration(folder, ("food", "computers"), TextOptions(WORDS, 6))
    assert info.class_names == ("computers", "food")
    assert info.train_counts == (2, 2)
    # By frequency, then alphabet: is, the (4), . (4), disk ... of 13 words, 5 have a token.
    assert (info.vocabulary, info.padding, info.input_shape) == (8, 0, (6,))
    numbers = {".": 3, "is": 4, "the": 5, "disk": 6, ",": 7}
    of = [["the", "disk", "is", "full", "."], ["the", "disk", "is", "lost", ",", "and"]]
    of += [["eat", "."], ["the", "soup", "is", "cold", "."]]
    expected = [[*(numbers.get(word, 2) for word in words), *[0] * 6][:6] for words in of]
    assert tokens(info) == expected
    assert targets(info) == [0, 0, 1, 1]
    said = notes(info)
    assert (said.texts, said.cut, said.tokens, said.unknown) == (4, 1, 18, 6)
    assert said.examples[:2] == (("computers", "The disk is full."), ("food", "Eat."))


def test_a_mistake_with_fortunes_is_named(tmp_path: Path) -> None:
    folder = fortunes(tmp_path)
    options = TextOptions(WORDS, 6)
    with pytest.raises(DataError, match="has no category 'foood'; did you mean 'food'"):
        fortunes_declaration(folder, ("foood",), options)
    with pytest.raises(DataError, match="empty: has no texts"):
        fortunes_declaration(folder, None, options)
    with pytest.raises(DataError, match="is not a folder: install Debian's package fortunes"):
        fortunes_declaration(folder / "none", None, options)
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="has no files of fortunes"):
        fortunes_declaration(tmp_path / "other", None, options)


def test_the_bytes_of_a_text_are_its_tokens(tmp_path: Path) -> None:
    for name, text in {"a": "né", "b": "x"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(text, encoding="utf-8")
    info = text_folder_declaration(tmp_path, None, TextOptions(BYTES, 4))
    assert tokens(info) == [[byte + 2 for byte in "né".encode()] + [0], [ord("x") + 2, 0, 0, 0]]
    assert (info.vocabulary, info.class_names) == (258, ("a", "b"))
    assert notes(info).unknown is None
    (tmp_path / "b" / "2.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(DataError, match=r"2\.txt: is empty"):
        text_folder_declaration(tmp_path, None, TextOptions(BYTES, 4))


def test_the_next_token_is_the_target_of_a_language_model(tmp_path: Path) -> None:
    folder = fortunes(tmp_path)
    options = TextOptions(BYTES, 5, predicts=True)
    info = fortunes_declaration(folder, ("food",), options)
    eat = [byte + 2 for byte in b"Eat."]
    assert tokens(info)[0] == [*eat, 1]  # the end of the text
    assert targets(info)[0] == [*eat[1:], 1, IGNORED]
    assert targets(info)[1] == [byte + 2 for byte in b"he so"]
    assert (info.train_counts, info.classes, info.output_shape) == ((2,), 1, (5, 258))
    assert info.target_bytes == 8 * 5


def test_plain_text_is_cut_into_samples_that_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("abcdefg", encoding="utf-8")
    (tmp_path / "2.txt").write_text("xyz", encoding="utf-8")
    options = TextOptions(BYTES, 3, predicts=True, windows=True)
    info = plain_text_declaration(tmp_path, None, options)

    def shown(rows: list[list[int]]) -> list[str]:
        return ["".join(chr(n - 2) if n > 1 else "." for n in row if n >= 0) for row in rows]

    assert shown(tokens(info)) == ["abc", "def", "g..", "xyz"]
    assert shown(targets(info)) == ["bcd", "efg", ".", "yz."]  # "." ends a text or fills
    # The files are the groups of a natural partition.
    assert partition_by_group(describe(info), 2, "by file").sizes == (3, 1)


def test_a_column_of_texts(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('who,said,kind\nann,"the disk, the day",b\nbob,is it,a\n', encoding="utf-8")
    columns = Columns("kind", text="said", texts=TextOptions(WORDS, 3), group="who")
    info = table_declaration("csv", file, None, columns)
    assert info.class_names == ("a", "b")
    assert targets(info) == [1, 0]
    # "the" twice, then by alphabet: ",", day, disk, is
    assert tokens(info) == [[3, 6, 4], [7, 2, 0]]
    assert partition_by_group(describe(info), 2, "by who").sizes == (1, 1)
    predicts = Columns("none", text="said", texts=TextOptions(WORDS, 3, predicts=True))
    assert table_declaration("csv", file, None, predicts).class_names == ()
    file.write_text("who,said,kind\nann, ,b\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.csv:2: column 'said': has no value"):
        table_declaration("csv", file, None, columns)
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"said": 3, "kind": "b", "who": 1}', encoding="utf-8")
    with pytest.raises(DataError, match=r":1: column 'said': expected a text, got '3'"):
        table_declaration("jsonl", lines, None, columns)


def test_a_tokenizer_file_gives_its_own_tokens(tmp_path: Path) -> None:
    folder = fortunes(tmp_path)
    file = TokenizerOptions(own_tokenizer(tmp_path))
    info = fortunes_declaration(folder, ("computers",), TextOptions(file, 4))
    the, disk, is_, full, unknown, padding = range(1, 7)
    assert tokens(info) == [[0, unknown, disk, is_], [0, unknown, disk, is_]]
    assert (info.vocabulary, info.padding) == (7, padding)
    long = fortunes_declaration(folder, ("computers",), TextOptions(file, 9))
    assert tokens(long)[0] == [0, unknown, disk, is_, full, unknown, padding, padding, padding]
    assert notes(long).cut == 1
    assert notes(long).unknown == 2 + 5
    own_tokenizer(tmp_path, pad_token={"content": "the"}, eos_token="full")
    options = TextOptions(file, 9, predicts=True)
    model = fortunes_declaration(folder, ("computers",), options)
    assert tokens(model)[0] == [unknown, disk, is_, full, unknown, full, the, the, the]
    assert model.padding == the


def test_texts_with_half_a_surrogate_pair_and_lengths_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(r'{"said": "the \ud800", "label": "a"}', encoding="utf-8")
    own = TokenizerOptions(own_tokenizer(tmp_path))

    def read(tokenizer: TokenizerOptions, length: int) -> DatasetInfo:
        columns = Columns(text="said", texts=TextOptions(tokenizer, length))
        return table_declaration("jsonl", file, None, columns)

    assert tokens(read(own, 4)) == [[0, 1, 5, 6]]
    assert tokens(read(BYTES, 6)) == [[byte + 2 for byte in b"the ?"] + [0]]
    with pytest.raises(DataError, match="each text has 1 special tokens: choose a length above 1"):
        read(own, 1)
    monkeypatch.setattr(texts, "MAX_TOKENS", 7)
    with pytest.raises(DataError, match="1 samples of 8 tokens are more than 7: choose a smaller"):
        read(BYTES, 8)


def test_another_tokenizer_is_another_data_set(tmp_path: Path) -> None:
    folder = fortunes(tmp_path)

    def checksum(tokenizer: TokenizerOptions, length: int = 4) -> str | None:
        return fortunes_declaration(folder, ("food",), TextOptions(tokenizer, length)).checksum

    own = TokenizerOptions(own_tokenizer(tmp_path))
    all_different = [checksum(WORDS), checksum(WORDS, 5), checksum(BYTES), checksum(own)]
    all_different.append(checksum(TokenizerOptions("words", 7)))
    # The file has changed, and is read again.
    own_tokenizer(tmp_path).joinpath("tokenizer.json").write_text(
        (tmp_path / "tokenizer.json").read_text(encoding="utf-8").replace("full", "soup"),
        encoding="utf-8",
    )
    all_different.append(checksum(own))
    assert len({*all_different}) == len(all_different)


def test_a_mistake_with_a_tokenizer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fortunes(tmp_path)

    def read(path: Path) -> None:
        fortunes_declaration(folder, ("food",), TextOptions(TokenizerOptions(path), 4))

    with pytest.raises(DataError, match="there is no such file or folder, nor one in a package"):
        read(tmp_path / "none")
    with pytest.raises(DataError, match=r"the folder has no tokenizer\.json"):
        read(tmp_path)
    bad = tmp_path / "bad.json"
    bad.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.json: is not a tokenizer of the library tokenizers"):
        read(bad)
    bad.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"bad\.json: is not text in UTF-8"):
        read(bad)
    tokenizers.Tokenizer(models.WordLevel({"the": 0}, "the")).save(str(bad))
    with pytest.raises(DataError, match=r"has no token for padding \(looked for \[PAD\]"):
        read(bad)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"pip install 'cutlayer\[tokenizers\]'"):
        read(bad)


def test_files_in_installed_packages_are_found_without_importing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "a_text_package"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
    (tmp_path / "site" / "folder" / "model").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert packaged("a_text_package/model") == package / "model"
    for name in ("a_text_package/none", "a_text_package", "folder/model", "../x", "", "__main__/x"):
        assert packaged(name) is None
    own_tokenizer(package / "model")
    folder = fortunes(tmp_path)
    options = TokenizerOptions(Path("a_text_package/model"))
    assert fortunes_declaration(folder, ("food",), TextOptions(options, 4)).vocabulary == 7
