"""A versioned, named vector of meta-features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any


@dataclass(frozen=True)
class FeatureVector:
    """What one extractor measured.

    Attributes:
        extractor: Name of the extractor, for example ``text-classification`` or ``system``.
        version: Its version; vectors of different major versions are not comparable.
        values: Feature name to value, in the extractor's fixed order. None where it does not apply.
        units: Feature name to unit (``1`` for dimensionless numbers).
        facts: Names that are not numbers but belong to it, such as the GPU's name.
        seconds: What the extraction took.
    """

    extractor: str
    version: str
    values: Mapping[str, float | None]
    units: Mapping[str, str]
    facts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return everything in it as plain JSON values."""
        return {
            "extractor": self.extractor,
            "version": self.version,
            "values": dict(self.values),
            "units": dict(self.units),
            "facts": dict(self.facts),
            "seconds": self.seconds,
        }
