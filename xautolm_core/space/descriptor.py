"""Describes a model by its config, and checks its folder, without loading weights."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xautolm_core.space.architectures import shape_of
from xautolm_core.space.model import ModelDescriptor

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
_LONGEST_HEADER_BYTES = 100_000_000


def describe(
    config: Mapping[str, Any], *, languages: tuple[str, ...] = (), pretrained: bool = True
) -> ModelDescriptor:
    """Return the descriptor of a ``transformers`` config.

    Raises:
        ValueError: The architecture is not known, or a value makes no sense.
    """
    shape = shape_of(config)
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


def check_folder(folder: Path) -> None:
    """Make sure that a folder holds weights as safetensors, whole ones, and a tokenizer.

    Raises:
        ValueError: It does not; the message says what is missing.
    """
    weights = sorted(folder.glob(WEIGHTS_PATTERN))
    if not weights:
        raise ValueError(f"{folder} has no {WEIGHTS_PATTERN}; other weight formats are not read")
    for path in weights:
        parameters_of_safetensors(path)
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ValueError(f"{folder} has no tokenizer (tokenizer.json, vocab.txt, ...)")


def parameters_of_safetensors(path: Path) -> int:
    """Return the number of values in a safetensors file, read from its header.

    Raises:
        ValueError: The file is cut off or no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, _LONGEST_HEADER_BYTES):
                raise ValueError(f"{path} is cut off or no safetensors file")
            header = json.loads(file.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        if size != 8 + length + end:
            raise ValueError(f"{path} is cut off: {size} bytes, should be {8 + length + end}")
        return sum(_product(entry["shape"]) for entry in tensors.values())
    except (OSError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no readable safetensors file") from error


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


def _product(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
