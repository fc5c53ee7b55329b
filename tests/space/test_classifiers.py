"""Methods that do not fit an architecture are refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.space.folders import TINY_BERT
from tests.space.folders import write_model
from xautolm_core.errors import SpaceError
from xautolm_core.records.methods import has_model
from xautolm_core.records.methods import methods_of
from xautolm_core.space import hub
from xautolm_core.space.classifiers import CLASSIFIERS
from xautolm_core.space.classifiers import generator_class
from xautolm_core.space.classifiers import misfit
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.load import resolve
from xautolm_core.space.model import ModelKind
from xautolm_core.space.sources import ModelSources
from xautolm_core.tasks.spec import TaskType

SPACE = """\
schema: 1
name: mine
models:
  some: [org/bert, org/{other}]
branches:
  some-full:
    method: full
    models: some
    parameters: {{learning_rate: [5e-5]}}
  some-lora:
    method: lora
    models: some
    parameters: {{learning_rate: [5e-4]}}
starts:
  - {{branch: some-lora, model: org/{other}, parameters: {{learning_rate: 5e-4}}}}
  - {{branch: some-full, model: org/{other}, parameters: {{learning_rate: 5e-5}}}}
"""


@pytest.fixture(autouse=True)
def _no_sources_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAUTOLM_MODELS", "XAUTOLM_MODELS_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "cached_folder", lambda model, revision: None)


def _sources(tmp_path: Path, other: str) -> ModelSources:
    write_model(tmp_path / "org" / "bert")
    write_model(tmp_path / "org" / other, {**TINY_BERT, "model_type": other})
    return ModelSources(folders=[tmp_path], offline=True)


def test_a_pair_that_does_not_fit_leaves_its_branch_alone(tmp_path: Path) -> None:
    sources = _sources(tmp_path, "squeezebert")
    space = resolve(parse_definition(SPACE.format(other="squeezebert"), "x.yaml"), sources)
    choices = {branch.name: branch.model.choices for branch in space.branches}
    assert choices == {
        "some-full": ("org/bert", "org/squeezebert"),
        "some-lora": ("org/bert",),
    }
    assert [start.method for start in space.starts] == ["full"]
    (warning,) = space.warnings
    assert warning.startswith("Left out of branch some-lora: org/squeezebert: squeezebert has")


def test_a_model_that_fits_no_method_leaves_the_space(tmp_path: Path) -> None:
    sources = _sources(tmp_path, "tapas")
    space = resolve(parse_definition(SPACE.format(other="tapas"), "x.yaml"), sources)
    assert list(space.models) == ["org/bert"]
    assert space.starts == ()
    (warning,) = space.warnings
    assert "tables" in warning
    alone = SPACE.replace("[org/bert, org/{other}]", "[org/{other}]").format(other="tapas")
    with pytest.raises(SpaceError, match="tables"):
        resolve(parse_definition(alone, "x.yaml"), sources)


def test_most_pairs_fit() -> None:
    methods = [m for m in methods_of(TaskType.TEXT_CLASSIFICATION) if has_model(m)]
    unfit = [(a, m) for a in CLASSIFIERS for m in methods if misfit(a, m)]
    assert 0 < len(unfit) < 0.2 * len(CLASSIFIERS) * len(methods)
    assert misfit("bert", "lora") is None


def test_encoders_alone_find_spans_and_those_without_a_head_are_told() -> None:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES as KNOWN,
    )

    for architecture, kind in CLASSIFIERS.items():
        reason = misfit(architecture, "full", TaskType.QUESTION_ANSWERING)
        if kind is not ModelKind.ENCODER:
            assert reason is not None
        elif misfit(architecture, "full") is None:
            assert (reason is None) == (architecture in KNOWN), architecture
    assert misfit("bert", "lora", TaskType.QUESTION_ANSWERING) is None
    assert misfit("squeezebert", "lora", TaskType.QUESTION_ANSWERING) is not None
    told = misfit("bert", "linear_probe", TaskType.QUESTION_ANSWERING)
    assert told == "linear_probe is not a method of question-answering"


def test_a_space_of_questions_has_their_cheap_method_and_no_screening(tmp_path: Path) -> None:
    sources = _sources(tmp_path, "gpt2")
    text = SPACE.format(other="gpt2").replace("name: mine", "name: mine\ntask: question-answering")
    space = resolve(parse_definition(text, "x.yaml"), sources)
    assert space.task_type == TaskType.QUESTION_ANSWERING
    assert [one.method for one in space.cheap] == ["lexical_span"]
    assert space.screening == () and space.contains(space.cheap[0])
    assert {choice for branch in space.branches for choice in branch.model.choices} == {"org/bert"}
    wrong = text.replace("question-answering", "chess")
    with pytest.raises(SpaceError, match=r"chess.*use text-classification or question-answering"):
        parse_definition(wrong, "x.yaml")


def test_what_writes_texts_is_what_transformers_generates_with() -> None:
    from transformers.models.auto import modeling_auto

    known = {
        "AutoModelForCausalLM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "AutoModelForSeq2SeqLM": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    }
    for architecture, kind in CLASSIFIERS.items():
        reason = misfit(architecture, "full", TaskType.TEXT_GENERATION)
        if kind is ModelKind.ENCODER:
            assert reason is not None
            with pytest.raises(ValueError, match=f"{architecture} is an encoder"):
                generator_class(architecture)
        elif misfit(architecture, "full") is None:
            used = "AutoModelForSeq2SeqLM" if "encoder" in kind else "AutoModelForCausalLM"
            assert (reason is None) == (architecture in known[used]), architecture
            if reason is None:
                assert generator_class(architecture) == used
    generation = TaskType.TEXT_GENERATION
    assert misfit("llama", "lora", generation) is misfit("t5", "untuned", generation) is None
    assert "head that it was pretrained with" in (misfit("llama", "head", generation) or "")
    assert "reads images" in (misfit("gemma3", "lora", generation) or "")
    assert misfit("llama", "tfidf", generation) == "tfidf is not a method of text-generation"


def test_a_space_of_texts_to_write_has_untuned_models_and_no_screening(tmp_path: Path) -> None:
    sources = _sources(tmp_path, "gpt2")
    write_model(tmp_path / "org" / "gpt2b", {**TINY_BERT, "model_type": "gpt2"})
    text = SPACE.format(other="gpt2").replace("name: mine", "name: mine\ntask: text-generation")
    text = text.replace("org/bert, org/gpt2", "org/bert, org/gpt2, org/gpt2b")
    space = resolve(parse_definition(text, "x.yaml"), sources)
    assert [one.method for one in space.cheap] == ["untuned", "untuned_few_shot"]
    assert {one.model for one in space.cheap} == {"org/gpt2"}
    assert space.screening == () and all(map(space.contains, space.cheap))
    offered = {choice for branch in space.branches for choice in branch.model.choices}
    assert offered == {"org/gpt2", "org/gpt2b"}
    assert [start.model for start in space.starts] == ["org/gpt2"] * 2
    (warning, _) = space.warnings
    assert "org/bert: bert is an encoder, which reads texts and writes none" in warning
