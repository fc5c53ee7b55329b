"""What a cell of answers says, in whichever of its usual forms."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xautolm_core.tasks.drop_scores import SPAN_SEPARATOR


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


_LARGEST_START = 2**53
_NOTHING = Accepted((), (), was_given=False)


def read_accepted(value: Any, starts: Any = None, *, untyped: bool = False) -> Accepted | None:
    """Return what a cell of answers says.

    Args:
        value: A string, a list of strings, ``{"text": [...], "answer_start": [...]}`` as in the
            hub's squad, a list of ``{"text": ..., "answer_start": ...}`` as in SQuAD's own files,
            ``{"spans": [...]}`` as in the hub's drop, whose spans are parts of one answer, or
            nothing.
        starts: What a column of starts beside it says: a number or a list of them.
        untyped: Whether the format knows strings alone; lists are then written as JSON. What reads
            as JSON but holds no answers, such as ``[5]``, is an answer itself.

    Returns:
        The answers; None if something in it is no string.
    """
    if untyped and isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        with contextlib.suppress(ValueError):
            parsed = json.loads(value)
            value = parsed if _holds_answers(parsed) else value
    if isinstance(value, dict) and "spans" in value:
        value = _one_answer(_as_list(value["spans"]))
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


def _holds_answers(parsed: Any) -> bool:
    """Whether what a cell of CSV holds as JSON is a form of answers."""
    if isinstance(parsed, dict):
        return "text" in parsed or "spans" in parsed
    return isinstance(parsed, list) and all(isinstance(one, str | dict) for one in parsed)


def _one_answer(spans: list[Any]) -> str | list[Any]:
    """Return the answer whose parts some spans are; what is none as it is."""
    are_parts = bool(spans) and all(isinstance(span, str) for span in spans)
    return SPAN_SEPARATOR.join(spans) if are_parts else spans


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
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A number with hundreds of digits is no place, and no float.
    is_place = 0 <= value <= _LARGEST_START and math.isfinite(value)
    return int(value) if is_place else None
