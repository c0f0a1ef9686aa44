"""Rows of Parquet and Arrow files, a batch at a time; needs pyarrow.

Arrow files are those of the library `datasets` (Hugging Face), in either format of IPC. The names of
classes are taken from the metadata that this library writes.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers.files import errors_of
from cutlayer.sim.data.readers.rows import BLOCK, Block

OF_PARQUET: Final = b"PAR1"
OF_ARROW: Final = b"ARROW1"  # of the format of files; that of streams has none


@dataclass(frozen=True)
class ArrowFile:
    """A `.parquet` or `.arrow` file."""

    path: Path

    def at(self, position: int) -> str:
        """Return the file and the row."""
        return f"{self.path}: row {position}"

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """Open the file; yield its schema and a function of column names that yields batches."""
        try:
            arrow: Any = import_module("pyarrow")
            ipc: Any = import_module("pyarrow.ipc")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise DataError(
                f"{self.path}: needs pyarrow: pip install 'cutlayer[parquet]'"
            ) from None
        try:
            with errors_of(self.path), self.path.open("rb") as file:
                start = file.read(len(OF_ARROW))
                file.seek(0)
                if start.startswith(OF_PARQUET):
                    table = parquet.ParquetFile(file)
                    yield (
                        table.schema_arrow,
                        lambda names: table.iter_batches(BLOCK, columns=list(names)),
                    )
                    return
                in_file = start == OF_ARROW
                reader = ipc.open_file(file) if in_file else ipc.open_stream(file)
                batches = (
                    map(reader.get_batch, range(reader.num_record_batches)) if in_file else reader
                )
                yield reader.schema, lambda _: batches
        except arrow.ArrowException as error:
            first = str(error).partition("\n")[0]
            raise DataError(
                f"{self.path}: is not a sound Parquet or Arrow file ({first[:100]})"
            ) from None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        with self._open() as (schema, _):
            return tuple(schema.names)

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Return the names that the library `datasets` has stored for a column of classes."""
        with self._open() as (schema, _):
            try:
                written = json.loads((schema.metadata or {})[b"huggingface"])
                names = written["info"]["features"][column]["names"]
            except (KeyError, TypeError, ValueError):
                return None
        return tuple(map(str, names)) if isinstance(names, list) and names else None

    def blocks(self, names: Collection[str]) -> Iterator[Block]:
        """Yield the rows: arrays of numbers where all values of a column are numbers."""
        row = 0
        with self._open() as (_, batches):
            for batch in batches(names):
                columns = {name: _values(batch.column(name)) for name in names}
                yield Block(columns, range(row + 1, row + 1 + batch.num_rows))
                row += batch.num_rows


def _values(column: Any) -> NDArray[Any] | list[Any]:
    """Return a column as an array [rows, ...] of numbers if it can be one, else as a list."""
    import pyarrow.types as kinds

    column = getattr(column, "storage", column)  # of an extension type
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not column.null_count:
        if kinds.is_integer(column.type) or kinds.is_floating(column.type):
            numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
            return numbers
        if _is_list(column.type):
            inner, length = _values(column.flatten()), len(column)
            sizes = np.asarray(column.value_lengths().to_numpy(zero_copy_only=False))
            if isinstance(inner, np.ndarray) and length and (sizes == sizes[0]).all():
                return inner.reshape(length, int(sizes[0]), *inner.shape[1:])
    values: list[Any] = column.to_pylist()
    return values


def _is_list(kind: Any) -> bool:
    import pyarrow.types as kinds

    return any(
        test(kind) for test in (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)
    )
