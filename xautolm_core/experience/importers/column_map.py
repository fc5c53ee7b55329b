"""The column map: which column or constant each field of an experience is taken from.

A map is YAML. A field is followed by the name of a column, by ``{constant: ...}``, or by
``{column: ..., ...}`` with options: ``values`` translates texts, ``low``, ``high`` and ``maximize``
describe a score, which is brought to 0..1 if it has a range of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.validation import did_you_mean
from xautolm_core.yaml_document import Document
from xautolm_core.yaml_document import read

REQUIRED = ("task_name", "task_type", "model", "method", "outcome", "ended_at")
OPTIONAL = (
    "search_id",
    "trial_number",
    "branch",
    "revision",
    "task_fingerprint",
    "task_extractor",
    "task_extractor_version",
    "system_extractor",
    "system_extractor_version",
    "failure_kind",
    "failure_message",
    "started_at",
    "latency_ms",
    "data_fraction",
    "peak_gpu_bytes",
    "peak_host_bytes",
    "threads",
    "concurrent_trials",
    "device",
    "sampler",
    "seed",
)
GROUPS = ("parameters", "scores", "seconds", "task_features", "system_features")

_OF_CLASSES = ("scores", "task_features")
_OPTIONS = {"column", "constant", "values", "low", "high", "maximize"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}/[^/\s][^/\n]{0,63}")


class Absent(Enum):
    """What a row does not say, in contrast to None, which is a value of some hyper-parameters."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class ColumnSource:
    """Where a field comes from.

    Attributes:
        column: Name of the column; None for a constant.
        constant: The constant.
        values: Text in the column to value here; texts that are not in it stay as they are.
        low: Least value of a score.
        high: Greatest value of a score.
        maximize: Whether more of a score is better.
    """

    column: str | None = None
    constant: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)
    low: float = 0.0
    high: float = 1.0
    maximize: bool = True

    def take(self, cells: Mapping[str, Any]) -> Any:
        """Return the value for a row; ``ABSENT`` where its cell is empty or not there."""
        if self.column is None:
            return self.constant
        value = cells.get(self.column, ABSENT)
        if value is not ABSENT and str(value) in self.values:
            return self.values[str(value)]
        return ABSENT if _is_empty(value) else value


@dataclass(frozen=True)
class ColumnMap:
    """A map that was checked: field to source, and group to name to source."""

    fields: Mapping[str, ColumnSource]
    groups: Mapping[str, Mapping[str, ColumnSource]]

    @property
    def columns(self) -> frozenset[str]:
        """Columns that are used."""
        sources = [*self.fields.values(), *(s for g in self.groups.values() for s in g.values())]
        return frozenset(s.column for s in sources if s.column is not None)


def _is_empty(value: Any) -> bool:
    """Whether a cell says nothing: it is blank, or not a number."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan")
    return isinstance(value, float) and math.isnan(value)


def read_column_map(path: Path) -> ColumnMap:
    """Return the map of a YAML file. Which fields it lacks is the importer's affair.

    Raises:
        ConfigError: There is none, or it is wrong; the message names line and fix.
    """
    try:
        document = read(path)
    except FileNotFoundError:
        raise ConfigError(f"There is no column map {path}", hint="Check --map") from None
    if not isinstance(document.data, dict):
        raise document.error((), "this is not a column map", f"Begin with '{REQUIRED[0]}:'")
    fields: dict[str, ColumnSource] = {}
    groups: dict[str, dict[str, ColumnSource]] = {name: {} for name in GROUPS}
    for name, content in document.data.items():
        if name in GROUPS:
            groups[name] = _group(document, name, content)
        elif name in (*REQUIRED, *OPTIONAL):
            fields[name] = _source(document, (name,), content)
        else:
            known = (*REQUIRED, *OPTIONAL, *GROUPS)
            hint = did_you_mean(str(name), known) or f"Fields are {', '.join(known)}"
            raise document.error((str(name),), "no field of an experience", hint)
    return ColumnMap(fields, groups)


def missing_fields_error(column_map: ColumnMap, columns: list[str]) -> ConfigError | None:
    """Return an error that lists the fields that a map lacks; None if it lacks none."""
    missing = [name for name in REQUIRED if name not in column_map.fields]
    if not missing:
        return None
    return ConfigError(
        f"No column or constant is given for {', '.join(missing)} "
        f"(columns are: {', '.join(columns[:40]) or 'none'})",
        hint=f"Give a YAML file with --map; required: {', '.join(REQUIRED)}; "
        f"groups: {', '.join(GROUPS)}; optional: {', '.join(OPTIONAL)}",
    )


def _group(document: Document, group: str, content: Any) -> dict[str, ColumnSource]:
    if not isinstance(content, dict):
        raise document.error((group,), "must map names to columns", "Write 'name: column' below it")
    sources: dict[str, ColumnSource] = {}
    for name, source in content.items():
        of_class = group in _OF_CLASSES and isinstance(name, str) and _CLASS_NAME.fullmatch(name)
        if not isinstance(name, str) or not (_NAME.fullmatch(name) or of_class):
            hint = "Use letters, digits and '_'; 'f1/3' is the f1 of class 3"
            raise document.error((group, str(name)), "not a usable name", hint)
        sources[name] = _source(document, (group, name), source)
    return sources


def _source(document: Document, path: tuple[str, ...], content: Any) -> ColumnSource:
    if isinstance(content, str):
        return ColumnSource(column=content)
    form = "Write a column's name, {column: NAME} or {constant: VALUE}"
    if not isinstance(content, dict) or not content.keys() <= _OPTIONS:
        raise document.error(path, "neither a column nor a constant", form)
    if ("column" in content) == ("constant" in content):
        raise document.error(path, "needs either a column or a constant", form)
    column, values = content.get("column"), content.get("values", {})
    if column is not None and not isinstance(column, str):
        raise document.error((*path, "column"), "no name of a column", "Put it into quotes")
    if isinstance(content.get("constant"), (dict, list)):
        raise document.error((*path, "constant"), "no single value", form)
    if not isinstance(values, dict):
        raise document.error((*path, "values"), "must map texts to values", "Write {FAIL: invalid}")
    low, high = content.get("low", 0.0), content.get("high", 1.0)
    for name, bound in (("low", low), ("high", high)):
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise document.error((*path, name), "no number", "Give the score's range")
    if not low < high:
        raise document.error(path, "low is not below high", "Swap them")
    maximize = content.get("maximize", True)
    if not isinstance(maximize, bool):
        raise document.error((*path, "maximize"), "neither true nor false", "Correct it")
    translated = {str(k): v for k, v in values.items()}
    return ColumnSource(
        column, content.get("constant"), translated, float(low), float(high), maximize
    )
