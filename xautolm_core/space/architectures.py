"""The architectures that ``transformers`` has text classifiers for, and their sizes.

Sizes come from a model's config alone, without torch: by the rule of ``block_rule`` where a
family's traits are known, by a function of its own where it is built differently, else by the rule
with the most common traits. The first two count exactly what ``AutoModel`` builds; for the last the
weight files are more exact (see ``weight_files``).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from xautolm_core.space.architecture_defaults import FAMILY_DEFAULTS
from xautolm_core.space.block_rule import Traits
from xautolm_core.space.block_rule import shape_by_rule
from xautolm_core.space.classifiers import CLASSIFIERS
from xautolm_core.space.classifiers import unfit
from xautolm_core.space.model import ModelKind
from xautolm_core.space.shape import ConfigValues
from xautolm_core.space.shape import Shape
from xautolm_core.space.special_shapes import albert
from xautolm_core.space.special_shapes import bart
from xautolm_core.space.special_shapes import deberta
from xautolm_core.space.special_shapes import deberta_v2
from xautolm_core.space.special_shapes import t5
from xautolm_core.space.weight_files import WeightCounts
from xautolm_core.space.weight_files import WeightShapes
from xautolm_core.space.weight_files import count_weights

_LLAMA = Traits()
_MODERN = replace(
    _LLAMA, norm_bias="norm_bias", missing_norms=1, embedding_norm=True, grouped=False
)
_GEMMA2 = replace(_LLAMA, norms=4)
_GPT2 = Traits(
    norm_bias=True,
    qkv_bias=True,
    output_bias=True,
    feed_forward_bias=True,
    gated=False,
    positions=True,
)
_BERT = replace(
    _GPT2,
    kind=ModelKind.ENCODER,
    types=True,
    embedding_norm=True,
    final_norm=False,
    pooler=True,
)
# Positions start after the padding token's index, so two rows are never used.
_ROBERTA = replace(_BERT, lost_positions=2)

_TRAITS: Mapping[str, Traits] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "data2vec-text": _ROBERTA,
    "xlm-roberta-xl": replace(_ROBERTA, embedding_norm=False, final_norm=True),
    "roberta-prelayernorm": replace(_ROBERTA, final_norm=True),
    "mpnet": replace(_ROBERTA, types=False, buckets=True),
    "electra": replace(_BERT, pooler=False),
    "distilbert": replace(_BERT, types=False, pooler=False),
    "rembert": _BERT,
    "megatron-bert": replace(_BERT, embedding_norm=False, final_norm=True),
    "ibert": _ROBERTA,
    "big_bird": _BERT,
    "modernbert": replace(_MODERN, kind=ModelKind.ENCODER),
    "modernbert-decoder": _MODERN,
    "eurobert": replace(_LLAMA, kind=ModelKind.ENCODER),
    "ultrabert": replace(_LLAMA, kind=ModelKind.ENCODER),
    "nomic_bert": replace(
        _LLAMA, kind=ModelKind.ENCODER, norm_bias=True, types=True, embedding_norm=True,
        final_norm=False,
    ),
    "jina_embeddings_v3": replace(_BERT, positions=False),
    "gpt2": _GPT2,
    "gpt-sw3": _GPT2,
    "openai-gpt": replace(_GPT2, final_norm=False),
    "biogpt": replace(_GPT2, unused_positions=2),
    "gpt_neo": replace(_GPT2, qkv_bias=False),
    "gpt_neox": replace(
        _GPT2, positions=False, qkv_bias="attention_bias", output_bias="attention_bias"
    ),
    "gptj": replace(_GPT2, positions=False, qkv_bias=False, output_bias=False, norms=1),
    "bloom": replace(_GPT2, positions=False, embedding_norm=True),
    "phi": replace(_GPT2, positions=False, norms=1),
    "starcoder2": replace(
        _GPT2, positions=False, qkv_bias="use_bias", output_bias="use_bias",
        feed_forward_bias="use_bias",
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "ministral": _LLAMA,
    "ministral3": _LLAMA,
    "mixtral": _LLAMA,
    "phi3": _LLAMA,
    "smollm3": _LLAMA,
    "helium": _LLAMA,
    "arcee": replace(_LLAMA, gated=False),
    "glm": replace(_LLAMA, output_bias=False),
    "glm4": replace(_LLAMA, output_bias=False, norms=4),
    "olmo": replace(_LLAMA, norms=0, final_norm=False),
    "olmo2": replace(_LLAMA, query_key_norm="all"),
    "olmo3": replace(_LLAMA, query_key_norm="all"),
    "exaone4": replace(_LLAMA, query_key_norm="head"),
    "seed_oss": replace(_LLAMA, output_bias="attention_out_bias"),
    "qwen2": replace(_LLAMA, qkv_bias=True, output_bias=False),
    "qwen3": replace(_LLAMA, query_key_norm="head"),
    "qwen3_moe": replace(_LLAMA, query_key_norm="head"),
    "gemma": _LLAMA,
    "gemma2": _GEMMA2,
    "gemma3_text": replace(_GEMMA2, query_key_norm="head"),
}  # fmt: skip

_SPECIAL: Mapping[str, Callable[[ConfigValues], Shape]] = {
    "albert": albert,
    "deberta": deberta,
    "deberta-v2": deberta_v2,
    "t5": t5,
    "mt5": t5,
    "umt5": partial(t5, biases_in_all_blocks=True),
    "bart": bart,
    "mbart": partial(bart, final_norms=True),
}


EXACT_ARCHITECTURES = (*_TRAITS, *_SPECIAL)
"""Architectures whose parameters are counted exactly from the config alone."""

# GPT Neo's config says of its attention by runs of blocks.
_OF_EACH_BLOCK = frozenset({"layer_types", "no_rope_layers"})
_ONE_STACK = frozenset({*_TRAITS, "deberta", "deberta-v2"} - {"gpt_neo"})

# GPT Neo's config says of its attention by runs of blocks.
_OF_EACH_BLOCK = frozenset({"layer_types", "no_rope_layers"})
_ONE_STACK = frozenset({*_TRAITS, "deberta", "deberta-v2"} - {"gpt_neo"})


def shape_of(config: Mapping[str, Any], weights: WeightShapes | None = None) -> Shape:
    """Return the shape that a ``transformers`` config describes.

    Args:
        config: The config.
        weights: Shapes of the weights in the model's files, if available: they give the parameters
            of an architecture where the config is not enough.

    Raises:
        ValueError: There is no text classifier of the architecture, or a value is invalid; the
            message says which.
    """
    model_type = config.get("model_type")
    kind = CLASSIFIERS.get(model_type) if isinstance(model_type, str) else None
    if not isinstance(model_type, str) or kind is None:
        raise ValueError(f"transformers has no text classifier for its architecture {model_type!r}")
    reason = unfit(model_type)
    if reason is not None:
        raise ValueError(f"its architecture does not fit: {reason}")
    values = ConfigValues(config, FAMILY_DEFAULTS.get(model_type, {}))
    if model_type in _SPECIAL:
        return _SPECIAL[model_type](values)
    if model_type in _TRAITS:
        return shape_by_rule(values, _TRAITS[model_type])
    shape = _probable_shape(values, kind)
    counts = None if weights is None else count_weights(weights)
    return shape if counts is None else _counted(shape, counts, values)


def first_blocks(config: Mapping[str, Any], blocks: int) -> dict[str, Any]:
    """Return the config of a model that is the first blocks of another one.

    Args:
        config: Of the whole model.
        blocks: How many blocks are kept, from the embedding on.

    Raises:
        ValueError: The architecture is none that is one stack of blocks, or has no more than that.
    """
    model_type = config.get("model_type")
    if model_type not in _ONE_STACK:
        raise ValueError(f"its architecture {model_type!r} is none whose first blocks can be taken")
    names = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    written = [name for name in names if name in config]
    whole = ConfigValues(config, FAMILY_DEFAULTS.get(model_type, {})).whole("num_hidden_layers")
    if not 0 < blocks < whole:
        raise ValueError(f"it has {whole} blocks, and the first {blocks} are no part of them")
    cut = {**config, **dict.fromkeys(written or names[:1], blocks)}
    for name in _OF_EACH_BLOCK & set(cut):
        cut[name] = cut[name] and cut[name][:blocks]
    return cut


def lost_positions(architecture: str) -> bool:
    """Whether the first positions of an architecture's embedding are never used."""
    traits = _TRAITS.get(architecture)
    return traits is not None and traits.lost_positions > 0


def has_gates(architecture: str) -> bool:
    """Whether the feed-forward blocks of an architecture have gates."""
    traits = _TRAITS.get(architecture)
    if traits is not None:
        return traits.gated
    return architecture not in _SPECIAL and CLASSIFIERS.get(architecture) is ModelKind.DECODER


def _probable_shape(values: ConfigValues, kind: ModelKind) -> Shape:
    """Return the approximate shape of an architecture without known traits."""
    if kind is ModelKind.ENCODER_DECODER:
        return bart(values)
    is_modern = values.value("rms_norm_eps") is not None
    usual = _LLAMA if is_modern else _BERT if kind is ModelKind.ENCODER else _GPT2
    return shape_by_rule(values, replace(usual, kind=kind))


def _counted(shape: Shape, counts: WeightCounts, values: ConfigValues) -> Shape:
    """Return a shape with the counts of the weight files."""
    computed = counts.matrices
    if counts.expert_matrices:
        experts = max(1, values.whole("num_local_experts", 1))
        chosen = min(experts, values.whole("num_experts_per_tok", 1))
        computed -= counts.expert_matrices * (experts - chosen) // experts
    return replace(
        shape,
        embedding=counts.embedding,
        blocks=counts.blocks,
        other=counts.other,
        computed=computed,
        layers=counts.layers,
    )
