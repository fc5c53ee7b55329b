"""Rows that spoil scores because of rows elsewhere: leaks between splits, answers that differ."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Finding
from xautolm_core.tasks.task import FindingKind
from xautolm_core.tasks.task import SplitName


class NumberedRows(Protocol):
    """Rows that know where they stand.

    Attributes:
        source: File or data set, for messages.
        numbers: Number of each row in its source, from 1.
    """

    @property
    def source(self) -> str: ...  # noqa: D102 - see the attributes

    @property
    def numbers(self) -> np.ndarray: ...  # noqa: D102


def rows_in_two_splits(
    splits: Mapping[SplitName, NumberedRows],
    texts: Mapping[SplitName, np.ndarray],
    kind: FindingKind,
    words: str,
) -> Iterator[Finding]:
    """Count the rows of a split of which something stands in an earlier one as well.

    Args:
        splits: All three splits.
        texts: A number for that of each row, the same for equal ones.
        kind: What is found.
        words: What stands there, such as ``questions stand``.
    """
    for place, name in enumerate(SPLIT_NAMES):
        for earlier in SPLIT_NAMES[:place]:
            known = np.isin(texts[name], texts[earlier])
            count = int(known.sum())
            if count:
                both = [
                    (splits[earlier], np.isin(texts[earlier], texts[name])),
                    (splits[name], known),
                ]
                yield Finding(
                    kind,
                    count,
                    rows_by_source(both),
                    f"{count:,} of {len(known):,} {name} {words} in {earlier}, too:"
                    f" scores on {name} will be too high",
                )


def rows_with_two_answers(
    splits: Mapping[SplitName, NumberedRows],
    texts: Mapping[SplitName, np.ndarray],
    answers: Mapping[SplitName, Sequence[Hashable]],
    kind: FindingKind,
    *,
    one: str,
    where: str = "",
) -> Iterator[Finding]:
    """Count the rows that ask what other rows ask, but have another answer.

    Args:
        splits: All three splits.
        texts: A number for what each row asks, the same for equal ones.
        answers: The answer of each row.
        kind: What is found.
        one: What is asked: ``question`` or ``prompt``.
        where: What else is the same, with a blank before it.
    """
    found: dict[int, set[Hashable]] = {}
    for name in splits:
        for number, answer in zip(texts[name].tolist(), answers[name], strict=True):
            found.setdefault(number, set()).add(answer)
    torn = np.array([number for number, given in found.items() if len(given) > 1], dtype="<u8")
    masks = [(part, np.isin(texts[name], torn)) for name, part in splits.items()]
    rows = sum(int(mask.sum()) for _, mask in masks)
    if rows:
        asked = f"{len(torn):,} {one}{'s' if len(torn) > 1 else ''}"
        yield Finding(
            kind,
            rows,
            rows_by_source(masks),
            f"{rows:,} rows have another answer than others to the same {one}{where} ({asked}):"
            f" give all accepted answers of a {one} in one row",
        )


def rows_by_source(parts: Iterable[tuple[NumberedRows, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the numbers of the rows that masks select, by source."""
    found: dict[str, list[np.ndarray]] = {}
    for part, mask in parts:
        if mask.any():
            found.setdefault(part.source, []).append(part.numbers[mask])
    return {source: np.sort(np.concatenate(numbers)) for source, numbers in found.items()}
