from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.trial.tiny import tiny_model
from tests.trial.tiny import validation_scores
from xautolm_core.errors import ConfigError
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial

MakeSpec = Callable[..., TrialSpec]


def _train(spec: TrialSpec) -> TrialResult:
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert result.model_folder == "model"
    return result


@pytest.mark.parametrize("method", ["full", "lora", "head"])
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "t5"])
@pytest.mark.parametrize("pairs", [False, True])
def test_saved_models_answer_as_they_did_in_the_trial(
    method: str,
    architecture: str,
    pairs: bool,
    make_spec: MakeSpec,
    task_folder: Path,
    pairs_folder: Path,
    tmp_path: Path,
) -> None:
    folder = pairs_folder if pairs else task_folder
    spec = make_spec(
        method,
        {"epochs": 3, "max_length": 12, "use_mixed_precision": False, "learning_rate": 1e-2},
        task_folder=folder,
        model=tiny_model(architecture),
    )
    result = _train(spec)
    report = validation_scores(spec.out_folder / "model", folder)
    assert report.macro_f1 == pytest.approx(result.scores["macro_f1"].value)
    assert report.accuracy == pytest.approx(result.scores["accuracy"].value)
    split = open_prepared(folder).validation
    classifier = load_classifier(spec.out_folder / "model")
    answers = classifier.predict(
        split.texts.to_pylist(),
        None if split.text_pairs is None else split.text_pairs.to_pylist(),
        batch_size=7,
    )
    right = [
        a.label == classifier.labels[label] for a, label in zip(answers, split.labels, strict=True)
    ]
    assert np.mean(right) == pytest.approx(report.accuracy)
    for answer in answers:
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert max(answer.probabilities, key=answer.probabilities.__getitem__) == answer.label


def test_the_folder_is_a_plain_hugging_face_model(make_spec: MakeSpec) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers import AutoTokenizer

    spec = make_spec("lora", {"epochs": 2, "learning_rate": 1e-2, "use_mixed_precision": False})
    _train(spec)
    folder = spec.out_folder / "model"
    assert {"config.json", "model.safetensors", "tokenizer.json", "xautolm.json"} <= {
        f.name for f in folder.iterdir()
    }
    assert not any("adapter" in f.name or f.suffix in {".bin", ".pkl"} for f in folder.iterdir())
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert model.config.id2label == {0: "sport", 1: "money", 2: "space"}
    texts = ["the goal of the team", "a planet and a star in orbit", "bank"]
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.no_grad():
        expected = torch.softmax(model.eval()(**inputs).logits, 1).numpy()
    found = load_classifier(folder).predict(texts)
    for answer, row in zip(found, expected, strict=True):
        assert list(answer.probabilities.values()) == pytest.approx(list(row), abs=1e-4)
    card = json.loads((folder / "xautolm.json").read_text())
    assert card["max_length"] == 32 and card["task"] == "topics" and card["has_pairs"] is False
    assert card["configuration"]["method"] == "lora"


def test_wrong_questions_are_answered_in_words(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(budget={"max_steps": 1})
    _train(spec)
    classifier = load_classifier(spec.out_folder / "model")
    assert classifier.predict([]) == []
    with pytest.raises(ConfigError, match="single texts"):
        classifier.predict(["a"], ["b"])
    with pytest.raises(ConfigError, match="no model of xautolm"):
        load_classifier(tmp_path)
    (spec.out_folder / "model" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_classifier(spec.out_folder / "model")
