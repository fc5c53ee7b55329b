"""Reads the domain of one hyper-parameter from a space's file."""

from __future__ import annotations

from typing import Any

from xautolm_core.space.configuration import Value
from xautolm_core.space.hyperparameters import HYPERPARAMETERS
from xautolm_core.space.hyperparameters import name_fault
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.yaml_document import Document

Path = tuple[str | int, ...]

_BOOLEAN = "boolean"
_FORMS = "Write a list of values, {low: 1, high: 4}, boolean, or one fixed value"


def read_domain(document: Document, branch: str, method: str, name: str, content: Any) -> Parameter:
    """Return the hyper-parameter of a branch with its domain.

    Raises:
        SpaceError: The method has no such hyper-parameter, or the domain is wrong.
    """
    path: Path = ("branches", branch, "parameters", name)
    problem, hint = name_fault(name, method)
    if problem:
        raise document.error(path, problem, hint)
    handle = f"{branch}.{name}"
    if content == _BOOLEAN:
        _check(document, path, name, True)
        return Boolean(name=name, handle=handle)
    if isinstance(content, dict):
        return _integer(document, path, name, handle, content)
    if isinstance(content, list):
        return _categorical(document, path, name, handle, content)
    _check(document, path, name, content)
    return Categorical(name=name, choices=(content,), handle=handle)


def _integer(
    document: Document, path: Path, name: str, handle: str, content: dict[str, Any]
) -> Integer:
    if set(content) != {"low", "high"}:
        raise document.error(path, "a range has the keys low and high, and no others", _FORMS)
    low, high = content["low"], content["high"]
    for key, bound in content.items():
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise document.error(
                (*path, key),
                f"{bound!r} is no whole number",
                "Give whole numbers, or a list of values",
            )
        _check(document, (*path, key), name, bound)
    if low > high:
        raise document.error(path, f"low ({low}) is above high ({high})", "Swap them")
    return Integer(name=name, low=low, high=high, handle=handle)


def _categorical(
    document: Document, path: Path, name: str, handle: str, content: list[Any]
) -> Categorical:
    if not content:
        raise document.error(path, "the list of values is empty", "Give at least one value")
    seen: list[tuple[bool, Value]] = []
    for index, value in enumerate(content):
        place: Path = (*path, index)
        _check(document, place, name, value)
        # 1 and true are equal in Python, but not here; 1 and 1.0 are.
        mark = (isinstance(value, bool), value)
        if mark in seen:
            raise document.error(place, f"{value!r} stands twice in the list", "Remove one")
        seen.append(mark)
    return Categorical(name=name, choices=tuple(content), handle=handle)


def _check(document: Document, path: Path, name: str, value: Any) -> None:
    fault = HYPERPARAMETERS[name].fault_of(value)
    if fault:
        shown = "null" if value is None else repr(value)
        raise document.error(path, f"{fault}, not {shown}", _FORMS)
