"""The values of a column as Python has them, nested ones as well."""

from __future__ import annotations

from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.tables import Table


def cell_values(table: Table, column: str | None, what: str, option: str) -> list[Any]:
    """Return the values of a column as Python has them; Nones if there is no such column.

    Args:
        table: The columns.
        column: Name of the column, if any.
        what: What it should hold, for the message.
        option: The option that names another column, for the hint.

    Raises:
        DataError: The column holds what is not read, such as dates.
    """
    if column is None or column not in table.columns:
        return [None] * table.rows
    if column in table.nested:
        return list(table.nested[column].to_pylist())
    values = table.columns[column]
    if not isinstance(values, list):
        return list(values.to_pylist())
    if len(values) < table.rows:
        raise DataError(
            f"{table.source}: column '{column}' holds {table.others.get(column, 'other values')},"
            f" not {what}",
            hint=f"Name the column of the {what} with {option} COL",
        )
    return values
