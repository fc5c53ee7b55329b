"""The meaning of the published class names: fine-tuners and models."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

CLASSIFICATION = "text-classification"
GENERATION = "text-generation"

_PRESETS = ("paper-classification", "paper-qa")


@dataclass(frozen=True)
class FineTuner:
    """What a fine-tuner class is here.

    Attributes:
        branch: Name that the presets ``paper-classification`` and ``paper-qa`` give it.
        method: ``full``, ``partial`` or ``lora``.
        model_prefix: Prefix of the classes of its models.
        task_type: Kind of its tasks.
        parameters_of_none: Hyper-parameters that are left out of a record where None was sampled.
    """

    branch: str
    method: str
    model_prefix: str
    task_type: str
    parameters_of_none: tuple[str, ...] = ()


_ENCODER, _GENERATIVE = "WORD_EMB_", "TEXT_GEN_"
_NONE_OF_LORA = ("init_lora_weights",)

FINE_TUNERS: Mapping[str, FineTuner] = {
    "FineTuneLLMEmbeddingClassifier": FineTuner("encoder-full", "full", _ENCODER, CLASSIFICATION),
    "PartialFineTuneLLMEmbeddingClassifier": FineTuner(
        "encoder-partial", "partial", _ENCODER, CLASSIFICATION
    ),
    "LoraLLMEmbeddingClassifier": FineTuner(
        "encoder-lora", "lora", _ENCODER, CLASSIFICATION, _NONE_OF_LORA
    ),
    "FineTuneGenLLMClassifier": FineTuner("generative-full", "full", _GENERATIVE, CLASSIFICATION),
    "PartialFineTuneGenLLMClassifier": FineTuner(
        "generative-partial", "partial", _GENERATIVE, CLASSIFICATION
    ),
    "LoraGenLLMClassifier": FineTuner(
        "generative-lora", "lora", _GENERATIVE, CLASSIFICATION, _NONE_OF_LORA
    ),
    "FineTuneGenLLMTask": FineTuner("generative-full", "full", _GENERATIVE, GENERATION),
    "PartialFineTuneGenLLMTask": FineTuner(
        "generative-partial", "partial", _GENERATIVE, GENERATION
    ),
    "LoraGenLLMTask": FineTuner("generative-lora", "lora", _GENERATIVE, GENERATION),
}


def class_name(prefix: str, model: str) -> str:
    """Return the class that the published code made for a model of the hub.

    ``/`` and ``-`` become ``_``, dots are dropped, and each part begins with a capital.
    """
    words = model.replace(".", "").replace("/", "_").replace("-", "_").split("_")
    return prefix + "_".join(word.title() for word in words)


def model_of_class(name: str, prefix: str) -> str | None:
    """Return the hub id of a model's class; None if it is not known, or of another kind."""
    return _models(prefix).get(name)


@functools.cache
def _models(prefix: str) -> Mapping[str, str]:
    from xautolm_core.space.definition import read_definition

    group = "encoder" if prefix == _ENCODER else "generative"
    known = dict.fromkeys(
        str(model)
        for preset in _PRESETS
        for branch in read_definition(preset).branches
        if branch.name == f"{group}-full"
        for model in branch.model.choices
    )
    return {class_name(prefix, model): model for model in known}


# "<task>-knn-k25", "<task>_warmstart (...)[...]", "<task>_warmstart_id_...", "<task>_seed..."
_RUN = re.compile(r"(?P<task>.+?)(?:-knn-k\d+|[ _-]warmstart|[ _-]seed)", re.IGNORECASE)
_SEED = re.compile(r"seed_(\d{1,9})(?!\d)")
_WARM = re.compile(r"-knn-k\d+|warmstart", re.IGNORECASE)


def task_of_alias(alias: str) -> str:
    """Return the task of a run: that of a zero-shot run is its whole name."""
    match = _RUN.match(alias)
    return (match["task"] if match else alias).strip()


def seed_of_alias(alias: str) -> int | None:
    """Return the seed in a run's name; None if there is none."""
    match = _SEED.search(alias)
    return int(match[1]) if match else None


def is_warm_started(alias: str) -> bool:
    """Whether a run's name says that it was biased by earlier ones."""
    return _WARM.search(alias) is not None
