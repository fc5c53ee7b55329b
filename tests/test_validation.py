from __future__ import annotations

import pytest
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError
from pydantic import model_validator

from xautolm_core.validation import first_problem


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = 0


class Outer(BaseModel):
    inner: tuple[Inner, ...] = ()
    low: int = 0

    @model_validator(mode="after")
    def _check(self) -> Outer:
        if self.low > 1:
            raise ValueError("low is too high")
        return self


@pytest.mark.parametrize(
    ("document", "field", "kind", "words"),
    [
        ({"inner": [{"number": "secret"}]}, "inner", "int_parsing", "inner.0.number: Input should"),
        ({"inner": [{"x": 1}]}, "inner", "extra_forbidden", "inner.0.x: Extra inputs"),
        ({"low": 2}, "", "value_error", "low is too high"),
    ],
)
def test_a_problem_names_its_place_and_not_the_value(document, field, kind, words) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document)
    found = first_problem(caught.value)
    assert (found.field, found.kind) == (field, kind)
    assert str(found).startswith(words) and "secret" not in str(found)
