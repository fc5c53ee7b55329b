"""What differs between architectures: blocks, heads, LoRA's targets, longest input, dropout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from typing import Literal

import torch
from torch import nn

# Their first position is the one after the padding token's, so that many places are lost.
_OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl", "bertweet"}
)
# Names under which configs keep a probability of dropout.
DROPOUT_NAMES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "classifier_dropout_prob",
    "pooler_dropout",
    "cls_dropout",
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "seq_classif_dropout",
    "dropout_rate",
    "resid_pdrop",
    "embd_pdrop",
    "attn_pdrop",
    "embedding_dropout",
    "mlp_dropout",
    "hidden_dropout",
    "resid_dropout",
    "embed_dropout",
)
# Those that peft does not know, or knows under another name.
_LORA_TARGETS: dict[str, list[str]] = {
    "distilbert": ["q_lin", "v_lin"],
    "albert": ["query", "value"],
    "xlm-roberta": ["query", "value"],
    "camembert": ["query", "value"],
    "mobilebert": ["query", "value"],
    "convbert": ["query", "value"],
    "mpnet": ["attn.q", "attn.v"],
    "modernbert": ["Wqkv"],
    "phi": ["q_proj", "v_proj"],
    "phi3": ["qkv_proj"],
}


def longest_input(config: Any, tokenizer_limit: int | None) -> int:
    """Return the longest input of a model in tokens (a million where nothing limits it)."""
    limits = [1_000_000]
    if tokenizer_limit is not None:
        limits.append(tokenizer_limit)
    positions = getattr(config, "max_position_embeddings", None) or getattr(
        config, "n_positions", None
    )
    # T5's positions are relative; its n_positions is only what it was pretrained with.
    relative = getattr(config, "relative_attention_num_buckets", None)
    if isinstance(positions, int) and positions > 0 and not relative:
        if config.model_type in _OFFSET_POSITIONS:
            positions -= int(config.pad_token_id or 0) + 1
        limits.append(positions)
    return min(limits)


def block_lists(model: nn.Module) -> list[nn.ModuleList]:
    """Return the stacks of transformer blocks: one, or two for an encoder with a decoder.

    A stack is an outermost list of modules of one class that hold most of the model's weights.
    """
    found: list[tuple[str, nn.ModuleList]] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer, _ in found)
        if inside or not isinstance(module, nn.ModuleList) or len(module) == 0:
            continue
        same_class = len({type(m) for m in module}) == 1
        if same_class and any(True for _ in module.parameters()):
            found.append((name, module))
    return [module for _, module in found]


def head_parameter_names(model: Any) -> set[str]:
    """Return the names of the classification head's parameters, the pooler's included."""
    prefix = f"{model.base_model_prefix}."
    return {
        name
        for name, _ in model.named_parameters()
        if not name.startswith(prefix) or ".pooler." in name
    }


def head_module_names(model: Any) -> list[str]:
    """Return the names of the outermost modules of the head, for peft's ``modules_to_save``."""
    names = [
        name
        for name, module in model.named_children()
        if name != model.base_model_prefix and any(True for _ in module.parameters())
    ]
    pooler = getattr(model.base_model, "pooler", None)
    if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        names.append("pooler")
    return names


def lora_targets(model: Any) -> list[str] | str:
    """Return the modules that LoRA adapts: peft's choice, or all linear ones where it has none."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    kind = model.config.model_type
    return _LORA_TARGETS.get(kind) or KNOWN.get(kind) or "all-linear"


def has_transposed_layers(model: nn.Module) -> bool:
    """Whether the model has layers that keep weights as (in, out), as GPT-2's ``Conv1D`` does."""
    return any(type(m).__name__ == "Conv1D" for m in model.modules())


@dataclass(frozen=True)
class HeadRecipe:
    """How to run a model's head on the one vector a row that it looks at.

    Attributes:
        position: Whose hidden state the head reads: of the ``first`` token, of the ``last`` token
            that is no padding, or of the last end-of-sequence token (``eos``).
        logits: From the model and vectors (rows, width) to logits (rows, classes).
    """

    position: Literal["first", "last", "eos"]
    logits: Callable[[Any, torch.Tensor], torch.Tensor]


def _pooled(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    pooled = model.base_model.pooler(vectors.unsqueeze(1))
    return model.classifier(model.dropout(pooled))


def _albert(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    pooled = model.base_model.pooler_activation(model.base_model.pooler(vectors))
    return model.classifier(model.dropout(pooled))


def _distilbert(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    hidden = torch.relu(model.pre_classifier(vectors))
    return model.classifier(model.dropout(hidden))


def _deberta(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    return model.classifier(model.dropout(model.pooler(vectors.unsqueeze(1))))


def _sequence(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    return model.classifier(vectors.unsqueeze(1))


def _score(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    return model.score(vectors)


def _classification_head(model: Any, vectors: torch.Tensor) -> torch.Tensor:
    return model.classification_head(vectors)


_RECIPES: dict[str, HeadRecipe] = {
    "bert": HeadRecipe("first", _pooled),
    "mobilebert": HeadRecipe("first", _pooled),
    "albert": HeadRecipe("first", _albert),
    "distilbert": HeadRecipe("first", _distilbert),
    "deberta": HeadRecipe("first", _deberta),
    "deberta-v2": HeadRecipe("first", _deberta),
    "roberta": HeadRecipe("first", _sequence),
    "xlm-roberta": HeadRecipe("first", _sequence),
    "camembert": HeadRecipe("first", _sequence),
    "electra": HeadRecipe("first", _sequence),
    "mpnet": HeadRecipe("first", _sequence),
    "gpt2": HeadRecipe("last", _score),
    "gpt_neo": HeadRecipe("last", _score),
    "gpt_neox": HeadRecipe("last", _score),
    "opt": HeadRecipe("last", _score),
    "llama": HeadRecipe("last", _score),
    "mistral": HeadRecipe("last", _score),
    "qwen2": HeadRecipe("last", _score),
    "phi": HeadRecipe("last", _score),
    "t5": HeadRecipe("eos", _classification_head),
    "bart": HeadRecipe("eos", _classification_head),
}


def head_recipe(model: Any) -> HeadRecipe | None:
    """Return how to run the head alone, or None for an architecture that we do not know.

    A recipe is only ever used after it was found to agree with the whole model (see
    ``backbone_features``).
    """
    return _RECIPES.get(model.config.model_type)
