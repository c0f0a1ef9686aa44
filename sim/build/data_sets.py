"""The declaration of a scenario's data set, from its form in the `data` section."""

from pathlib import Path
from typing import Final, Literal

from cutlayer.scenarios.data import Data
from cutlayer.scenarios.data_sets import (
    Arrow,
    Csv,
    Declared,
    Images,
    Jsonl,
    Leaf,
    Npz,
    Parquet,
    Table,
    TorchSet,
)
from cutlayer.scenarios.data_texts import (
    DEFAULT_LENGTH,
    Bytes,
    Fortunes,
    PlainText,
    TextFolder,
    TokenizerFile,
    Words,
)
from cutlayer.scenarios.partition import ByColumn
from cutlayer.sim.data.arrays import ArrayNames, ArrayOptions, npz_declaration
from cutlayer.sim.data.datasets import only_declared
from cutlayer.sim.data.image_folder import images_declaration
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.leaf import leaf_declaration
from cutlayer.sim.data.partition import PartitionError
from cutlayer.sim.data.tables import Columns, Format, table_declaration
from cutlayer.sim.data.text_files import (
    fortunes_declaration,
    plain_text_declaration,
    text_folder_declaration,
)
from cutlayer.sim.data.texts import TextOptions
from cutlayer.sim.data.tokenizer import TokenizerOptions
from cutlayer.sim.data.torch_set import torch_declaration
from cutlayer.sim.data.windows import Window, WindowLabel

Targets = Literal["class", "number", "token"]

# The group of a text, by which a partition may divide it.
_GROUPS: Final[dict[type, str]] = {
    Fortunes: "category",
    TextFolder: "folder",
    PlainText: "file",
}


def declared_data(data: Data, targets: Targets = "class") -> str | DatasetInfo:
    """Return the name of the data set, or the declaration of one that has none. Raises DataError.

    Files of the user's are read for it. `targets` are those of the task: classes, numbers, or the next
    tokens of texts.
    """
    form, numbers = data.dataset, targets == "number"
    if isinstance(form, str):
        return form
    if isinstance(form, Declared):
        return only_declared(**form.model_dump(), predicts=targets == "token")
    if isinstance(form, TorchSet):
        return torch_declaration(form.train, form.test, form.value_range, numbers=numbers)
    group = data.partition.column if isinstance(data.partition, ByColumn) else None
    if isinstance(form, Fortunes | TextFolder | PlainText):
        return _declared_texts(form, group, targets)
    train, test = Path(form.train), None if form.test is None else Path(form.test)
    if isinstance(form, Images):
        return images_declaration(train, test, form.input_shape)
    options = form.model_dump(exclude={"train", "test", "tokenizer", "length"})
    if isinstance(form, Leaf):
        return leaf_declaration(train, test, **options)
    if isinstance(form, Npz):
        names = None
        if form.inputs is not None and form.labels is not None:
            names = ArrayNames(form.inputs, form.labels, form.test_inputs, form.test_labels)
        arrays = ArrayOptions(names, form.input_shape, form.value_range, numbers)
        return npz_declaration(train, test, arrays)
    options |= {"group": group, "numbers": numbers, "window": _window(form, numbers=numbers)}
    if form.text is not None:
        if numbers:
            raise DataError("texts need task: classification or language_model, not regression")
        options["texts"] = _text_options(
            form.tokenizer or Words(), form.length, predicts=targets == "token"
        )
    columns = Columns(**options)
    if len(columns.labels) > 1 and not numbers:
        raise DataError("several columns as label need task: regression: a sample has one class")
    return table_declaration(_FORMATS[type(form)], train, test, columns)


def _window(form: Table, *, numbers: bool) -> Window | None:
    section = form.window
    if section is None:
        return None
    label: WindowLabel = section.label or ("last" if numbers else "majority")
    if label == ("majority" if numbers else "mean"):
        what = "numbers" if numbers else "classes"
        rule = f"choose last or {'mean' if numbers else 'majority'}"
        raise DataError(
            f"window.label: {label} is not possible for targets that are {what}: {rule}"
        )
    return Window(section.length, section.step or section.length, section.group, label)


def _declared_texts(
    form: Fortunes | TextFolder | PlainText, group: str | None, targets: Targets
) -> DatasetInfo:
    known = _GROUPS[type(form)]
    if group is not None and group != known:
        raise PartitionError(
            f"by {group}: these texts are divided by {known} only: write {{by: {known}}}"
        )
    if isinstance(form, PlainText):
        if targets != "token":
            raise DataError(
                "plain text has no classes, only next tokens: choose task: language_model"
            )
        options = _text_options(form.tokenizer, form.length, predicts=True, windows=True)
        test = None if form.test is None else Path(form.test)
        return plain_text_declaration(Path(form.train), test, options)
    if targets == "number":
        raise DataError("texts need task: classification or language_model, not regression")
    options = _text_options(form.tokenizer, form.length, predicts=targets == "token")
    if isinstance(form, Fortunes):
        return fortunes_declaration(Path(form.folder), form.categories, options)
    test = None if form.test is None else Path(form.test)
    return text_folder_declaration(Path(form.train), test, options)


def _text_options(
    tokenizer: Bytes | Words | TokenizerFile,
    length: int | None,
    *,
    predicts: bool,
    windows: bool = False,
) -> TextOptions:
    if isinstance(tokenizer, TokenizerFile):
        chosen = TokenizerOptions(Path(tokenizer.file))
    elif isinstance(tokenizer, Words):
        chosen = TokenizerOptions("words", tokenizer.vocabulary)
    else:
        chosen = TokenizerOptions("bytes")
    return TextOptions(chosen, length or DEFAULT_LENGTH, predicts, windows)


_FORMATS: dict[type, Format] = {Csv: "csv", Jsonl: "jsonl", Parquet: "parquet", Arrow: "arrow"}
