"""The meaning of the published class names: fine-tuners and models."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

CLASSIFICATION = "text-classification"
GENERATION = "question-answering"

_PRESET = "paper-classification"


@dataclass(frozen=True)
class FineTuner:
    """What a fine-tuner class is here.

    Attributes:
        branch: Name that the preset ``paper-classification`` gives it; those for generative tasks,
            which no preset has yet, go by the same names.
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

# Offered for generative tasks beside those of the preset.
_MODELS_OF_GENERATIVE_TASKS = (
    "deepseek-ai/DeepSeek-V2-Lite",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    "google/gemma-3-1b-it",
    "google/gemma-3-1b-pt",
    "google/gemma-3-4b-it",
    "google/gemma-3-4b-pt",
    "google/gemma-3-12b-it",
    "google/gemma-3-12b-pt",
    "google/gemma-3-27b-it",
    "google/gemma-3-27b-pt",
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-70B",
    "meta-llama/Llama-3.1-70B-Instruct",
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.2-1B-Instruct",
    "meta-llama/Llama-3.2-3B",
    "meta-llama/Llama-3.2-3B-Instruct",
    "microsoft/Phi-3.5-mini-instruct",
    "microsoft/Phi-4-mini-instruct",
    "microsoft/Phi-4-mini-reasoning",
    "microsoft/Phi-4-reasoning",
    "microsoft/phi-4",
    "mistralai/Mistral-Nemo-Base-2407",
    "mistralai/Mistral-Nemo-Instruct-2407",
    "mistralai/Mistral-Nemo-Instruct-FP8-2407",
)


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

    branches = read_definition(_PRESET).branches
    group = "encoder" if prefix == _ENCODER else "generative"
    known = [str(m) for b in branches if b.name == f"{group}-full" for m in b.model.choices]
    if prefix == _GENERATIVE:
        known += _MODELS_OF_GENERATIVE_TASKS
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
