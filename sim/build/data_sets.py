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
    TorchSet,
)
from cutlayer.scenarios.partition import ByColumn
from cutlayer.sim.data.arrays import ArrayNames, ArrayOptions, npz_declaration
from cutlayer.sim.data.datasets import only_declared
from cutlayer.sim.data.image_folder import images_declaration
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.data.leaf import leaf_declaration
from cutlayer.sim.data.tables import Columns, Format, table_declaration
from cutlayer.sim.data.torch_set import torch_declaration


def declared_data(data: Data) -> str | DatasetInfo:
    """Return the name of the data set, or the declaration of one that has none. Raises DataError.

    Files of the user's are read for it.
    """
    form = data.dataset
    if isinstance(form, str):
        return form
    if isinstance(form, Declared):
        return only_declared(**form.model_dump())
    if isinstance(form, TorchSet):
        return torch_declaration(form.train, form.test, form.value_range)
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
        return npz_declaration(train, test, ArrayOptions(names, form.input_shape, form.value_range))
    group = data.partition.column if isinstance(data.partition, ByColumn) else None
    return table_declaration(_FORMATS[type(form)], train, test, Columns(**options, group=group))


_FORMATS: dict[type, Format] = {Csv: "csv", Jsonl: "jsonl", Parquet: "parquet", Arrow: "arrow"}
