"""The tokenizer that a GGUF file's metadata describe, as the files that transformers reads.

They are written here rather than by a library, so that they are the same with every version of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from xautolm_core.errors import SpaceError

_KIND = ("gpt2", "smollm")
"""Byte-level pairs, and how a text is split before: each digit alone, the rest as GPT-2 does."""

_CONTROL = 3
"""Type of a token that is a mark rather than text."""

_MARKS = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
}
_FLAGS = {
    "add_bos_token": "tokenizer.ggml.add_bos_token",
    "add_eos_token": "tokenizer.ggml.add_eos_token",
}


def tokenizer_files(metadata: Mapping[str, Any], *, max_length: int) -> dict[str, bytes]:
    """Return ``tokenizer.json`` and ``tokenizer_config.json``, the chat template in the latter.

    Args:
        metadata: The file's keys that begin with ``tokenizer.``, with their values.
        max_length: Longest input of the model in tokens.

    Raises:
        SpaceError: It is a tokenizer of another kind.
    """
    kind = (metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre"))
    if kind != _KIND:
        raise SpaceError(f"a GGUF's tokenizer of kind {kind[0]!r}, {kind[1]!r} cannot be converted")
    tokens: Sequence[str] = metadata["tokenizer.ggml.tokens"]
    marks = {
        name: tokens[metadata[key]] for name, key in _MARKS.items() if metadata.get(key) is not None
    }
    # A sequence may end by a mark that the template does not write itself.
    flags = {name: bool(metadata[key]) for name, key in _FLAGS.items() if key in metadata}
    config = {
        **marks,
        **flags,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        # The class that takes tokenizer.json as it is.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    template = metadata.get("tokenizer.chat_template")
    if template:
        config["chat_template"] = template
    return {
        "tokenizer.json": _json(_tokenizer(metadata, tokens)),
        "tokenizer_config.json": _json(config),
    }


def _tokenizer(metadata: Mapping[str, Any], tokens: Sequence[str]) -> dict[str, Any]:
    types: Sequence[int] = metadata["tokenizer.ggml.token_type"]
    added = [
        {
            "id": number,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for number, (token, kind) in enumerate(zip(tokens, types, strict=True))
        if kind == _CONTROL
    ]
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {**byte_level, "add_prefix_space": False},
            ],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [merge.split(" ", 1) for merge in metadata["tokenizer.ggml.merges"]],
        },
    }


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
