"""Tokenizers: texts as numbers below the size of a vocabulary.

Cutlayer's own have the padding 0 and the end of a text 1. `bytes` has a token for each byte of UTF-8;
`words` has one for each of the most frequent words, in lower case, and signs, and 2 for all others. The
library `tokenizers` (Hugging Face), an extra, reads those of a tokenizer.json.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.packaged import packaged
from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers.files import Stamps, errors_of, stamps

PADDING: Final = 0
END: Final = 1
UNKNOWN: Final = 2
_WORD: Final = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
# Tokens that pad or end texts in published tokenizers, in the order in which they are looked for.
_PADS: Final = ("[PAD]", "<pad>", "<|padding|>", "<|pad|>", "<|endoftext|>", "</s>", "<eos>")
_BESIDE: Final = ("special_tokens_map.json", "tokenizer_config.json")  # they name special tokens
_ENDS: Final = ("<|endoftext|>", "</s>", "<eos>", "[SEP]")

Tokens = NDArray[np.int64]


class Encoded(NamedTuple):
    """The tokens of a text, and whether it has more of them."""

    tokens: Tokens
    cut: bool


class Tokenizer(Protocol):
    """Texts as tokens below `vocabulary`; some have tokens for the end of a text or unknown words."""

    name: str
    vocabulary: int
    padding: int
    end: int | None
    unknown: int | None

    def encode(self, text: str, limit: int | None) -> Encoded:
        """Return the first `limit` tokens of a text, by default all."""


@dataclass(frozen=True)
class TokenizerOptions:
    """Which tokenizer: `bytes`, `words` with at most so many tokens, or a file or folder."""

    kind: Literal["bytes", "words"] | Path = "words"
    vocabulary: int = 10_000

    def stamps(self) -> Stamps:
        """Return the stamps of the tokenizer's files, if it has any. Raises DataError."""
        if not isinstance(self.kind, Path):
            return ()
        file = _file(self.kind)
        beside = (file.parent / name for name in _BESIDE)
        return stamps([file, *(one for one in beside if one.is_file())])


def tokenizer_of(options: TokenizerOptions, training: Iterable[str], *, special: bool) -> Tokenizer:
    """Return a tokenizer; `training` are the texts whose words are counted.

    `special` is whether the tokenizer of a file adds its special tokens, such as those that begin and
    end a text. Raises DataError.
    """
    if isinstance(options.kind, Path):
        return _FileTokens(_file(options.kind), special)
    return _ByteTokens() if options.kind == "bytes" else _WordTokens(options.vocabulary, training)


class _ByteTokens:
    def __init__(self) -> None:
        self.name = "bytes"
        self.vocabulary = 256 + 2
        self.padding = PADDING
        self.end: int | None = END
        self.unknown: int | None = None

    def encode(self, text: str, limit: int | None) -> Encoded:
        content = text.encode(errors="replace")
        kept = np.frombuffer(content[:limit], np.uint8)
        return Encoded(kept.astype(np.int64) + 2, limit is not None and len(content) > limit)


class _WordTokens:
    def __init__(self, most: int, texts: Iterable[str]) -> None:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_words(text))
        # Ties by alphabet: the order of files does not matter.
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        self._numbers = {word: n for n, (word, _) in enumerate(frequent[: most - 3], start=3)}
        self.vocabulary = len(self._numbers) + 3
        self.padding = PADDING
        self.end: int | None = END
        self.unknown: int | None = UNKNOWN
        self.name = f"words ({len(self._numbers):,} of {len(counts):,})"

    def encode(self, text: str, limit: int | None) -> Encoded:
        words = _words(text)
        numbers = [self._numbers.get(word, UNKNOWN) for word in words[:limit]]
        return Encoded(np.array(numbers, np.int64), limit is not None and len(words) > limit)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


class _FileTokens:
    def __init__(self, file: Path, special: bool) -> None:
        try:
            library: Any = import_module("tokenizers")
        except ImportError:
            raise DataError(
                f"{file}: needs tokenizers: pip install 'cutlayer[tokenizers]'"
            ) from None
        with errors_of(file):
            content = file.read_text(encoding="utf-8")
        try:
            own = library.Tokenizer.from_str(content)
        except Exception as error:  # the library raises Exception itself
            reason = str(error).partition("\n")[0][:100]
            raise DataError(
                f"{file}: is not a tokenizer of the library tokenizers ({reason})"
            ) from None
        self.name = str(file)
        numbers: dict[str, int] = own.get_vocab(with_added_tokens=True)
        written = _special_tokens(file.parent)
        padding = (own.padding or {}).get("pad_id")
        if padding is None:
            padding = _first(numbers, (written.get("pad_token"), *_PADS))
        if padding is None:
            raise DataError(f"{file}: has no token for padding (looked for {', '.join(_PADS)})")
        self.padding: int = padding
        self.end = _first(numbers, (written.get("eos_token"), *_ENDS))
        self.unknown = _first(numbers, (written.get("unk_token"), "[UNK]", "<unk>"))
        self.vocabulary = max(max(numbers.values(), default=0), padding) + 1
        own.no_padding()
        own.no_truncation()
        self._own, self._special, self._limit = own, special, -1

    def encode(self, text: str, limit: int | None) -> Encoded:
        if limit is not None and limit != self._limit:
            added = self._own.num_special_tokens_to_add(False) if self._special else 0
            if limit <= added:
                raise DataError(
                    f"{self.name}: each text has {added} special tokens: choose a length above {added}"
                )
            self._own.enable_truncation(limit)
            self._limit = limit
        text = text.encode(
            errors="replace"
        ).decode()  # half of a surrogate pair, as JSON may have it
        encoding = self._own.encode(text, add_special_tokens=self._special)
        return Encoded(np.array(encoding.ids, np.int64), bool(encoding.overflowing))


def _first(numbers: Mapping[str, int], names: Iterable[str | None]) -> int | None:
    return next((numbers[name] for name in names if name is not None and name in numbers), None)


def _special_tokens(folder: Path) -> dict[str, str]:
    """Return the special tokens that `transformers` has written beside a tokenizer, by name."""
    found: dict[str, str] = {}
    for name in _BESIDE:
        with suppress(OSError, ValueError):  # these files are optional
            written = json.loads((folder / name).read_text(encoding="utf-8"))
            for key, value in written.items() if isinstance(written, dict) else ():
                text = value.get("content") if isinstance(value, dict) else value
                if isinstance(text, str):
                    found[key] = text
    return found


def _file(named: Path) -> Path:
    """Return a tokenizer's file: the one named, or that in the folder. Raises DataError."""
    path = packaged(str(named)) or named
    if not path.is_dir():
        if not path.exists():
            raise DataError(
                f"tokenizer {named}: there is no such file or folder, nor one in a package that is"
                " installed"
            )
        return path
    file = path / "tokenizer.json"
    if not file.is_file():
        slow = ", only files of other tokenizers" if (path / "vocab.txt").is_file() else ""
        raise DataError(f"tokenizer {path}: the folder has no tokenizer.json{slow}")
    return file
