"""A method on a tiny architecture, from the spec to the answers that plain transformers gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.trial.tiny import FAMILIES
from tests.trial.tiny import tiny_model
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import is_cheap
from xautolm_core.space.descriptor import describe
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.task import Split
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.linear.saving import BACKBONE_FOLDER
from xautolm_core.trial.linear.saving import WEIGHTS_FILE
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial

METHODS = ("full", "partial", "lora", "head", "linear_probe")
MAX_LENGTH = 24
_PARAMETERS: dict[str, dict[str, Any]] = {
    "full": {"learning_rate": 3e-3},
    "partial": {"learning_rate": 1e-2, "num_trainable_layers": 1},
    "lora": {"learning_rate": 1e-2, "lora_r": 4},
    "head": {"learning_rate": 1e-2},
    "linear_probe": {},
}
_FINE_TUNING = {"epochs": 4, "batch_size": 16, "use_mixed_precision": False}


@dataclass(frozen=True)
class PairOutcome:
    """What came of a method on an architecture.

    Attributes:
        result: Of the trial.
        counted_parameters: Of the model without a head, from its config alone.
        saved_parameters: Of the saved model without a head, as plain transformers loads it.
        largest_difference: Between probabilities of the saved model and of plain transformers.
        tolerated_difference: What rounding explains.
    """

    result: TrialResult
    counted_parameters: int
    saved_parameters: int
    largest_difference: float
    tolerated_difference: float


def try_pair(
    family: str, method: str, *, task_folder: Path, cache_folder: Path, out_folder: Path
) -> PairOutcome:
    """Train a family with a method, save, load in plain transformers and compare the answers."""
    result = run_pair(tiny_model(family), method, task_folder, cache_folder, out_folder)
    if result.model_folder is None:
        raise AssertionError(f"{family} with {method}: {result.failure}")
    folder = out_folder / result.model_folder
    split = open_prepared(task_folder).validation
    ours = _softmax(load_classifier(folder).logits(split))
    theirs, saved = _plain_answers(folder, split)
    card = json.loads((folder / MODEL_CARD_FILE).read_text())
    vocabulary = card["tokenizer"]["vocabulary"]
    return PairOutcome(
        result=result,
        counted_parameters=describe({**FAMILIES[family], "vocab_size": vocabulary}).parameters,
        saved_parameters=saved,
        largest_difference=float(np.abs(ours - theirs).max()),
        tolerated_difference=1e-4 if card["precision"] == "float32" else 3e-2,
    )


def run_pair(
    model: ModelReference, method: str, task_folder: Path, cache_folder: Path, out_folder: Path
) -> TrialResult:
    """Train a model with a method, and save it."""
    parameters = {**({} if is_cheap(method) else _FINE_TUNING), **_PARAMETERS[method]}
    return run_trial(
        TrialSpec(
            search_id="pairs",
            trial_number=0,
            task_folder=task_folder,
            out_folder=out_folder,
            cache_folder=cache_folder,
            model=model,
            seed=1,
            device="cpu",
            configuration=Configuration(
                branch=method,
                model=model.id,
                method=method,
                parameters={"max_length": MAX_LENGTH, **parameters},
            ),
        )
    )


def _plain_answers(folder: Path, split: Split) -> tuple[np.ndarray, int]:
    """Return probabilities by transformers alone, and the parameters without a head."""
    import torch
    from transformers import AutoModel
    from transformers import AutoModelForSequenceClassification
    from transformers import AutoTokenizer

    probe = folder / BACKBONE_FOLDER
    place = probe if probe.is_dir() else folder
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    inputs = tokenizer(
        split.texts.to_pylist(),
        padding=True,
        truncation=True,
        max_length=MAX_LENGTH,
        return_tensors="pt",
    )
    backbone = AutoModel.from_pretrained(place, local_files_only=True).eval()
    saved = sum(p.numel() for p in backbone.parameters())
    with torch.no_grad():
        if place is folder:
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True
            )
            return _softmax(model.eval()(**inputs).logits.numpy()), saved
        reads = backbone.get_encoder() if backbone.config.is_encoder_decoder else backbone
        hidden = reads(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        features = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return _softmax(_regression(folder, features)), saved


def _regression(folder: Path, features: np.ndarray) -> np.ndarray:
    from safetensors.numpy import load_file

    arrays = load_file(folder / WEIGHTS_FILE)
    scaled = (features - arrays["probe.mean"]) / arrays["probe.scale"]
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    found: np.ndarray = scaled @ arrays["probe.coefficients"].T + arrays["probe.intercepts"]
    return found


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return found
