"""The supported architectures, and the methods and task types that fit them.

It is the only table of misfits: a search leaves such a pair out before anything runs, and a trial
of one ends at once, with the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xautolm_core.records.methods import MODEL_METHODS
from xautolm_core.records.methods import methods_of
from xautolm_core.space.model import ModelKind
from xautolm_core.tasks.spec import TaskType

_ENCODERS = """
    albert bert big_bird camembert canine cohere_compass_text convbert data2vec-text deberta
    deberta-v2 distilbert electra ernie esm esmc eurobert flaubert fnet funnel gte ibert
    jina_embeddings_v3 layoutlm layoutlmv2 layoutlmv3 lilt longformer luke markuplm megatron-bert
    mobilebert modernbert modernvbert mpnet mra nomic_bert nystromformer perceiver reformer rembert
    roberta roberta-prelayernorm roc_bert roformer squeezebert tapas ultrabert ultravbert xlm
    xlm-roberta xlm-roberta-xl xlnet xmod yoso
"""
_DECODERS = """
    arcee axk1 axk2 biogpt bloom ctrl deepseek_v2 deepseek_v3 diffllama doge exaone4 falcon gemma
    gemma2 gemma3 gemma3_text glm glm4 gpt-sw3 gpt2 gpt_bigcode gpt_neo gpt_neox gpt_oss gptj helium
    hunyuan_v1_dense hunyuan_v1_moe jamba jetmoe llama minicpm3 minimax ministral ministral3 mistral
    mistral4 mixtral modernbert-decoder mpt nemotron olmo olmo2 olmo3 openai-gpt opt persimmon phi
    phi3 phimoe qwen2 qwen2_moe qwen3 qwen3_5 qwen3_5_text qwen3_moe qwen3_next seed_oss smollm3
    stablelm starcoder2 zamba zamba2
"""
_ENCODER_DECODERS = "bart bigbird_pegasus mbart mt5 mvp plbart t5 t5gemma t5gemma2 umt5"

CLASSIFIERS: Mapping[str, ModelKind] = {
    **dict.fromkeys(_ENCODERS.split(), ModelKind.ENCODER),
    **dict.fromkeys(_DECODERS.split(), ModelKind.DECODER),
    **dict.fromkeys(_ENCODER_DECODERS.split(), ModelKind.ENCODER_DECODER),
}
"""``model_type`` of each architecture with an ``AutoModelForSequenceClassification``."""


_WITHOUT_SPANS = """
    cohere_compass_text esm esmc eurobert gte layoutlm modernvbert nomic_bert perceiver tapas
    ultravbert
"""
ENCODERS_WITHOUT_SPANS = frozenset(_WITHOUT_SPANS.split())
"""Those encoders without an ``AutoModelForQuestionAnswering``."""


GENERATOR_CLASSES: Mapping[ModelKind, str] = {
    ModelKind.DECODER: "AutoModelForCausalLM",
    ModelKind.ENCODER_DECODER: "AutoModelForSeq2SeqLM",
}
"""Class of transformers that puts a language model's head on an architecture of that kind."""

_WITHOUT_GENERATION = frozenset({"mistral4"})
"""Those decoders and encoder-decoders without one."""


@dataclass(frozen=True)
class _Misfit:
    """Methods that do not fit some architectures.

    Attributes:
        architectures: Values of ``model_type``.
        methods: The methods.
        reason: Reason, to be read after the architecture's name.
    """

    architectures: frozenset[str]
    methods: tuple[str, ...]
    reason: str


def _misfit(architectures: str, methods: tuple[str, ...], reason: str) -> _Misfit:
    return _Misfit(frozenset(architectures.split()), methods, reason)


_MISFITS = (
    _misfit("esm esmc", MODEL_METHODS, "reads proteins, not texts"),
    _misfit(
        "gemma3 modernvbert qwen3_5 t5gemma2 ultravbert",
        MODEL_METHODS,
        "reads images as well; take its model for text alone",
    ),
    _misfit("layoutlmv2 layoutlmv3", MODEL_METHODS, "reads scanned pages, not texts"),
    _misfit("tapas", MODEL_METHODS, "reads tables, not texts"),
    _misfit(
        "canine luke perceiver",
        MODEL_METHODS,
        "has no tokenizer of the fast kind, which trials need",
    ),
    _misfit("squeezebert", ("lora",), "has grouped convolutions, which LoRA cannot adapt"),
    _misfit("ibert", ("lora",), "has layers for whole numbers, which LoRA cannot adapt"),
)


def unfit(architecture: str) -> str | None:
    """Return why no method of any type of task fits an architecture, or None if one may."""
    reasons = [_misfit_of_all(architecture, method) for method in MODEL_METHODS]
    return f"{architecture} {reasons[0]}" if all(reasons) else None


def misfit(
    architecture: str, method: str, task_type: str = TaskType.TEXT_CLASSIFICATION
) -> str | None:
    """Return why a method does not fit an architecture, or None if it may.

    Args:
        architecture: ``model_type`` of its config.
        method: Name of the method.
        task_type: Type of the task.
    """
    if method not in methods_of(task_type):
        return f"{method} is not a method of {task_type}"
    reason = _misfit_of_all(architecture, method)
    if reason is None and task_type == TaskType.QUESTION_ANSWERING:
        reason = _misfit_of_spans(architecture)
    if reason is None and task_type == TaskType.TEXT_GENERATION:
        reason = _misfit_of_generation(architecture, method)
    return None if reason is None else f"{architecture} {reason}"


def _misfit_of_all(architecture: str, method: str) -> str | None:
    """Return why a method does not fit an architecture in any task."""
    for entry in _MISFITS:
        if architecture in entry.architectures and method in entry.methods:
            return entry.reason
    return None


def _misfit_of_spans(architecture: str) -> str | None:
    """Return why an architecture cannot find spans in a passage."""
    if CLASSIFIERS.get(architecture) is not ModelKind.ENCODER:
        return "reads from left to right; the span of an answer is found by an encoder"
    if architecture in ENCODERS_WITHOUT_SPANS:
        return "has no head for spans in transformers, which could not load what is saved"
    return None


def generator_class(architecture: str) -> str:
    """Return the name of the class of transformers that an architecture generates texts with.

    Raises:
        ValueError: There is none; the message says why.
    """
    reason = _misfit_of_generation(architecture)
    if reason is not None:
        raise ValueError(f"{architecture} {reason}")
    return GENERATOR_CLASSES[CLASSIFIERS[architecture]]


def _misfit_of_generation(architecture: str, method: str = "full") -> str | None:
    """Return why an architecture cannot write texts, or a method not train it for that."""
    if CLASSIFIERS.get(architecture) not in GENERATOR_CLASSES:
        return "is an encoder, which reads texts and writes none"
    if architecture in _WITHOUT_GENERATION:
        return "has no language model for text alone in transformers"
    if method == "head":
        return "writes by the head that it was pretrained with; there is no new one to train alone"
    return None
