"""Rows that cannot be used: refused by their numbers, or left out with a warning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm_core.errors import DataError
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.texts import rows_phrase


def refuse_or_drop(
    table: Table,
    faults: Sequence[tuple[str, np.ndarray]],
    *,
    drop_invalid: bool,
    usable: str,
    options: str,
) -> tuple[np.ndarray, list[str]]:
    """Refuse rows with faults, or leave them out.

    Args:
        table: The split.
        faults: What is wrong, after ``rows with``, and whether it is so with each row (bool).
        drop_invalid: Leave rows with faults out.
        usable: What a usable row has, for the message where there is none.
        options: The options that name other columns, for the hint then.

    Returns:
        The rows that can be used, by index, and warnings.

    Raises:
        DataError: Rows cannot be used and are not to be left out, or none can be used.
    """
    invalid = np.zeros(table.rows, dtype=bool)
    counted: list[str] = []
    for fault, mask in faults:
        invalid |= mask
        if mask.any():
            counted.append(f"{rows_phrase(np.flatnonzero(mask))} with {fault}")
    kept = np.flatnonzero(~invalid)
    if not counted:
        return kept, []
    if not drop_invalid:
        raise DataError(
            f"{table.source}: {', '.join(counted)}",
            hint="Correct these rows, or leave them out with --drop-invalid",
        )
    if not len(kept):
        raise DataError(
            f"{table.source}: no row has {usable} ({', '.join(counted)})",
            hint=f"Name the right columns with {options}",
        )
    return kept, [f"{table.source}: dropped {int(invalid.sum()):,}: {', '.join(counted)}"]
