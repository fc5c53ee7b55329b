"""JSON texts of data files: no name may stand twice in an object, or a value would be lost."""

from __future__ import annotations

import json
from typing import Any


class RepeatedNameError(ValueError):
    """An object has two values of one name."""


def parse_json(text: str) -> Any:
    """Return what a JSON text holds.

    Args:
        text: The whole text; white space around it does not count.

    Raises:
        RepeatedNameError: One of its objects has a name twice.
        ValueError: It is not valid JSON.
    """
    return _DECODER.decode(text.strip())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the values of an object by name."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RepeatedNameError(f"an object has the name {repeated!r} twice")
    return values


# One for all texts: to make one costs more than to read a short line.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
