"""Saves a trained model as a plain Hugging Face folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict

from xautolm_core.space.configuration import Configuration
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.files import write_json_atomic
from xautolm_core.trial.tokenizer import TokenizerFolder


class ModelCard(BaseModel):
    """What stands in ``xautolm.json`` beside a saved model.

    Attributes:
        max_length: Longest input in tokens, as in training.
        task: Name of the task.
        fingerprint: Of the task's content.
        has_pairs: Whether an input consists of two texts.
        labels: Class names in their order.
        precision: Of the matrix products, in training and evaluation.
        configuration: What it was trained with.
        tokenizer: What batches need to know.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int = 1
    max_length: int
    task: str
    fingerprint: str
    has_pairs: bool
    labels: tuple[str, ...]
    precision: str
    configuration: Configuration
    tokenizer: TokenizerTraits


def save_model(
    model: Any,
    tokenizer: TokenizerFolder,
    card: ModelCard,
    out_folder: Path,
) -> str:
    """Save a model; its folder appears whole or not at all. Return the folder's name.

    Args:
        model: A plain transformers model (LoRA merged), with the class names in its config.
        tokenizer: Its tokenizer.
        card: What to write beside it.
        out_folder: The folder of the trial; a model of an earlier attempt in it is replaced.
    """
    temporary = Path(tempfile.mkdtemp(dir=out_folder, prefix=f".{MODEL_FOLDER}."))
    try:
        temporary.chmod(0o755)
        model.save_pretrained(temporary)
        tokenizer.copy_to(temporary)
        write_json_atomic(temporary / MODEL_CARD_FILE, card)
        for file in temporary.iterdir():
            # safetensors makes its file readable for its owner alone.
            file.chmod(0o644)
        target = out_folder / MODEL_FOLDER
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return MODEL_FOLDER


def make_card(
    task: Task,
    *,
    max_length: int,
    precision: str,
    configuration: Configuration,
    tokenizer: TokenizerFolder,
) -> ModelCard:
    """Return what stands beside a task's model."""
    return ModelCard(
        max_length=max_length,
        task=task.name,
        fingerprint=task.fingerprint,
        has_pairs=task.has_pairs,
        labels=task.labels,
        precision=precision,
        configuration=configuration,
        tokenizer=tokenizer.traits,
    )
