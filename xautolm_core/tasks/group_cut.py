"""Cutting splits from the training rows so that rows that belong together stay together."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from xautolm_core.errors import DataError
from xautolm_core.tasks.sampling import grouped_partition
from xautolm_core.tasks.spec import SplitFractions
from xautolm_core.tasks.task import SplitName


def cut_by_group(
    classes: np.ndarray,
    groups: np.ndarray,
    missing: Sequence[SplitName],
    fractions: SplitFractions,
    seed: int,
    *,
    group: str,
    reason: str,
) -> Mapping[SplitName, np.ndarray]:
    """Divide the training rows into training and the missing splits, whole groups each.

    Args:
        classes: Whose shares are kept: an index for each row.
        groups: A number for each row, the same for rows that stay on one side.
        missing: Which of ``validation`` and ``test`` are to be cut.
        fractions: Their shares of the rows, and their largest size.
        seed: Seed of the split.
        group: What the rows of a group share, such as ``passage``, for messages.
        reason: Why they stay together, for messages.

    Returns:
        Sorted row indices of ``train`` and of each missing split.

    Raises:
        DataError: There are too few groups, or the shares leave nothing to train on.
    """
    rows = len(groups)
    shares = {"validation": fractions.validation, "test": fractions.test}
    wanted = [shares[name] for name in missing]
    what = " and ".join(missing)
    if sum(wanted) >= 1:
        raise DataError(
            f"the splits {what} would take {sum(wanted):.0%} of the rows",
            hint="Make 'splits: {validation: ..., test: ...}' smaller, together below 1",
        )
    different = len(np.unique(groups))
    needed = len(missing) + 1
    if different < needed:
        raise DataError(
            f"{different} different {group}s are too few to cut {what} from (in {rows:,} rows):"
            f" {reason}",
            hint=f"Give at least {needed} {group}s, or give the splits in files of their own",
        )
    sizes = [max(min(round(rows * share), fractions.max_rows), 1) for share in wanted]
    parts = grouped_partition(classes, groups, sizes, seed)
    empty = [name for name, part in zip(missing, parts, strict=False) if not len(part)]
    if empty:
        raise DataError(
            f"nothing is left for {' and '.join(empty)}, as {reason} of the cut ({different}"
            f" different {group}s in {rows:,} rows)",
            hint=f"Give more {group}s, or give the splits in files of their own",
        )
    return {"train": parts[-1], **dict(zip(missing, parts[:-1], strict=True))}
