"""Saves a trial's best state: the model as a plain folder, its scores beside it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import model_validator

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import has_model
from xautolm_core.records.outcome import Outcome
from xautolm_core.storage_faults import as_os_errors
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import AnyTask
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import SAVED_FILE
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.saved_state import SavedState
from xautolm_core.trial.saved_state import delete_older
from xautolm_core.trial.saved_state import saved_folder
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.whole_files import whole_folder
from xautolm_core.whole_files import write_json

SAVE_SHARE = 0.02
"""What saves may cost of the training, but for the last one."""
SLOW_BYTES_PER_SECOND = 200e6
"""A slow disk's, for the first save: that is measured, and its time taken for the next."""
_FIRST_SECONDS = 0.05


class ModelCard(BaseModel):
    """What stands in ``xautolm.json`` beside a saved model.

    Attributes:
        max_length: Longest input in tokens, as in training; of a model without a language model
            None, as are precision and tokenizer.
        task: Name of the task.
        task_type: Its type.
        fingerprint: Of the task's content.
        has_pairs: Whether an input of a classifier consists of two texts.
        labels: Class names in their order; none where an answer is no class.
        precision: Of the matrix products, in training and evaluation.
        configuration: What it was trained with.
        tokenizer: Its traits that batches need.
        decoding: What was chosen on validation beside the weights, such as ``null_threshold``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int = 1
    max_length: int | None = None
    task: str
    task_type: str = TaskType.TEXT_CLASSIFICATION
    fingerprint: str
    has_pairs: bool = False
    labels: tuple[str, ...]
    precision: str | None = None
    configuration: Configuration
    tokenizer: TokenizerTraits | None = None
    decoding: Mapping[str, float] = {}

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
        tokenizer: Its traits that batches need.
    """

    max_length: int
    precision: str
    tokenizer: TokenizerTraits


class StateSaver:
    """Writes the best evaluated state to a trial's folder, where that costs little.

    Args:
        model: The model, with the method applied.
        tokenizer: Its tokenizer.
        card: What to write beside it.
        state: Of the trial; knows which evaluation was the best.
    """

    def __init__(
        self, model: Any, tokenizer: TokenizerFolder, card: ModelCard, state: TrialState
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._card = card
        self._state = state
        self._saves_model = state.spec.save_model
        self._saved_evaluation = 0
        self._spent_at_save = 0.0
        self._expected_seconds = _FIRST_SECONDS
        if self._saves_model:
            total = sum(p.numel() * p.element_size() for p in model.parameters())
            self._expected_seconds += total / SLOW_BYTES_PER_SECOND

    @property
    def expected_seconds(self) -> float:
        """What a save takes: a guess by the size before the first one, then what the last took."""
        return self._expected_seconds

    @property
    def is_behind(self) -> bool:
        """Whether the best evaluated state is not on disk."""
        return self._state.best_epoch > self._saved_evaluation

    def is_cheap(self, spent_seconds: float) -> bool:
        """Whether a save is a small part of the training since the last one.

        Args:
            spent_seconds: Of training and evaluation so far.
        """
        return self._expected_seconds <= SAVE_SHARE * (spent_seconds - self._spent_at_save)

    def save(self, spent_seconds: float) -> None:
        """Write the model's present weights as the state of the best evaluation, if not done yet.

        Args:
            spent_seconds: Of training and evaluation so far.

        Raises:
            OSError: The state cannot be written; the one saved before stays.
        """
        if not self.is_behind:
            return
        state = self._state
        evaluation = state.best_epoch
        out_folder = state.spec.out_folder
        since = time.perf_counter()
        with state.clock.phase("save"):
            temporary = Path(tempfile.mkdtemp(dir=out_folder, prefix=".saved."))
            try:
                temporary.chmod(0o755)
                with as_os_errors():
                    self._write(temporary)
                temporary.rename(saved_folder(out_folder, evaluation))
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            delete_older(out_folder, evaluation)
        state.saved_scores = dict(state.scores)
        state.model_folder = MODEL_FOLDER if self._saves_model else None
        self._saved_evaluation = evaluation
        self._spent_at_save = spent_seconds
        self._expected_seconds = time.perf_counter() - since

    def _write(self, folder: Path) -> None:
        if self._saves_model:
            # Not above: models without weights of torch are saved by this module, too.
            from xautolm_core.trial.methods import plain_weights

            plain, weights = plain_weights(self._model)
            plain.save_pretrained(folder, state_dict=weights)
            self._tokenizer.copy_to(folder)
            card = self._card.model_copy(update={"decoding": dict(self._state.decoding)})
            write_json(folder / MODEL_CARD_FILE, card, durable=False)
        make_readable(folder)
        files = {file.name: file.stat().st_size for file in folder.iterdir()}
        saved = SavedState(result=self._state.result(Outcome.OK), files=files)
        write_json(folder / SAVED_FILE, saved, durable=False)


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
    with whole_folder(out_folder / MODEL_FOLDER) as temporary:
        fill(temporary)
        write_json(temporary / MODEL_CARD_FILE, card)
    return MODEL_FOLDER


def make_card(
    task: AnyTask,
    *,
    configuration: Configuration,
    has_pairs: bool = False,
    max_length: int | None = None,
    precision: str | None = None,
    tokenizer: TokenizerFolder | None = None,
    decoding: Mapping[str, float] | None = None,
) -> ModelCard:
    """Return what stands beside a task's model."""
    return ModelCard(
        max_length=max_length,
        task=task.name,
        task_type=task.type,
        fingerprint=task.fingerprint,
        has_pairs=has_pairs,
        labels=task.labels,
        precision=precision,
        configuration=configuration,
        tokenizer=None if tokenizer is None else tokenizer.traits,
        decoding=decoding or {},
    )
