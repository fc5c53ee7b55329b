"""Hyper-parameters and their domains."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm_core.records.configuration import Value


@dataclass(frozen=True)
class Categorical:
    """One of a list of values; numbers among them keep their order.

    Attributes:
        name: Name of the hyper-parameter.
        choices: The values, without repetition.
        handle: Key of its distribution in a probabilistic model; parameters with equal handles
            share one distribution.
    """

    name: str
    choices: tuple[Value, ...]
    handle: str


@dataclass(frozen=True)
class Integer:
    """A whole number between two bounds, both included."""

    name: str
    low: int
    high: int
    handle: str


@dataclass(frozen=True)
class Boolean:
    """True or false."""

    name: str
    handle: str


Parameter = Categorical | Integer | Boolean
ValueKey = tuple[bool, Value]


def value_key(value: Value) -> ValueKey:
    """Return a key that differs for ``True`` and 1, but not for 0 and 0.0."""
    return (isinstance(value, bool), value)
