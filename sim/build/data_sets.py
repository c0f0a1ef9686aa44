"""The declaration of a scenario's data set, from its form in the `data` section."""

from pathlib import Path

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
from cutlayer.scenarios.partition import ByColumn
from cutlayer.sim.data.arrays import ArrayNames, ArrayOptions, npz_declaration
from cutlayer.sim.data.datasets import only_declared
from cutlayer.sim.data.image_folder import images_declaration
from cutlayer.sim.data.info import DataError, DatasetInfo
from cutlayer.sim.data.leaf import leaf_declaration
from cutlayer.sim.data.tables import Columns, Format, table_declaration
from cutlayer.sim.data.torch_set import torch_declaration
from cutlayer.sim.data.windows import Window, WindowLabel


def declared_data(data: Data, *, numbers: bool = False) -> str | DatasetInfo:
    """Return the name of the data set, or the declaration of one that has none. Raises DataError.

    Files of the user's are read for it; with `numbers`, their labels are numbers, not classes.
    """
    form = data.dataset
    if isinstance(form, str):
        return form
    if isinstance(form, Declared):
        return only_declared(**form.model_dump())
    if isinstance(form, TorchSet):
        return torch_declaration(form.train, form.test, form.value_range, numbers=numbers)
    train, test = Path(form.train), None if form.test is None else Path(form.test)
    if isinstance(form, Images):
        return images_declaration(train, test, form.input_shape)
    options = form.model_dump(exclude={"train", "test"})
    if isinstance(form, Leaf):
        return leaf_declaration(train, test, **options)
    if isinstance(form, Npz):
        names = None
        if form.inputs is not None and form.labels is not None:
            names = ArrayNames(form.inputs, form.labels, form.test_inputs, form.test_labels)
        arrays = ArrayOptions(names, form.input_shape, form.value_range, numbers)
        return npz_declaration(train, test, arrays)
    group = data.partition.column if isinstance(data.partition, ByColumn) else None
    options |= {"group": group, "numbers": numbers, "window": _window(form, numbers=numbers)}
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


_FORMATS: dict[type, Format] = {Csv: "csv", Jsonl: "jsonl", Parquet: "parquet", Arrow: "arrow"}
