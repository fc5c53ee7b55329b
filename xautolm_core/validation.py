"""What is wrong with an input, in words: pydantic's first problem, and the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_PREFIX = "Value error, "


@dataclass(frozen=True)
class Problem:
    """One problem of a document.

    Attributes:
        place: Keys and indices that lead to it; empty for the document as a whole.
        message: The problem; never the value itself, unless a validator of ours names it.
        kind: pydantic's name for it, such as ``extra_forbidden``.
    """

    place: tuple[str | int, ...]
    message: str
    kind: str

    @property
    def dotted(self) -> str:
        """The place as one word: ``rows.3.label``; empty for the document as a whole."""
        return ".".join(map(str, self.place))

    @property
    def field(self) -> str:
        """The name of the outermost field; empty for the document as a whole."""
        return str(self.place[0]) if self.place else ""

    def __str__(self) -> str:
        """Return place and message on one line."""
        return f"{self.dotted}: {self.message}" if self.place else self.message


def first_problem(error: ValidationError) -> Problem:
    """Return the first problem that pydantic found."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return Problem(first["loc"], first["msg"].removeprefix(_PREFIX), first["type"])


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ``Did you mean '...'?`` for the known name nearest to a wrong one, or nothing.

    A name is not suggested for itself: then something else is wrong with it.
    """
    by_lower_case = {name.lower(): name for name in known if name != wrong}
    near = difflib.get_close_matches(wrong.lower(), by_lower_case, n=1, cutoff=0.6)
    return f"Did you mean '{by_lower_case[near[0]]}'?" if near else ""
