"""Models that are the first blocks of another one: what is loaded, trained and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig
from transformers import AutoModel
from transformers import AutoModelForSequenceClassification
from transformers import AutoTokenizer

from tests.trial.tiny import TINY
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.trial.backbone_features import backbone_key
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.models import load_backbone
from xautolm_core.trial.models import load_config
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial
from xautolm_core.trial.tokenizer import open_tokenizer

MakeSpec = Callable[..., TrialSpec]
_TEXTS = ["a rocket and a planet in orbit", "the price of a share"]


@pytest.fixture(scope="module")
def whole(task_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of four blocks in a folder, with its tokenizer."""
    folder = tmp_path_factory.mktemp("whole")
    config = {**TINY["bert"], "num_hidden_layers": 4}
    reference = ModelReference(id="whole", untrained_config=config)
    tokenizer = open_tokenizer(reference, open_prepared(task_folder), task_folder.name, cache)
    torch.manual_seed(0)
    settings = load_config(reference, ["a", "b"], tokenizer.traits, None)
    AutoModel.from_config(settings).save_pretrained(folder)
    tokenizer.copy_to(folder)
    return folder


def _first(folder: Path, blocks: int) -> ModelReference:
    return ModelReference(id=f"first-{blocks}", path=str(folder), base="org/whole", blocks=blocks)


def test_their_hidden_states_are_those_between_the_blocks(whole: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(whole)
    batch = tokenizer(_TEXTS, padding=True, return_tensors="pt")
    model = AutoModel.from_pretrained(whole).eval()
    with torch.inference_mode():
        hidden = model(**batch, output_hidden_states=True).hidden_states
        for blocks in (1, 2, 3):
            reference = _first(whole, blocks)
            config = AutoConfig.from_pretrained(whole)
            config.num_hidden_layers = blocks
            found = load_backbone(reference, config)(**batch).last_hidden_state
            torch.testing.assert_close(found, hidden[blocks])


@pytest.mark.parametrize("method", ["full", "partial", "lora", "head"])
def test_a_saved_model_has_no_more_blocks_and_answers_alike_elsewhere(
    method: str, whole: Path, make_spec: MakeSpec
) -> None:
    spec = make_spec(method, {"epochs": 1}, model=_first(whole, 2))
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result
    saved = spec.out_folder / "model"
    model, told = AutoModelForSequenceClassification.from_pretrained(
        saved, output_loading_info=True
    )
    assert not any(told.values())
    assert model.config.num_hidden_layers == len(model.base_model.encoder.layer) == 2
    batch = AutoTokenizer.from_pretrained(saved)(_TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model.eval()(**batch).logits.softmax(-1).max(-1).values
    answers = load_classifier(saved).predict(_TEXTS)
    found = [answer.probabilities[answer.label] for answer in answers]
    torch.testing.assert_close(torch.tensor(found), expected, atol=2e-3, rtol=0)


def test_a_saved_probe_links_the_whole_weights_and_reads_the_first_blocks(
    whole: Path, make_spec: MakeSpec
) -> None:
    spec = make_spec("linear_probe", model=_first(whole, 2))
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result
    backbone = spec.out_folder / "model" / "backbone"
    assert (backbone / "model.safetensors").samefile(whole / "model.safetensors")
    assert AutoModel.from_pretrained(backbone).config.num_hidden_layers == 2
    assert load_classifier(spec.out_folder / "model").predict(_TEXTS)


def test_features_of_different_blocks_are_kept_apart(whole: Path) -> None:
    references = [_first(whole, blocks).model_copy(update={"id": "same"}) for blocks in (1, 2)]
    keys = {backbone_key(one, "tokens", "float32", 0, "mean") for one in references}
    assert len(keys) == 2


def test_more_blocks_than_there_are_make_an_invalid_trial(whole: Path, make_spec: MakeSpec) -> None:
    result = run_trial(make_spec("full", model=_first(whole, 4)))
    assert result.outcome is Outcome.INVALID
