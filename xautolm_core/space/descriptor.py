"""Describes a model by its config, and checks its folder, without loading weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xautolm_core.space.architectures import shape_of
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.weight_files import WeightShapes
from xautolm_core.space.weight_files import weight_shapes

CONFIG_FILE = "config.json"
WEIGHTS_PATTERN = "model*.safetensors"
TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_VOCABULARIES = frozenset(TOKENIZER_FILES) - {
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
}


def describe(
    config: Mapping[str, Any],
    *,
    weights: WeightShapes | None = None,
    languages: tuple[str, ...] = (),
    pretrained: bool = True,
    base: str = "",
) -> ModelDescriptor:
    """Return the descriptor of a ``transformers`` config.

    Args:
        config: The config.
        weights: Shapes of the weights in the model's files, where they are at hand.
        languages: ISO 639-1 codes; ``multilingual`` for many.
        pretrained: False for an architecture with random weights.
        base: Hub id of the model whose first blocks it is; empty for a whole one.

    Raises:
        ValueError: The architecture is not known, or a value makes no sense.
    """
    shape = shape_of(config, weights)
    return ModelDescriptor(
        architecture=str(config["model_type"]),
        kind=shape.kind,
        parameters=shape.embedding + shape.blocks + shape.other,
        embedding_parameters=shape.embedding,
        layers=shape.layers,
        width=shape.width,
        feed_forward_width=shape.feed_forward,
        heads=shape.heads,
        vocabulary=shape.vocabulary,
        max_length=shape.max_length,
        computed_parameters=shape.computed,
        languages=languages,
        pretrained=pretrained,
        base=base,
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Return the config of a model's folder.

    Raises:
        ValueError: There is none, or it is no JSON object.
    """
    try:
        content = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{folder} has no readable {CONFIG_FILE}") from error
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG_FILE} is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError(f"{folder / CONFIG_FILE} is no JSON object")
    return content


def check_folder(folder: Path) -> WeightShapes:
    """Make sure that a folder holds weights as safetensors, whole ones, and a tokenizer.

    Returns:
        The shapes of the weights.

    Raises:
        ValueError: It does not; the message says what is missing.
    """
    files = sorted(folder.glob(WEIGHTS_PATTERN))
    if not files:
        raise ValueError(f"{folder} has no {WEIGHTS_PATTERN}; other weight formats are not read")
    weights: dict[str, tuple[int, ...]] = {}
    for path in files:
        weights |= weight_shapes(path)
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ValueError(f"{folder} has no tokenizer (tokenizer.json, vocab.txt, ...)")
    return weights


def tokenizer_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) over names and contents of a folder's tokenizer files."""
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            data = path.read_bytes()
            digest.update(f"{name}:{len(data)}:".encode())
            digest.update(data)
    return digest.hexdigest()
