"""Data sets of texts: each sample has the same number of tokens, padded at its end.

The target of a text is its class or, for a language model, the next token at each place. The target of
padding is `IGNORED`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from cutlayer.sim.data.classes import in_order, numbered
from cutlayer.sim.data.given_split import EMPTY
from cutlayer.sim.data.info import IGNORED, DataError, DatasetInfo
from cutlayer.sim.data.partition import Ints
from cutlayer.sim.data.samples import Samples, TokenNotes, declaration
from cutlayer.sim.data.tokenizer import Encoded, Tokenizer, TokenizerOptions, tokenizer_of

EXAMPLES: Final = 3
MAX_TOKENS: Final = 2_000_000_000  # of a split: 16 GB
EXAMPLE_LETTERS: Final = 200


@dataclass(frozen=True)
class TextOptions:
    """How texts become samples: their tokenizer, the tokens of a sample, and the target.

    `predicts` is whether the target is the next token at each place instead of a class; `windows` cuts
    long texts into samples instead of leaving their end out.
    """

    tokenizer: TokenizerOptions
    length: int
    predicts: bool = False
    windows: bool = False


@dataclass
class Texts:
    """The texts of a split, where they are, their classes and the groups of a natural partition."""

    texts: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def text_declaration(
    kind: str,
    path: Path,
    train: Texts,
    test: Texts | None = None,
    *,
    options: TextOptions,
    class_names: Sequence[str] | None,
) -> DatasetInfo:
    """Tokenise texts and return their declaration. Raises DataError.

    `class_names` are those of the labels, None if the target is the next token.
    """
    tokenizer = tokenizer_of(options.tokenizer, train.texts, special=not options.predicts)
    parts = [train] if test is None else [train, test]
    made = [_samples(part, tokenizer, options, class_names) for part in parts]
    return declaration(
        kind,
        path,
        made[0][0],
        None if test is None else made[1][0],
        class_names=class_names,
        notes=made[0][1],
    )


def _samples(
    part: Texts, tokenizer: Tokenizer, options: TextOptions, class_names: Sequence[str] | None
) -> tuple[Samples, TokenNotes]:
    """Return the samples of a split, and what is to be said of them."""
    length, predicts = options.length, options.predicts
    kept = length + predicts  # the last token is a target only
    rows: list[Ints] = []
    owners: list[int] = []
    cut = 0
    for index, text in enumerate(part.texts):
        encoded = _encoded(text, tokenizer, None if options.windows else kept, predicts)
        if len(encoded.tokens) < 1 + predicts:
            raise DataError(f"{part.where[index]}: the text has no tokens")
        cut += encoded.cut
        starts = range(0, len(encoded.tokens) - predicts, length) if options.windows else (0,)
        rows += [encoded.tokens[start : start + kept] for start in starts]
        owners += [index] * len(starts)
    if len(rows) * kept > MAX_TOKENS:
        raise DataError(
            f"{part.where[0]}: {len(rows):,} samples of {kept:,} tokens are more than {MAX_TOKENS:,}:"
            " choose a smaller length, or fewer texts"
        )
    tokens = np.full((len(rows), kept), tokenizer.padding, np.int64)
    sizes = np.array([len(row) for row in rows], np.int64)
    real = np.arange(kept) < sizes[:, np.newaxis]
    tokens[real] = np.concatenate([EMPTY, *rows])
    if class_names is None:
        labels = np.ascontiguousarray(np.where(real, tokens, IGNORED)[:, 1:])
    else:
        labels = numbered(part.labels, class_names)
    groups = in_order(set(part.groups))
    samples = Samples(
        groups,
        np.ascontiguousarray(tokens[:, :length]),
        labels,
        numbered(part.groups, groups)[owners] if groups else EMPTY,
    )
    inputs = real[:, :length]
    unknown = None
    if tokenizer.unknown is not None:
        unknown = int((samples.inputs[inputs] == tokenizer.unknown).sum())
    notes = TokenNotes(
        tokenizer=tokenizer.name,
        vocabulary=tokenizer.vocabulary,
        padding=tokenizer.padding,
        texts=len(part.texts),
        cut=cut,
        tokens=int(inputs.sum()),
        unknown=unknown,
        examples=_examples(part),
    )
    return samples, notes


def _encoded(text: str, tokenizer: Tokenizer, limit: int | None, ends: bool) -> Encoded:
    """Return the tokens of a text, at most `limit`, with that of its end if the tokenizer has one."""
    encoded = tokenizer.encode(text, limit)
    if not ends or tokenizer.end is None or encoded.cut:
        return encoded
    tokens = np.append(encoded.tokens, tokenizer.end)
    return Encoded(tokens[:limit], limit is not None and len(tokens) > limit)


def _examples(part: Texts) -> tuple[tuple[str, str], ...]:
    """Return the first texts of the first classes, or the first texts, with their classes."""
    labels = part.labels or [""] * len(part.texts)
    first = [labels.index(label) for label in in_order(set(labels))][:EXAMPLES]
    chosen = [*first, *(index for index in range(len(labels)) if index not in first)][:EXAMPLES]
    return tuple((labels[index], part.texts[index][:EXAMPLE_LETTERS]) for index in chosen)
