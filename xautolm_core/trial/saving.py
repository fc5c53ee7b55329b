"""Saves a trained model as a plain Hugging Face folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import model_validator

from xautolm_core.space.configuration import Configuration
from xautolm_core.space.methods import has_model
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.files import write_json_atomic
from xautolm_core.trial.tokenizer import TokenizerFolder


class ModelCard(BaseModel):
    """What stands in ``xautolm.json`` beside a saved model.

    Attributes:
        max_length: Longest input in tokens, as in training; of a model without a language model
            None, as are precision and tokenizer.
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
    max_length: int | None = None
    task: str
    fingerprint: str
    has_pairs: bool
    labels: tuple[str, ...]
    precision: str | None = None
    configuration: Configuration
    tokenizer: TokenizerTraits | None = None

    @model_validator(mode="after")
    def _check_reader(self) -> ModelCard:
        if has_model(self.configuration.method):
            self.reader()
        return self

    def reader(self) -> TextReader:
        """Return how the card's language model reads texts.

        Raises:
            ValueError: There is no language model.
        """
        if self.max_length is None or self.precision is None or self.tokenizer is None:
            raise ValueError("the card does not say how its language model reads texts")
        return TextReader(self.max_length, self.precision, self.tokenizer)


@dataclass(frozen=True)
class TextReader:
    """How a saved language model reads texts.

    Attributes:
        max_length: Longest input in tokens, as in training.
        precision: Of the matrix products, in training and evaluation.
        tokenizer: What batches need to know.
    """

    max_length: int
    precision: str
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

    def fill(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.copy_to(folder)
        make_readable(folder)

    return save_folder(out_folder, card, fill)


def make_readable(folder: Path) -> None:
    """Let everybody read the files in a folder: safetensors makes them readable for one alone."""
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(0o644)


def save_folder(out_folder: Path, card: ModelCard, fill: Callable[[Path], None]) -> str:
    """Save a model's folder, whole or not at all. Return the folder's name.

    Args:
        out_folder: The folder of the trial; a model of an earlier attempt in it is replaced.
        card: What to write beside the model.
        fill: Writes the model into the folder that it is given.
    """
    temporary = Path(tempfile.mkdtemp(dir=out_folder, prefix=f".{MODEL_FOLDER}."))
    try:
        temporary.chmod(0o755)
        fill(temporary)
        write_json_atomic(temporary / MODEL_CARD_FILE, card)
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
    configuration: Configuration,
    max_length: int | None = None,
    precision: str | None = None,
    tokenizer: TokenizerFolder | None = None,
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
        tokenizer=None if tokenizer is None else tokenizer.traits,
    )
