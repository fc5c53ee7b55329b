"""The cheap candidates of a space, and spaces without some methods."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.space.folders import SPACE
from tests.space.folders import TINY_BERT
from tests.space.folders import write_model
from tests.space.test_draw import SPACES
from xautolm_core.errors import SpaceError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.records.methods import METHODS
from xautolm_core.records.methods import cheap_methods_of
from xautolm_core.space.cheap import cheap_candidates
from xautolm_core.space.cheap import restrict
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.descriptor import describe
from xautolm_core.space.draw import decode
from xautolm_core.space.draw import encode
from xautolm_core.space.load import load_space
from xautolm_core.space.model import ModelReference
from xautolm_core.space.screening import screening_rows
from xautolm_core.space.space import SpaceModel

_UNTRAINED = """\
    - id: untrained/tiny
      untrained: {model_type: bert, vocab_size: 300, hidden_size: 16, num_hidden_layers: 1,
                  num_attention_heads: 2, intermediate_size: 32}
"""


def _model(name: str, parameters: int, *, pretrained: bool = True) -> SpaceModel:
    descriptor = describe(TINY_BERT, pretrained=pretrained)
    return SpaceModel(
        ModelReference(id=name, revision="r1"),
        descriptor.model_copy(update={"parameters": parameters, "max_length": 64}),
    )


def test_starter_has_all_three_in_their_order_and_the_papers_space_none() -> None:
    space = load_space("starter", offline=True)
    assert tuple(c.method for c in space.cheap) == cheap_methods_of("text-classification")
    assert [c.model for c in space.cheap] == [None, *[space.starts[0].model] * 2]
    assert [dict(c.parameters) for c in space.cheap] == [{}, *[{"max_length": 128}] * 2]
    for candidate in space.cheap:
        assert space.contains(candidate)
        assert decode(space, encode(space, candidate)) == candidate
        again = Configuration.model_validate_json(candidate.model_dump_json())
        assert again == candidate and hash(again) == hash(candidate)
    assert not space.contains(space.cheap[1].model_copy(update={"model": "another"}))
    assert not ({branch.name for branch in space.branches} & {c.method for c in space.cheap})


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


def test_untuned_models_read_what_the_first_start_reads_and_examples_before_it() -> None:
    long = _model("m", 100)
    long = SpaceModel(
        long.reference,
        long.descriptor.model_copy(update={"max_length": 2_000, "architecture": "gpt2"}),
    )
    start = Configuration(branch="b", model="m", method="lora", parameters={"max_length": 256})

    def lengths(*starts: Configuration) -> dict[str, object]:
        found = cheap_candidates(starts, {"m": long}, "text-generation")
        assert {(one.model, one.revision) for one in found} == {("m", "r1")}
        return {one.method: one.parameters["max_length"] for one in found}

    assert lengths(start) == {"untuned": 256, "untuned_few_shot": 1_280}
    assert lengths() == {"untuned": 512, "untuned_few_shot": 2_000}


def test_each_pretrained_model_that_a_branch_offers_is_screened_on_the_same_rows(
    tmp_path: Path,
) -> None:
    config = {**TINY_BERT, "max_position_embeddings": 512}
    for folder in ("org/tiny", "other"):
        write_model(tmp_path / folder, config)
    text = SPACE.replace("    - other\n", f"    - other\n{_UNTRAINED}")
    file = tmp_path / "space.yaml"
    file.write_text(text)
    space = load_space(str(file), model_folders=[tmp_path], offline=True)
    assert [one.model for one in space.screening] == ["org/tiny", "other"]
    for one in space.screening:
        assert one.method == LINEAR_PROBE
        assert dict(one.parameters) == {"max_length": 128, "screening_rows": 1_000}
        assert space.contains(one)
        assert decode(space, encode(space, one)) == one
        again = Configuration.model_validate_json(one.model_dump_json())
        assert again == one and hash(again) == hash(one)
    assert decode(space, encode(space, space.cheap[1])) == space.cheap[1]
    assert not set(space.cheap) & set(space.screening)

    def screened(*methods: str) -> list[str | None]:
        return [one.model for one in restrict(space, methods).screening]

    assert screened("linear_probe", "full") == ["org/tiny", "other"]
    assert screened("tfidf", "full") == screened("linear_probe") == []
    file.write_text(f"cheap: false\n{text}")
    assert not load_space(str(file), model_folders=[tmp_path], offline=True).screening
    shutil.rmtree(tmp_path / "other")
    file.write_text(text)
    assert not load_space(str(file), model_folders=[tmp_path], offline=True).screening


@pytest.mark.parametrize("rows", [0, -1, 1.5, True, "1000", None])
def test_screening_rows_are_a_whole_number_above_0(rows: Value) -> None:
    parameters: dict[str, Value] = {"screening_rows": rows}
    one = Configuration(branch=LINEAR_PROBE, model="m", method=LINEAR_PROBE, parameters=parameters)
    with pytest.raises(ValueError, match="screening_rows"):
        screening_rows(one)


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
    assert {s.method for s in lora.starts} == {"lora"} and lora.models == space.models
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
