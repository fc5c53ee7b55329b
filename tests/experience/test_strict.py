"""Writing is strict: what the schema does not know is refused, however it got there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.experience.samples import complete_sample
from xautolm_core.errors import StoreError
from xautolm_core.experience import scrub
from xautolm_core.experience.codec import encode
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.records.experience import Experience


class Wider(Experience):
    note: str = "the customer wrote: hello"


def with_part(name: str, **changes: Any) -> Experience:
    whole = complete_sample()
    return whole.model_copy(update={name: getattr(whole, name).model_copy(update=changes)})


@pytest.mark.parametrize(
    "build",
    [
        lambda: complete_sample().model_copy(update={"note": "hello"}),
        lambda: Wider(**dict(complete_sample())),
        lambda: Wider.model_construct(**dict(complete_sample())),
        lambda: with_part("task_features", note="hello"),
        lambda: with_part("configuration", note="hello"),
        lambda: with_part("failure", note="hello"),
        lambda: with_part("plan", note="hello"),
        lambda: with_part("predicted", note="hello"),
        lambda: complete_sample().model_copy(update={"failure": {"kind": "x", "note": "hello"}}),
        lambda: complete_sample().model_copy(update={"scores": {"f1": {"value": 1.0, "n": "o"}}}),
        lambda: complete_sample().model_copy(update={"energy": ({"component": "gpu"},)}),
        lambda: complete_sample().model_copy(update={"energy": 3}),
        lambda: Experience.model_construct(id="0" * 32),
    ],
)
def test_what_the_schema_does_not_know_is_refused(build: Callable[[], Experience]) -> None:
    with pytest.raises(StoreError, match="Experience not written") as caught:
        scrub_experience(build())
    assert "hello" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "hello"),
        ("threads", "hello"),
        ("threads", "12"),
        ("warm_started", "hello"),
        ("device", b"hello"),
        ("task_name", ["hello"]),
        ("seconds", {"train": "hello"}),
        ("peak_gpu_bytes", "hello"),
        ("ended_at", "hello"),
        ("versions", {"torch": b"hello"}),
        ("model_descriptor", {"kind": {"hello": "hello"}}),
        ("id", "hello"),
        ("id", None),
        ("tenant", "../hello"),
        ("tenant", None),
    ],
)
def test_values_of_a_wrong_type_are_refused_and_not_repeated(field: str, value: object) -> None:
    built = Experience.model_construct(**(dict(complete_sample()) | {field: value}))
    with pytest.raises(StoreError, match="Experience not written") as caught:
        scrub_experience(built)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hello" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_clean_experience_is_kept_as_it_is() -> None:
    assert encode(scrub_experience(complete_sample())) == encode(complete_sample())


def test_every_field_of_the_schema_has_a_rule() -> None:
    assert scrub._FIELDS.keys() == Experience.model_fields.keys()
