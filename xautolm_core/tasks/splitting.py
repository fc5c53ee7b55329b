"""Cutting the splits that are not given out of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from xautolm_core.errors import DataError
from xautolm_core.tasks.sampling import stratified_partition
from xautolm_core.tasks.spec import SplitFractions
from xautolm_core.tasks.task import SplitName

MIN_ROWS = 10


def cut_splits(
    labels: np.ndarray, missing: Sequence[SplitName], fractions: SplitFractions, seed: int
) -> Mapping[SplitName, np.ndarray]:
    """Divide the training rows into training and the missing splits, stratified by class.

    Args:
        labels: Class index of each training row.
        missing: Which of ``validation`` and ``test`` are to be cut.
        fractions: Their shares of the rows, and their largest size.
        seed: Seed of the split.

    Returns:
        Sorted row indices of ``train`` and of each missing split.

    Raises:
        DataError: If there are too few rows, or nothing would be left to train on.
    """
    rows = len(labels)
    shares = {"validation": fractions.validation, "test": fractions.test}
    wanted = [shares[name] for name in missing]
    if sum(wanted) >= 1:
        raise DataError(
            f"the splits {' and '.join(missing)} would take {sum(wanted):.0%} of the rows",
            hint="Make 'splits: {validation: ..., test: ...}' smaller, together below 1",
        )
    classes = len(np.unique(labels))
    needed = max(MIN_ROWS, (len(missing) + 1) * classes)
    if rows < needed:
        raise DataError(
            f"{rows} rows are too few to cut {' and '.join(missing)} from ({classes} classes)",
            hint=f"Give at least {needed} rows, or give the splits in files of their own",
        )
    sizes = [max(min(round(rows * share), fractions.max_rows), classes) for share in wanted]
    parts = stratified_partition(labels, sizes, seed)
    return {"train": parts[-1], **dict(zip(missing, parts[:-1], strict=True))}
