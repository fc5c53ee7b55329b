"""What a cell of answers says, in whichever of its usual forms."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """The accepted answers of one row.

    Attributes:
        texts: Each once, without white space around it; none if the passage does not answer.
        starts: Where each begins in the passage, as the data say; None where they do not.
        was_given: Whether there was an answer, or an empty list of them; not with an empty cell.
    """

    texts: tuple[str, ...]
    starts: tuple[int | None, ...]
    was_given: bool = True


_NOTHING = Accepted((), (), was_given=False)


def read_accepted(value: Any, starts: Any = None, *, untyped: bool = False) -> Accepted | None:
    """Return what a cell of answers says.

    Args:
        value: A string, a list of strings, ``{"text": [...], "answer_start": [...]}`` as in the
            hub's squad, a list of ``{"text": ..., "answer_start": ...}`` as in SQuAD's own files,
            or nothing.
        starts: What a column of starts beside it says: a number or a list of them.
        untyped: Whether the format knows strings alone; lists are then written as JSON.

    Returns:
        The answers; None if something in it is no string.
    """
    if untyped and isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return _NOTHING
    pairs = _pairs(value, _as_list(starts))
    if pairs is None:
        return None
    found: dict[str, int | None] = {}
    for text, start in pairs:
        if not isinstance(text, str):
            return None
        bare = text.strip()
        if bare and bare not in found:
            before = len(text) - len(text.lstrip())
            found[bare] = None if start is None else start + before
    return Accepted(tuple(found), tuple(found.values()))


def _pairs(value: Any, starts: Sequence[Any]) -> list[tuple[Any, int | None]] | None:
    """Return texts with their starts; None for what is no form of answers."""
    if isinstance(value, dict) and "text" in value:
        return _beside(_as_list(value["text"]), _as_list(value.get("answer_start")) or starts)
    if isinstance(value, str):
        return _beside([value], starts)
    if not isinstance(value, list):
        return None
    if not any(isinstance(one, dict) for one in value):
        return _beside(value, starts)
    parts = [_pairs(one, ()) if isinstance(one, dict) else None for one in value]
    return [pair for part in parts for pair in part or [(None, None)]]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _beside(texts: Sequence[Any], starts: Sequence[Any]) -> list[tuple[Any, int | None]]:
    """Pair texts with starts, where there are as many."""
    numbers = [_number(start) for start in starts]
    if len(numbers) != len(texts):
        numbers = [None] * len(texts)
    return list(zip(texts, numbers, strict=True))


def _number(value: Any) -> int | None:
    """Return a start as a number, also one that CSV holds; None for what is none."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value and value >= 0 else None  # noqa: PLR0124
