"""The tables of a run's result, as rows, as columns, and as data frames of pandas."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cutlayer.errors import UserError
from cutlayer.sim.results.columns import (
    ASYNC_COLUMNS,
    DRAW_TABLES,
    METHOD_COLUMNS,
    METRIC_COLUMNS,
    RESULT_COLUMNS,
    RUN_TABLES,
    Column,
    Row,
    Value,
    by_column,
)
from cutlayer.sim.tasks.metric import ACCURACY
from cutlayer.suggestion import suggestion

if TYPE_CHECKING:
    import pandas as pd

METHODS: Final = "methods"  # the table with a row for each method
TABLES: Final = (METHODS, *RUN_TABLES, *DRAW_TABLES)


class RunTables:
    """The tables of a run: those of its folder, and `methods` with a row for each method."""

    methods: dict[str, Any]
    draws: list[Row]
    factors: list[Row]

    def rows_of(self, table: str) -> list[Row]:
        """Return the rows of a table: of all methods, or of their draws.

        The tables are methods, rounds, accuracy, links, utilisation, devices, updates, decisions,
        classes, clients, confusion, draws and factors. Raises UserError for another name.
        """
        if table not in TABLES:
            raise UserError(f"unknown table {table!r}{suggestion(table, TABLES)}")
        if table in DRAW_TABLES:
            return self.draws if table == "draws" else self.factors
        if table == METHODS:
            return self._figures()
        return [row for method in self.methods.values() for row in method.rows_of(table)]

    def table(self, name: str = "rounds") -> dict[str, list[Value]]:
        """Return a table as columns; `rows_of` has the names of tables."""
        return by_column(self.rows_of(name))

    def frame(self, name: str = "rounds") -> "pd.DataFrame":
        """Return a table as a pandas.DataFrame with the columns of the CSV file of that name.

        `rows_of` has the names of tables. Raises UserError if pandas is not installed: it is an extra,
        `pip install 'cutlayer[pandas]'`.
        """
        columns = {METHODS: _FIGURES, **RUN_TABLES, **DRAW_TABLES}.get(name, ())
        return frame(self.rows_of(name), columns)

    def _figures(self) -> list[Row]:
        """Return the rows of `methods`."""
        methods = list(self.methods.values())
        columns = _FIGURES
        if any(method.update_summary is not None for method in methods):
            columns = (*columns, *ASYNC_COLUMNS)
        if any(method.metric != ACCURACY for method in methods):
            columns = (*columns, *METRIC_COLUMNS)
        return [
            {column.name: column.value(method) for column in columns}
            | {"label": method.label, "method": method.method}
            for method in methods
        ]


_FIGURES: Final[tuple[Column, ...]] = (*METHOD_COLUMNS, *RESULT_COLUMNS)


def frame(rows: Sequence[Mapping[str, Value]], columns: Sequence[Column] = ()) -> "pd.DataFrame":
    """Return rows as a pandas.DataFrame, with these columns even without rows.

    Raises UserError if pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UserError("tables as frames need pandas: pip install 'cutlayer[pandas]'") from None
    return pd.DataFrame(list(rows), columns=None if rows else [column.name for column in columns])
