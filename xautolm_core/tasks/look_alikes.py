"""Class names that look the same, and the characters in which they differ."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from collections.abc import Sequence

_HINTS = 3
_WINDOW = 60
# Characters that show nothing though Unicode counts them as letters, marks or symbols: fillers,
# the joiner of graphemes, the empty Braille cell, and (the ranges) variation selectors.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SELECTORS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
# Small letters of other alphabets that have the shape of a Latin one, as their capitals have:
# Cyrillic, then Greek and Armenian. Others (a Greek nu) look alike in one case only.
_LATIN_SHAPES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u0501\u051b\u051d\u03bf\u0585",
    "aeopcyxsijdqwoo",
)


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group the names that a reader cannot tell apart, or only by upper and lower case.

    They differ in Unicode form, case, white space, invisible characters, or letters of another
    alphabet that have the shape of Latin ones.

    Returns:
        Each group of two names or more, in the order of the names.
    """
    by_look: dict[str, dict[str, None]] = {}
    for name in names:
        by_look.setdefault(_look(name), {})[name] = None
    return [tuple(group) for group in by_look.values() if len(group) > 1]


def _look(name: str) -> str:
    """Return what a reader sees of a name, in one form for all names that look the same."""
    return _in_latin_shapes(_composed(name).casefold())


def _composed(name: str) -> str:
    """Return a name in one Unicode form, without invisible characters."""
    # Twice: what is invisible keeps marks apart that belong together, and forms add white space.
    return _visible(unicodedata.normalize("NFKC", _visible(name)))


def _in_latin_shapes(name: str) -> str:
    """Return a name with Latin letters for small ones that look like them, marks or not."""
    bare = unicodedata.normalize("NFKD", name).translate(_LATIN_SHAPES)
    return unicodedata.normalize("NFKC", bare)


def _visible(name: str) -> str:
    """Return a name without invisible characters, its white space one space each."""
    return " ".join("".join(c for c in name if not _is_invisible(c)).split())


def _is_invisible(character: str) -> bool:
    """Whether a character shows nothing (white space is seen)."""
    if character.isspace():
        return False
    return (
        unicodedata.category(character) in ("Cc", "Cf")
        or character in _FILLERS
        or any(first <= character <= last for first, last in _SELECTORS)
    )


def difference(group: Sequence[str]) -> str:
    """Return in what the names of a group differ."""
    if _differ_in_case(group):
        return "upper and lower case"
    if len({_visible(name) for name in group}) == 1:
        return "invisible characters or white space"
    if len({unicodedata.normalize("NFKC", name) for name in group}) == 1:
        return "Unicode form"
    if len({_in_latin_shapes(name) for name in group}) == 1:
        return "letters of another alphabet"
    if len({unicodedata.normalize("NFKC", _composed(name).casefold()) for name in group}) > 1:
        return "letters of another alphabet, case, Unicode form or invisible characters"
    return "case, Unicode form or invisible characters"


def _differ_in_case(group: Sequence[str]) -> bool:
    """Whether names differ in upper and lower case and in nothing else."""
    return len({name.casefold() for name in group}) == 1


def told_apart(group: Sequence[str]) -> list[str]:
    """Quote names that look the same so that they can be told apart; of long ones that part."""
    longest, shortest = max(map(len, group)), min(map(len, group))
    begin, end = 0, longest
    if longest > _WINDOW:
        different = (i for i in range(shortest) if len({name[i] for name in group}) > 1)
        begin = max(next(different, shortest) - _WINDOW // 2, 0)
        end = begin + _WINDOW
    quote = repr if _differ_in_case(group) else ascii
    return [
        f"{'...' if begin else ''}{quote(name[begin:end])}{'...' if end < len(name) else ''}"
        for name in group
    ]


def look_alike_hint(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Say which unknown class names look like a known one; nothing if none does."""
    of_look = {_look(name): name for name in known}
    pairs = [(name, of_look[_look(name)]) for name in unknown if _look(name) in of_look]
    if not pairs:
        return ""
    told = [" and ".join(told_apart(pair)) for pair in pairs[:_HINTS]]
    return f"{', '.join(told)} differ in {difference(pairs[0])} alone: write them in one way"
