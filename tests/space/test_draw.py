"""Laws of drawing: whatever is drawn is contained, and survives its encoding."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.space.folders import TINY_BERT
from xautolm_core.errors import SpaceError
from xautolm_core.records.configuration import Value
from xautolm_core.space.definition import read_definition
from xautolm_core.space.descriptor import describe
from xautolm_core.space.draw import decode
from xautolm_core.space.draw import draw
from xautolm_core.space.draw import encode
from xautolm_core.space.model import ModelReference
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.presets import preset_names
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel


def whole_space(name: str) -> SearchSpace:
    """Return a preset's space with all of its models pretended to be there."""
    definition = read_definition(name)
    descriptor = describe(TINY_BERT)
    models = {
        identity: SpaceModel(ModelReference(id=identity, revision="r1"), descriptor)
        for identity in definition.models
    }
    return SearchSpace(name, definition.branches, models, definition.starts)


SPACES = {name: whole_space(name) for name in preset_names()}


class DataChooser:
    """Lets hypothesis make the choices."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.asked: list[str] = []

    def branch(self, names: Sequence[str]) -> str:
        return self._data.draw(st.sampled_from(list(names)))

    def value(self, parameter: Parameter) -> Value:
        self.asked.append(parameter.name)
        match parameter:
            case Categorical(choices=choices):
                return self._data.draw(st.sampled_from(choices))
            case Integer(low=low, high=high):
                return self._data.draw(st.integers(low, high))
            case Boolean():
                return self._data.draw(st.booleans())


@given(st.data(), st.sampled_from(sorted(SPACES)))
def test_whatever_is_drawn_is_contained(data: st.DataObject, name: str) -> None:
    space = SPACES[name]
    chooser = DataChooser(data)
    configuration = draw(space, chooser)
    assert space.contains(configuration)
    assert configuration.revision == "r1"
    assert chooser.asked == ["model", *configuration.parameters]
    choices = encode(space, configuration)
    assert decode(space, choices) == configuration
    assert len(choices) == 2 + len(configuration.parameters)
    assert type(configuration).model_validate_json(configuration.model_dump_json()) == configuration


@given(st.data(), st.sampled_from(sorted(SPACES)))
def test_choices_of_idle_branches_are_ignored(data: st.DataObject, name: str) -> None:
    space = SPACES[name]
    one, other = (draw(space, DataChooser(data)) for _ in range(2))
    mixed = {**encode(space, other), **encode(space, one)}
    assert decode(space, mixed) == one


def test_starts_are_contained() -> None:
    for space in SPACES.values():
        assert all(space.contains(start) for start in space.starts)


def test_choices_outside_the_space_are_refused() -> None:
    space = SPACES["starter"]
    choices = encode(space, space.starts[0])
    with pytest.raises(SpaceError, match="no branch 'absent'"):
        decode(space, {**choices, "branch": "absent"})
    with pytest.raises(SpaceError, match="does not contain"):
        decode(space, {**choices, "minilm.model": "absent"})
    with pytest.raises(SpaceError, match="does not contain"):
        decode(space, {**choices, "minilm-full.batch_size": 7})
    choices.pop("minilm-full.batch_size")
    with pytest.raises(SpaceError, match=r"needs a choice for 'minilm-full\.batch_size'"):
        decode(space, choices)
    with pytest.raises(SpaceError, match="does not contain"):
        encode(space, space.starts[0].model_copy(update={"model": "absent"}))
