"""Meta-features as matrices: each different vector once, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.experience.coded import Coded
from xautolm_core.search.history.relevance import same_extractor

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureRows:
    """The meta-features of tasks or of machines.

    Attributes:
        codes: Shape (rows,), int32: the vector of each experience.
        extractors: Extractor of each vector.
        versions: Its version.
        names: Names of the features: those that any vector has.
        matrix: Shape (vectors, features), float64; NaN where a vector has no such feature, or no
            finite value of it.
    """

    codes: NDArray[np.int32]
    extractors: tuple[str, ...]
    versions: tuple[str, ...]
    names: tuple[str, ...]
    matrix: NDArray[np.float64]

    @classmethod
    def parse(cls, blobs: Coded) -> FeatureRows:
        """Return the features of a column of their JSON; what is no JSON object has none."""
        vectors = [_object(_parsed(blob)) for blob in blobs.values]
        values = [_object(vector.get("values")) for vector in vectors]
        names, matrix = _matrix(values)
        return cls(
            codes=blobs.codes,
            extractors=tuple(str(v.get("extractor", "")) for v in vectors),
            versions=tuple(str(v.get("version", "")) for v in vectors),
            names=names,
            matrix=matrix,
        )

    def take(self, rows: NDArray[Any]) -> FeatureRows:
        """Return the features of some rows (a mask or indices)."""
        return replace(self, codes=self.codes[rows])

    def comparable(self, wanted: tuple[str, str]) -> NDArray[np.bool_]:
        """Return which rows have features of an extractor, given by name and version."""
        pairs = zip(self.extractors, self.versions, strict=True)
        by_code = [same_extractor(*wanted, name, version) for name, version in pairs]
        # Code -1, no features at all, comes to the last entry.
        return np.asarray([*by_code, False])[self.codes]

    def columns(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return features by name, shape (vectors, names); NaN for a name that no vector has."""
        place = {name: i for i, name in enumerate(self.names)}
        result = np.full((len(self.matrix), len(names)), np.nan)
        for i, name in enumerate(names):
            if name in place:
                result[:, i] = self.matrix[:, place[name]]
        return result


def _matrix(values: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names and the matrix of vectors; those with equal names are read together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, vector in enumerate(values):
        groups.setdefault(tuple(vector), []).append(i)
    names = tuple(dict.fromkeys(name for group in groups for name in group))
    place = {name: i for i, name in enumerate(names)}
    matrix = np.full((len(values), len(names)), np.nan)
    for group, members in groups.items():
        if not group:
            continue
        columns = [place[name] for name in group]
        matrix[np.ix_(members, columns)] = _numbers([list(values[i].values()) for i in members])
    matrix[~np.isfinite(matrix)] = np.nan
    return names, matrix


def _numbers(rows: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
    """Return a matrix of numbers; NaN where something is none."""
    try:
        return np.asarray(rows, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return np.asarray([[_number(value) for value in row] for row in rows], dtype=float)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, (int, float)) else None
    except OverflowError:
        return None


def _parsed(blob: str) -> object:
    from pydantic_core import from_json

    try:
        return from_json(blob)
    except ValueError:
        return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
