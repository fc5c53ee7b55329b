"""Takes out of an experience what must never be kept: texts, paths, hosts, credentials.

Every string is named here with the rule that it has to pass (see ``rules``); a field without a rule
is not written at all. Reading is lenient, because a newer writer may know more; writing is not:
what the schema does not know is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import is_identity
from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.messages import MAX_MESSAGE_CHARACTERS
from xautolm_core.experience.messages import scrub_message
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.rules import Rules
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.experience import ExperiencePrediction
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Failure
from xautolm_core.records.scores import Score
from xautolm_core.validation import first_problem

__all__ = ["MAX_MESSAGE_CHARACTERS", "STRICTEST", "scrub_experience", "scrub_message"]

STRICTEST = TenantPolicy()

Cleaner = Callable[[Rules, Any], Any]


def scrub_experience(
    experience: Experience,
    policy: TenantPolicy = STRICTEST,
    surroundings: Surroundings | None = None,
) -> Experience:
    """Return the experience as it may be written. Scrubbing it again changes nothing.

    Strings that are not what their field is for are replaced (see ``rules``), failure messages are
    scrubbed (see ``scrub_message``), entries of mappings with an invalid key are left out.
    Numbers that are not finite are left out (JSON has none, and a reading that is missing is null,
    never 0). Times are in UTC; one without a zone is taken as UTC.

    Args:
        experience: As it came.
        policy: What its tenant allows.
        surroundings: Strings that must not occur, in any form; this process's own if None.
            Whoever scrubs many at a time takes them once.

    Raises:
        StoreError: It has fields that are not in the schema, a value of a wrong type, or an id or a
            tenant's name that is none: these cannot be replaced.
    """
    content = _plain_content(experience)
    around = surroundings or Surroundings.of_this_process()
    rules = Rules(around, policy.allow_class_names)
    clean = {name: _FIELDS[name](rules, value) for name, value in content.items()}
    return _checked_experience(clean)


def _identity(_: Rules, value: Any) -> str:
    if isinstance(value, str) and is_identity(value):
        return value
    raise StoreError(
        "Experience not written: its id is none",
        hint="Make it with experience_id(search_id, trial_number, attempt)",
    )


def _tenant(rules: Rules, value: Any) -> str:
    # It decides where the experience is kept and who finds it: it cannot become something else.
    if isinstance(value, str) and rules.is_tenant(value):
        return value
    raise StoreError(
        "Experience not written: its tenant is not a usable name, or looks like a credential",
        hint="Use up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit",
    )


def _same(_: Rules, value: Any) -> Any:
    return value


def _finite_or_none(_: Rules, value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite_or_zero(_: Rules, value: Any) -> Any:
    return 0.0 if isinstance(value, float) and not math.isfinite(value) else value


def _string(rule: Callable[[Rules, str], str]) -> Cleaner:
    """Return the cleaner of a string field; anything else is left to validation."""

    def clean(rules: Rules, value: Any) -> Any:
        # A member of an enumeration is a string of its own kind.
        return rule(rules, str(value)) if isinstance(value, str) else value

    return clean


def _mapping(of_value: Cleaner) -> Cleaner:
    """Return the cleaner of a mapping; entries without a name, or that are None, are left out."""

    def clean(rules: Rules, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        found = {_key(rules, k): of_value(rules, v) for k, v in value.items()}
        return {k: v for k, v in found.items() if k is not None and v is not None}

    return clean


def _key(rules: Rules, key: Any) -> str | None:
    return rules.key(str(key)) if isinstance(key, str) else None


def _message(rules: Rules, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return scrub_message(value, surroundings=rules.surroundings)


def _failure(rules: Rules, value: Any) -> Any:
    fields = {"kind": _WORD, "message": _message, "traceback_hash": _FINGERPRINT}
    return None if value is None else {k: fields[k](rules, v) for k, v in value.items()}


def _predicted(rules: Rules, value: Any) -> Any:
    return None if value is None else {k: _finite_or_none(rules, v) for k, v in value.items()}


def _facts(rules: Rules, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    found = {_key(rules, k): (k, v) for k, v in value.items()}
    return {
        key: rules.fact(key, str(v)) if isinstance(v, str) else v
        for key, (_, v) in found.items()
        if key is not None
    }


def _feature_values(rules: Rules, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    # Here None says that there is no reading, and stays.
    found = {_key(rules, k): _finite_or_none(rules, v) for k, v in value.items()}
    return {k: v for k, v in found.items() if k is not None}


def _features(rules: Rules, value: Any) -> Any:
    return {name: _FEATURE_FIELDS[name](rules, part) for name, part in value.items()}


def _parameter(rules: Rules, value: Any) -> Any:
    return rules.parameter(str(value)) if isinstance(value, str) else value


def _parameters(rules: Rules, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    # None is a value like others here; what is not finite is none at all.
    found = {_key(rules, k): _parameter(rules, v) for k, v in value.items()}
    return {k: v for k, v in found.items() if k is not None and _is_finite(v)}


def _configuration(rules: Rules, value: Any) -> Any:
    return {name: _CONFIGURATION_FIELDS[name](rules, part) for name, part in value.items()}


def _descriptor_value(rules: Rules, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_WORD(rules, part) for part in value)
    return _WORD(rules, _finite_or_none(rules, value))


def _descriptor(rules: Rules, value: Any) -> Any:
    kept = _mapping(_descriptor_value)(rules, value)
    base = value.get("base") if isinstance(value, Mapping) else None
    return {**kept, "base": rules.model(base)} if base and isinstance(base, str) else kept


def _scores(rules: Rules, value: Any) -> Any:
    found = {_key(rules, name): score for name, score in value.items()}
    return {
        name: score
        for name, score in found.items()
        if name is not None and all(map(_is_finite, score.values()))
    }


def _plan(rules: Rules, value: Any) -> Any:
    return None if value is None else {n: _finite_or_none(rules, v) for n, v in value.items()}


def _energy(rules: Rules, value: Any) -> Any:
    return tuple(
        {**part, **{name: clean(rules, part[name]) for name, clean in _READING_FIELDS.items()}}
        for part in value
        if _is_finite(part["joules"])
    )


def _nothing(_: Rules, value: Any) -> None:
    return None


def _words(rules: Rules, value: Any) -> Any:
    return tuple(_WORD(rules, word) for word in value) if isinstance(value, tuple) else value


def _time(_: Rules, value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


_WORD = _string(Rules.word)
_IDENTIFIER = _string(Rules.identifier)
_NAME = _string(Rules.name)
_VERSION = _string(Rules.version)
_FINGERPRINT = _string(Rules.fingerprint)

_FEATURE_FIELDS: Mapping[str, Cleaner] = {
    "extractor": _WORD,
    "version": _VERSION,
    "values": _feature_values,
    "units": _mapping(_string(Rules.unit)),
    "facts": _facts,
}
_READING_FIELDS: Mapping[str, Cleaner] = {
    "source": _WORD,
    "seconds": _finite_or_none,
    "idle_joules": _finite_or_none,
    # The UUID of a GPU says which machine it was.
    "device": _nothing,
    "flags": _words,
}
_CONFIGURATION_FIELDS: Mapping[str, Cleaner] = {
    "branch": _IDENTIFIER,
    "model": _string(Rules.model),
    "revision": _string(Rules.revision),
    "method": _IDENTIFIER,
    "parameters": _parameters,
}
_FIELDS: Mapping[str, Cleaner] = {
    "id": _identity,
    "tenant": _tenant,
    "origin": _WORD,
    "search_id": _NAME,
    "task_name": _NAME,
    "task_fingerprint": _FINGERPRINT,
    "task_type": _WORD,
    "task_features": _features,
    "system_features": _features,
    "configuration": _configuration,
    "model_descriptor": _descriptor,
    "plan": _plan,
    "scores": _scores,
    "seconds": _mapping(_finite_or_none),
    "latency_ms": _finite_or_none,
    "reused_seconds": _finite_or_zero,
    "reused_joules": _finite_or_none,
    "cumulative_seconds": _finite_or_none,
    "cumulative_joules": _finite_or_none,
    "energy": _energy,
    "failure": _failure,
    "device": _WORD,
    "sampler": _WORD,
    "predicted": _predicted,
    "versions": _mapping(_VERSION),
    "provenance": _mapping(_string(Rules.origin)),
    "started_at": _time,
    "ended_at": _time,
    # Numbers, truth values and enumerations: nothing else passes validation.
    **dict.fromkeys(
        (
            "schema_version",
            "trial_number",
            "attempt",
            "outcome",
            "cut_by",
            "continues",
            "data_fraction",
            "schedule_fraction",
            "peak_gpu_bytes",
            "peak_host_bytes",
            "threads",
            "concurrent_trials",
            "warm_started",
            "seed",
        ),
        _same,
    ),
}


# --- what the schema does not know ---

_PARTS: Mapping[str, type[BaseModel]] = {
    "task_features": FeatureVector,
    "system_features": FeatureVector,
    "configuration": Configuration,
    "failure": Failure,
    "plan": ExperiencePlan,
    "predicted": ExperiencePrediction,
}
_PARTS_IN: Mapping[str, type[BaseModel]] = {"scores": Score, "energy": EnergyReading}


def _plain_content(experience: Experience) -> dict[str, Any]:
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


def _checked_experience(content: Mapping[str, Any]) -> Experience:
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
