"""Data sets from files of text: fortunes, a folder of texts for each class, and plain text."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from cutlayer.sim.data.class_folders import check_test_classes, class_files, class_folders
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.readers.files import Stamps, check_size, data_files, errors_of, stamps
from cutlayer.sim.data.texts import TextOptions, Texts, text_declaration
from cutlayer.suggestion import suggestion

ENDINGS: Final = (".txt",)
SEPARATOR: Final = "%"  # a line of it, between two fortunes
INDEX: Final = ".dat"  # the ending of the index that `strfile` writes beside a file of fortunes


def fortunes_declaration(
    folder: Path, categories: tuple[str, ...] | None, options: TextOptions
) -> DatasetInfo:
    """Read files of `fortune`, by default all of a folder, and return their declaration.

    The class of a text, and its group `category`, is the name of its file. Raises DataError.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: is not a folder: install Debian's package fortunes, or name the folder of the"
            " files"
        )
    known = sorted(
        one.name.removesuffix(INDEX)
        for one in folder.iterdir()
        if one.suffix == INDEX and one.with_suffix("").is_file()
    )
    if not known:
        raise DataError(f"{folder}: has no files of fortunes, such as computers and computers.dat")
    for name in categories or ():
        if name not in known:
            raise DataError(f"{folder}: has no category {name!r}{suggestion(name, known)}")
    names = tuple(known if categories is None else sorted(categories))
    files = [folder / name for name in names]
    return _fortunes(folder, names, options, stamps(files), options.tokenizer.stamps())


@lru_cache(maxsize=1)  # shared by the seeds of a scenario and the points of a study
def _fortunes(
    folder: Path,
    names: tuple[str, ...],
    options: TextOptions,
    files: Stamps,
    tokenizer: Stamps,
) -> DatasetInfo:
    del files, tokenizer
    found = Texts()
    for name in names:
        file = folder / name
        texts = list(_fortunes_of(file))
        if not texts:
            raise DataError(f"{file}: has no texts")
        found.where += [f"{file}:{line}" for line, _ in texts]
        found.texts += [text for _, text in texts]
        found.groups += [name] * len(texts)
    if not options.predicts:
        found.labels = found.groups
    classes = None if options.predicts else names
    return text_declaration("fortunes", folder, found, options=options, class_names=classes)


def _fortunes_of(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each fortune that is not empty."""
    first, lines = 1, list[str]()
    for number, line in enumerate([*_text(file).splitlines(), SEPARATOR], start=1):
        if line.rstrip() != SEPARATOR:
            lines.append(line)
            continue
        if text := "\n".join(lines).strip():
            yield first, text
        first, lines = number + 1, []


def text_folder_declaration(train: Path, test: Path | None, options: TextOptions) -> DatasetInfo:
    """Read one or two folders with a subfolder of texts for each class; return their declaration.

    The group `folder` of a text is its class. Raises DataError.
    """
    paths = [path for path in (train, test) if path is not None]
    files = [file for path in paths for _, file in class_files(path, ENDINGS, "texts")]
    return _text_folder(train, test, options, stamps(files), options.tokenizer.stamps())


@lru_cache(maxsize=1)
def _text_folder(
    train: Path, test: Path | None, options: TextOptions, files: Stamps, tokenizer: Stamps
) -> DatasetInfo:
    del files, tokenizer
    if test is not None:
        check_test_classes(test, train, "texts")
    parts = [_of_folder(path, options.predicts) for path in (train, test) if path is not None]
    names = None if options.predicts else class_folders(train, "texts")
    return text_declaration("text_folder", train, *parts, options=options, class_names=names)


def _of_folder(path: Path, predicts: bool) -> Texts:
    found = Texts()
    for name, file in class_files(path, ENDINGS, "texts"):
        found.texts.append(_full_text(file))
        found.where.append(str(file))
        found.groups.append(name)
    if not predicts:
        found.labels = found.groups
    return found


def plain_text_declaration(train: Path, test: Path | None, options: TextOptions) -> DatasetInfo:
    """Read files of text, cut them into samples of tokens, and return their declaration.

    The group `file` of a sample is the name of its file. Raises DataError.
    """
    files = [file for path in (train, test) if path is not None for file in _files(path)]
    return _plain_text(train, test, options, stamps(files), options.tokenizer.stamps())


@lru_cache(maxsize=1)
def _plain_text(
    train: Path, test: Path | None, options: TextOptions, files: Stamps, tokenizer: Stamps
) -> DatasetInfo:
    del files, tokenizer
    parts = []
    for path in (train, test):
        if path is not None:
            own = _files(path)
            names = [file.name for file in own]
            parts.append(Texts([_full_text(one) for one in own], list(map(str, own)), [], names))
    return text_declaration("text", train, *parts, options=options, class_names=None)


def _files(path: Path) -> list[Path]:
    return data_files(path, ENDINGS)


def _full_text(file: Path) -> str:
    text = _text(file)
    if not text.strip():
        raise DataError(f"{file}: is empty")
    return text


def _text(file: Path) -> str:
    check_size(file)
    with errors_of(file):
        return file.read_text(encoding="utf-8-sig")
