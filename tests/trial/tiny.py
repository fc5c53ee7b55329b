"""Small tasks and tiny untrained models of many architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xautolm_core.records.scores import ClassificationScores
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.scores import classification_scores
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task
from xautolm_core.trial.answers import AnswersRequest
from xautolm_core.trial.answers import answer_split

_WORDS = (
    "goal match team player league score coach stadium cup season",
    "market share bank profit price trade stock dollar growth fund",
    "planet star orbit space rocket moon probe comet telescope galaxy",
    "the a of and in to was on with that it for at by from",
)
TOPICS = [words.split() for words in _WORDS[:3]]
FILLERS = _WORDS[3].split()


def make_split(rows: int, classes: int, seed: int, *, pairs: bool = False) -> Split:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(rows) % classes).astype(np.int32)

    def text(label: int) -> str:
        length = int(generator.integers(3, 24))
        words = [
            str(generator.choice(TOPICS[label] if generator.random() < 0.5 else FILLERS))
            for _ in range(length)
        ]
        return " ".join(words)

    def column() -> pa.ChunkedArray:
        texts = [text(int(label)) for label in labels]
        return pa.chunked_array([pa.array(texts, type=pa.large_string())])

    return Split(texts=column(), text_pairs=column() if pairs else None, labels=labels)


def make_task(
    rows: int = 96, classes: int = 3, *, pairs: bool = False, seed: int = 0, held_out: int = 48
) -> Task:
    return Task(
        name="topics",
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint=f"{rows:04d}{classes}{int(pairs)}{seed:04d}".ljust(64, "0"),
        labels=("sport", "money", "space")[:classes],
        splits={
            "train": make_split(rows, classes, seed, pairs=pairs),
            "validation": make_split(held_out, classes, seed + 1, pairs=pairs),
            "test": make_split(held_out, classes, seed + 2, pairs=pairs),
        },
    )


_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_BERT = {**_SMALL, "intermediate_size": 64, "max_position_embeddings": 66, "vocab_size": 700}
TINY: dict[str, dict[str, Any]] = {
    "bert": {"model_type": "bert", **_BERT},
    "roberta": {"model_type": "roberta", **_BERT},
    "electra": {"model_type": "electra", **_BERT, "embedding_size": 32},
    "albert": {"model_type": "albert", **_BERT, "embedding_size": 16},
    "deberta-v2": {"model_type": "deberta-v2", **_BERT},
    "distilbert": {
        "model_type": "distilbert",
        "dim": 32,
        "hidden_dim": 64,
        "n_layers": 2,
        "n_heads": 2,
        "max_position_embeddings": 64,
        "vocab_size": 700,
    },
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": 64,
        "vocab_size": 700,
    },
    "llama": {
        "model_type": "llama",
        **_SMALL,
        "num_key_value_heads": 1,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "vocab_size": 700,
    },
    "t5": {
        "model_type": "t5",
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
        "vocab_size": 700,
    },
    "bart": {
        "model_type": "bart",
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_position_embeddings": 64,
        "vocab_size": 700,
    },
}

_WIDE = {**TINY["llama"], "head_dim": 24}
FAMILIES: dict[str, dict[str, Any]] = {
    "modernbert": {"model_type": "modernbert", **_BERT, "local_attention": 8},
    "eurobert": {"model_type": "eurobert", **_BERT},
    "deberta-v3": {
        "model_type": "deberta-v2",
        **_BERT,
        "relative_attention": True,
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "xlm-roberta": {"model_type": "xlm-roberta", **_BERT, "type_vocab_size": 1},
    "electra": TINY["electra"],
    "t5": TINY["t5"],
    "bart": TINY["bart"],
    "llama": TINY["llama"],
    "qwen3": {**_WIDE, "model_type": "qwen3"},
    "gemma3": {
        **_WIDE,
        "model_type": "gemma3_text",
        "query_pre_attn_scalar": 24,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
}
"""A tiny architecture of each family that every method is tried on."""


def tiny_model(architecture: str = "bert") -> ModelReference:
    config = TINY.get(architecture) or FAMILIES[architecture]
    return ModelReference(id=f"untrained/tiny-{architecture}", untrained_config=config)


def validation_scores(model_folder: Path, task_folder: Path) -> ClassificationScores:
    """Return the scores of a saved model on the validation split of a prepared task."""
    request = AnswersRequest(
        model_folder=model_folder,
        task_folder=task_folder,
        split="validation",
        out_file=model_folder.parent / "answers.json",
        device="cpu",
    )
    answers = answer_split(request)
    task = open_prepared(task_folder)
    assert answers.labels == task.labels
    return classification_scores(task.validation.labels, answers.predicted, task.labels)
