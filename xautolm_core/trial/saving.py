"""Saves a trial's best state: the model as a plain Hugging Face folder, its scores beside it."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict

from xautolm_core.outcomes import Outcome
from xautolm_core.space.configuration import Configuration
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import SAVED_FILE
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.files import write_json_atomic
from xautolm_core.trial.methods import plain_weights
from xautolm_core.trial.saved_state import SavedState
from xautolm_core.trial.saved_state import delete_older
from xautolm_core.trial.saved_state import saved_folder
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import TokenizerFolder

SAVE_SHARE = 0.02
"""What saves may cost of the training, but for the last one."""
SLOW_BYTES_PER_SECOND = 200e6
"""A slow disk's, for the first save: that is measured, and its time taken for the next."""
_FIRST_SECONDS = 0.05


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
            plain, weights = plain_weights(self._model)
            plain.save_pretrained(folder, state_dict=weights)
            self._tokenizer.copy_to(folder)
            write_json_atomic(folder / MODEL_CARD_FILE, self._card, durable=False)
        files = {}
        for file in folder.iterdir():
            # safetensors makes its file readable for its owner alone.
            file.chmod(0o644)
            files[file.name] = file.stat().st_size
        saved = SavedState(result=self._state.result(Outcome.OK), files=files)
        write_json_atomic(folder / SAVED_FILE, saved, durable=False)


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
