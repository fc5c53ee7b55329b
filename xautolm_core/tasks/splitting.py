"""Cutting the splits that are not given out of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from xautolm_core.errors import DataError
from xautolm_core.tasks.sampling import grouped_partition
from xautolm_core.tasks.spec import SplitFractions
from xautolm_core.tasks.task import SplitName

MIN_ROWS = 10


def cut_splits(
    labels: np.ndarray,
    texts: np.ndarray,
    missing: Sequence[SplitName],
    fractions: SplitFractions,
    seed: int,
) -> Mapping[SplitName, np.ndarray]:
    """Divide the training rows into training and the missing splits, stratified by class.

    Rows with equal texts stay on one side: a model that has learnt a text by heart would answer it
    right in a test, too.

    Args:
        labels: Class index of each training row.
        texts: A number for the text of each row, the same for equal texts.
        missing: Which of ``validation`` and ``test`` are to be cut.
        fractions: Their shares of the rows, and their largest size.
        seed: Seed of the split.

    Returns:
        Sorted row indices of ``train`` and of each missing split.

    Raises:
        DataError: If there are too few rows or different texts, or nothing would be left to train
            on.
    """
    rows = len(labels)
    shares = {"validation": fractions.validation, "test": fractions.test}
    wanted = [shares[name] for name in missing]
    if sum(wanted) >= 1:
        raise DataError(
            f"the splits {' and '.join(missing)} would take {sum(wanted):.0%} of the rows",
            hint="Make 'splits: {validation: ..., test: ...}' smaller, together below 1",
        )
    classes, different = len(np.unique(labels)), len(np.unique(texts))
    needed = max(MIN_ROWS, (len(missing) + 1) * classes)
    if different < needed:
        what = f"{rows} rows"
        if different < rows:
            what = f"{different} different texts (in {rows:,} rows)"
        raise DataError(
            f"{what} are too few to cut {' and '.join(missing)} from ({classes} classes)",
            hint=f"Give at least {needed} different texts, or give the splits in files of their"
            " own",
        )
    sizes = [max(min(round(rows * share), fractions.max_rows), classes) for share in wanted]
    parts = grouped_partition(labels, texts, sizes, seed)
    empty = [name for name, part in zip(missing, parts, strict=False) if not len(part)]
    if empty:
        raise DataError(
            f"nothing is left for {' and '.join(empty)}, as equal texts stay on one side of the cut"
            f" ({different} different texts in {rows:,} rows)",
            hint="Give more different texts, or give the splits in files of their own",
        )
    return {"train": parts[-1], **dict(zip(missing, parts[:-1], strict=True))}
