"""What differs between architectures, found on their configs and modules: blocks, heads and so on.

Nothing here depends on an architecture's name, so one new to ``transformers`` works as well.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from torch import nn

from xautolm_core.space.architectures import lost_positions

# A layer that makes queries or values, alone or with the keys; but not those of positions.
_QUERY_OR_VALUE = re.compile(r"(?i)(?!pos_)(.*_)?w?(q|v|kv|qkv|query|value)(_.*)?")


def longest_input(config: Any, tokenizer_limit: int | None) -> int:
    """Return the longest input of a model in tokens (a million where nothing limits it)."""
    limits = [1_000_000]
    if tokenizer_limit is not None:
        limits.append(tokenizer_limit)
    positions = getattr(config, "max_position_embeddings", None)
    # T5's positions are relative; its n_positions is only what it was pretrained with.
    if positions is None and not getattr(config, "relative_attention_num_buckets", None):
        positions = getattr(config, "n_positions", None)
    if isinstance(positions, int) and positions > 0:
        if lost_positions(config.model_type):
            positions -= int(config.pad_token_id or 0) + 1
        limits.append(positions)
    return min(limits)


def set_dropout(config: Any, rate: float) -> None:
    """Set all of a config's probabilities of dropout; those of skipped layers are left alone."""
    for name, value in config.to_dict().items():
        if "dropout" not in name and not name.endswith("_pdrop"):
            continue
        # None stands for "as the rest"; a flag is left alone.
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            setattr(config, name, rate)


def takes_types(model: Any) -> bool:
    """Whether a model's forward pass takes segment ids."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "token_type_ids" in inspect.signature(plain.forward).parameters


def backbone(model: Any) -> nn.Module:
    """Return the part of a classifier that was pretrained: without the head."""
    inner: nn.Module = model.base_model
    if inner is not model:
        return inner
    embedding = model.get_input_embeddings()
    children = (c for c in model.children() if any(m is embedding for m in c.modules()))
    return next(children, inner)


def block_lists(model: nn.Module) -> list[nn.ModuleList]:
    """Return the stacks of transformer blocks: one, or two for an encoder with a decoder.

    A stack is an outermost list of modules with weights.
    """
    found: list[tuple[str, nn.ModuleList]] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer, _ in found)
        if not inside and isinstance(module, nn.ModuleList) and _has_weights(module):
            found.append((name, module))
    return [module for _, module in found]


def head_parameter_names(model: Any) -> set[str]:
    """Return the names of the classification head's parameters, the pooler's included."""
    heads = {id(p) for module in _head_modules(model).values() for p in module.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in heads}


def head_module_names(model: Any) -> list[str]:
    """Return the names of the outermost modules of the head, for peft's ``modules_to_save``."""
    return list(_head_modules(model))


def _head_modules(model: Any) -> dict[str, nn.Module]:
    """Return name to module of the head: all outside the backbone, and the backbone's pooler."""
    inner = backbone(model)
    found = {
        name: module
        for name, module in model.named_children()
        if module is not inner and _has_weights(module)
    }
    pooler = pooler_of(model)
    if pooler is not None and _has_weights(pooler):
        found["pooler"] = pooler
    return found


def pooler_of(model: Any) -> nn.Module | None:
    """Return the pooler within a classifier's backbone, or None."""
    pooler = getattr(backbone(model), "pooler", None)
    return pooler if isinstance(pooler, nn.Module) else None


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def lora_targets(model: Any) -> list[str] | str:
    """Return the layers that LoRA adapts: those that make queries and values.

    E. Hu et al., "LoRA", arXiv 2106.09685, section 7.1, adapts these. They are the layers with
    weights of a block's attention whose names say so; where none does, those with more outputs than
    inputs, which make queries, keys and values at once; without any such attention all linear ones.
    """
    targets = []
    for name, module in backbone(model).named_modules():
        if "attention" not in type(module).__name__.lower():
            continue
        layers = {child: _sizes(layer) for child, layer in module.named_children()}
        linear = {child: sizes for child, sizes in layers.items() if sizes is not None}
        named = [child for child in linear if _QUERY_OR_VALUE.fullmatch(child)]
        joined = [child for child, (inputs, outputs) in linear.items() if outputs > inputs]
        targets += [f"{name}.{child}" for child in named or joined]
    return targets or "all-linear"


def linear_layers(model: Any) -> list[str]:
    """Return all linear layers of the backbone, for peft's ``target_modules``."""
    return [name for name, layer in backbone(model).named_modules() if _sizes(layer) is not None]


def _sizes(layer: nn.Module) -> tuple[int, int] | None:
    """Return the numbers of inputs and outputs of a linear layer; None of another module."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if type(layer).__name__ == "Conv1D":
        inputs, outputs = next(layer.parameters()).shape
        return int(inputs), int(outputs)
    return None


def has_transposed_layers(model: nn.Module) -> bool:
    """Whether the model has layers that keep weights as (in, out), as GPT-2's ``Conv1D`` does."""
    return any(type(m).__name__ == "Conv1D" for m in model.modules())
