"""Refuses to write what the schema does not know.

Reading is lenient, because a newer writer may know more; writing is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.experience import ExperiencePrediction
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Failure
from xautolm_core.records.scores import Score
from xautolm_core.validation import first_problem

_PARTS: Mapping[str, type[BaseModel]] = {
    "task_features": FeatureVector,
    "system_features": FeatureVector,
    "configuration": Configuration,
    "failure": Failure,
    "plan": ExperiencePlan,
    "predicted": ExperiencePrediction,
}
_PARTS_IN: Mapping[str, type[BaseModel]] = {"scores": Score, "energy": EnergyReading}


def plain_content(experience: Experience) -> dict[str, Any]:
    """Return an experience as plain data, made sure to hold what the schema knows and nothing else.

    An experience that was built around validation (``model_construct``, ``model_copy``, a subclass)
    is refused if it carries more than the schema, or something else in its place.

    Raises:
        StoreError: It does.
    """
    _require(experience, Experience, "the experience")
    for name, kind in _PARTS.items():
        part = getattr(experience, name)
        if part is not None:
            _require(part, kind, name)
    for name, kind in _PARTS_IN.items():
        parts = getattr(experience, name)
        entries = parts.values() if isinstance(parts, Mapping) else parts
        if not isinstance(entries, Sequence) and not isinstance(parts, Mapping):
            raise StoreError(f"Experience not written: {name} is {type(parts).__name__}")
        for part in entries:
            _require(part, kind, name)
    return experience.model_dump(mode="python", warnings=False)


def checked_experience(content: Mapping[str, Any]) -> Experience:
    """Return the experience of plain data, with every value of its right type.

    Raises:
        StoreError: One is not; the message does not repeat it.
    """
    try:
        # Strict: bytes, for one, would otherwise pass every rule for strings and then become one.
        return Experience.model_validate(content, strict=True)
    except ValidationError as error:
        found = first_problem(error)
    # Outside the handler, so that the values are in no chained exception.
    raise StoreError(f"Experience not written: {found.field}: {found.message}")


def _require(value: object, kind: type[BaseModel], place: str) -> None:
    if type(value) is not kind:
        raise StoreError(
            f"Experience not written: {place} is no {kind.__name__}",
            hint="Build it by the classes of the schema",
        )
    missing = kind.model_fields.keys() - vars(value).keys()
    unknown = vars(value).keys() - kind.model_fields.keys()
    if missing or unknown:
        what = f"lacks {sorted(missing)[0]}" if missing else f"has {len(unknown)} unknown fields"
        raise StoreError(
            f"Experience not written: {place} {what}", hint="Build it by the classes of the schema"
        )
