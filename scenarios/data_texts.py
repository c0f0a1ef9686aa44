"""Texts as data: the tokenizers, and the forms of data sets that are texts."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from cutlayer.scenarios.fields import Section, Text, not_empty, rule, unique
from cutlayer.scenarios.unions import OneOf

DEFAULT_LENGTH: Final = 128
MAX_LENGTH: Final = 100_000  # tokens of a sample
MAX_VOCABULARY: Final = 10_000_000
FORTUNES: Final = "/usr/share/games/fortunes"  # of Debian's packages

Length = Annotated[int, Field(strict=True, ge=1, le=MAX_LENGTH)]
Vocabulary = Annotated[int, Field(strict=True, ge=4, le=MAX_VOCABULARY)]
Categories = Annotated[tuple[Text, ...], not_empty, unique]


class Bytes(Section):
    """A token for each byte of UTF-8."""


class Words(Section):
    """A token for each of the most frequent words of the training files, and one for all others."""

    shorthand = "vocabulary"
    vocabulary: Vocabulary = 10_000


class TokenizerFile(Section):
    """A tokenizer of the library `tokenizers`: its tokenizer.json, or a folder with it.

    It may be in an installed package, as `package/folder`.
    """

    shorthand = "file"
    file: Text


def _is_not_a_file(value: Any) -> Any:
    if isinstance(value, str) and ("/" in value or "." in value):
        raise rule(f"must be bytes, words or a file: write {{file: {value}}}")
    return value


Tokenizer = Annotated[
    Bytes | Words | TokenizerFile,
    OneOf(bytes=Bytes, words=Words, file=TokenizerFile),
    BeforeValidator(_is_not_a_file),
]


class _Texts(Section):
    """Texts as tokens, `length` of them in each sample; longer texts are cut, shorter ones padded."""

    tokenizer: Tokenizer = Words()
    length: Length = DEFAULT_LENGTH


class Fortunes(_Texts):
    """The texts of `fortune`, by category: the class of a text is the name of its file."""

    shorthand = "categories"
    categories: Categories | None = None
    folder: Text = FORTUNES


class TextFolder(_Texts):
    """A folder with a subfolder of `.txt` files for each class; each file is a text."""

    shorthand = "train"
    train: Text
    test: Text | None = None


class PlainText(_Texts):
    """Text for a language model: a file, or a folder of `.txt` files, cut into samples."""

    shorthand = "train"
    train: Text
    test: Text | None = None
