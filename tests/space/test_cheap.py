"""The cheap candidates of a space, and spaces without some methods."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.space.folders import SPACE
from tests.space.folders import TINY_BERT
from tests.space.test_draw import SPACES
from xautolm_core.errors import SpaceError
from xautolm_core.space.cheap import cheap_candidates
from xautolm_core.space.cheap import restrict
from xautolm_core.space.configuration import Configuration
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.descriptor import describe
from xautolm_core.space.draw import decode
from xautolm_core.space.draw import encode
from xautolm_core.space.load import load_space
from xautolm_core.space.methods import CHEAP_METHODS
from xautolm_core.space.methods import METHODS
from xautolm_core.space.model import ModelReference
from xautolm_core.space.space import SpaceModel


def _model(name: str, parameters: int, *, pretrained: bool = True) -> SpaceModel:
    descriptor = describe(TINY_BERT, pretrained=pretrained)
    return SpaceModel(
        ModelReference(id=name, revision="r1"),
        descriptor.model_copy(update={"parameters": parameters, "max_length": 64}),
    )


def test_starter_has_all_three_in_their_order_and_the_papers_space_none() -> None:
    space = load_space("starter", offline=True)
    assert tuple(c.method for c in space.cheap) == CHEAP_METHODS
    assert [c.model for c in space.cheap] == [None, *[space.starts[0].model] * 2]
    assert [dict(c.parameters) for c in space.cheap] == [{}, *[{"max_length": 128}] * 2]
    for candidate in space.cheap:
        assert space.contains(candidate)
        assert decode(space, encode(space, candidate)) == candidate
        again = Configuration.model_validate_json(candidate.model_dump_json())
        assert again == candidate and hash(again) == hash(candidate)
    assert not space.contains(space.cheap[1].model_copy(update={"model": "another"}))
    assert not ({branch.name for branch in space.branches} & set(CHEAP_METHODS))


def test_the_key_cheap_leaves_them_out(tmp_path: Path) -> None:
    assert parse_definition(SPACE, "x").cheap
    assert not parse_definition(f"cheap: false\n{SPACE}", "x").cheap
    paper = Path("xautolm_core/space/presets/paper-classification.yaml").read_text()
    assert not parse_definition(paper, "x").cheap


def test_the_probe_reads_the_first_starts_model_else_the_smallest_pretrained_one() -> None:
    models = {
        "large": _model("large", 900),
        "small": _model("small", 100),
        "untrained": _model("untrained", 1, pretrained=False),
    }

    def start(model: str, length: int) -> Configuration:
        parameters = {"max_length": length}
        return Configuration(branch="b", model=model, method="full", parameters=parameters)

    def probe(*starts: Configuration) -> tuple[str | None, str | None, object]:
        found = cheap_candidates(starts, models)[1]
        return found.model, found.revision, found.parameters["max_length"]

    assert probe(start("large", 32)) == ("large", "r1", 32)
    assert probe(start("untrained", 32), start("large", 512)) == ("large", "r1", 64)
    assert probe() == ("small", "r1", 64)
    untrained = {"untrained": models["untrained"]}
    assert [c.method for c in cheap_candidates((start("untrained", 9),), untrained)] == ["tfidf"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"branch": "b", "method": "full"}, "needs a model"),
        ({"branch": "linear_probe", "method": "linear_probe"}, "needs a model"),
        ({"branch": "tfidf", "method": "tfidf", "model": "m"}, "has no model"),
        ({"branch": "tfidf", "method": "tfidf", "revision": "r"}, "revision"),
        ({"branch": "b", "method": "tfidf"}, "branch"),
    ],
)
def test_a_configuration_has_a_model_but_for_tfidf(values: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Configuration.model_validate({"parameters": {}, **values})


def test_no_branch_has_the_name_of_a_cheap_method() -> None:
    branch = "  tfidf: {method: full, models: m, parameters: {epochs: 1}}"
    text = SPACE.replace("branches:\n", f"branches:\n{branch}\n")
    with pytest.raises(SpaceError, match="name of a method"):
        parse_definition(text, "mine.yaml")


def test_restricting_keeps_what_the_methods_need() -> None:
    space = load_space("starter", offline=True)
    assert restrict(space, METHODS) == space
    lora = restrict(space, ["lora"])
    assert {b.method for b in lora.branches} == {"lora"} and not lora.cheap
    assert {s.method for s in lora.starts} == {"lora"} and len(lora.models) == 1
    tfidf = restrict(space, ["tfidf", "lora"])
    assert [c.method for c in tfidf.cheap] == ["tfidf"]
    only = restrict(space, ["linear_probe"])
    assert not only.branches and len(only.models) == 1
    assert load_space("starter", offline=True, methods=["linear_probe"]) == only
    with pytest.raises(SpaceError, match=r"no method 'lorra'.*'lora'"):
        restrict(space, ["lorra"])
    with pytest.raises(SpaceError, match="has no method tfidf") as error:
        restrict(SPACES["paper-classification"], ["tfidf"])
    assert "full" in error.value.hint


def test_no_model_is_needed_where_no_method_wants_one() -> None:
    space = load_space("small", offline=True, methods=["tfidf"])
    assert (space.branches, space.models, space.starts, space.warnings) == ((), {}, (), ())
    assert [c.method for c in space.cheap] == ["tfidf"]
    with pytest.raises(SpaceError, match="no method 'lorra'"):
        load_space("small", offline=True, methods=["tfidf", "lorra"])
