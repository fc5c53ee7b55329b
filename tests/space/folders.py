"""Model folders and spaces to test with, without any real weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

TINY_BERT: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 100,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
}


def write_safetensors(path: Path, values: int = 6) -> None:
    """Write a whole safetensors file with one tensor."""
    entry = {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "tensor": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4 * values))


def write_model(folder: Path, config: dict[str, Any] | None = None) -> Path:
    """Write what a model's folder needs."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config or TINY_BERT))
    (folder / "tokenizer.json").write_text("{}")
    write_safetensors(folder / "model.safetensors")
    return folder


SPACE = """\
schema: 1
name: mine
models:
  tiny:
    - id: org/tiny
      languages: [en]
    - other
branches:
  tiny-full:
    method: full
    models: tiny
    parameters:
      batch_size: [8, 16]
      epochs: {low: 1, high: 3}
      class_weighted_loss: boolean
      learning_rate: [5e-5, 1e-4]
      optimizer: adamw
starts:
  - branch: tiny-full
    model: org/tiny
    parameters:
      batch_size: 8
      epochs: 2
      class_weighted_loss: false
      learning_rate: 5e-5
      optimizer: adamw
"""
