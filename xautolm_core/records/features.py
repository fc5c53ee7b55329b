"""A versioned, named vector of meta-features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from xautolm_core.records.base import Record


class FeatureVector(Record):
    """The features that one extractor measured.

    Attributes:
        extractor: Name of the extractor, for example ``text-classification`` or ``system``.
        version: Its version; vectors of different major versions are not comparable.
        values: Feature name to value, in the extractor's fixed order. None where it does not apply.
        units: Feature name to unit (``1`` for dimensionless numbers).
        facts: Values that are not numbers, such as the GPU's name.
        seconds: Duration of the extraction. Not kept in experiences, where equal vectors are equal.
    """

    extractor: str
    version: str
    values: Mapping[str, float | None]
    units: Mapping[str, str] = Field(default_factory=dict)
    facts: Mapping[str, str] = Field(default_factory=dict)
    seconds: float = Field(default=0.0, exclude=True)

    def document(self) -> dict[str, Any]:
        """Return all fields as plain JSON values, ``seconds`` included."""
        return {**self.model_dump(mode="json"), "seconds": self.seconds}
