"""What stands beside the tensors of a checkpoint, readable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.records.scores import Score
from xautolm_core.trial.contract import TrialSpec

MANIFEST_FILE = "checkpoint.json"
TENSORS_FILE = "checkpoint.safetensors"


class TrainingPosition(BaseModel):
    """How far a training was, and what it had found.

    Attributes:
        step: Optimiser steps done, from the first trial on.
        steps_per_epoch: Of one pass over the rows.
        tokens: Tokens seen, padding left out.
        padded_tokens: Tokens computed, padding included.
        evaluations: Evaluations made.
        best_epoch: The best of them, from 1 on; 0 before the first.
        best_score: Its primary score; None before the first.
        scores: Its scores.
        decoding: What it chose beside the weights.
        score_to_beat: Primary score that early stopping compares with.
        evaluations_without_gain: That early stopping has counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int = Field(ge=1)
    steps_per_epoch: int = Field(ge=1)
    tokens: int
    padded_tokens: int
    evaluations: int
    best_epoch: int
    best_score: float | None
    scores: Mapping[str, Score]
    decoding: Mapping[str, float] = {}
    score_to_beat: float
    evaluations_without_gain: int

    @property
    def epoch(self) -> int:
        """The epoch of the next step, from 0 on."""
        return self.step // self.steps_per_epoch


class CheckpointManifest(BaseModel):
    """The content of ``checkpoint.json``.

    Attributes:
        search_id: Of the trial that wrote it.
        trial_number: Of that trial.
        identity: Name to digest of everything that a continuation has to share.
        position: How far the training was.
        cumulative_seconds: Training plus evaluation of the trial and of all that it continues.
        cumulative_joules: The same of the joules; None where one of them read none.
        scaler: State of the gradient scaler; empty without one.
        python_random: State of Python's generator: version, numbers, next Gaussian.
        numpy_random: State of numpy's generator but for its keys, which are a tensor.
        bytes: Size of the tensors' file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    search_id: str
    trial_number: int
    identity: Mapping[str, str]
    position: TrainingPosition
    cumulative_seconds: float
    cumulative_joules: float | None
    scaler: Mapping[str, float | int]
    python_random: tuple[int, tuple[int, ...], float | None]
    numpy_random: tuple[str, int, int, float]
    bytes: int


def read_manifest(folder: Path) -> CheckpointManifest | None:
    """Return the manifest of a checkpoint; None if there is no checkpoint that is whole."""
    try:
        manifest = CheckpointManifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        whole = (folder / TENSORS_FILE).stat().st_size == manifest.bytes
    except (OSError, ValidationError):
        return None
    return manifest if whole else None


def chain_facts(
    spec: TrialSpec, seconds: Mapping[str, float], joules: float | None
) -> dict[str, Any]:
    """Return the fields of a result that tell of the trials before it.

    Args:
        spec: The trial.
        seconds: Its own, by phase.
        joules: Its own.
    """
    if spec.continues is None or spec.resume_from is None:
        return {}
    facts: dict[str, Any] = {"continues": spec.continues}
    manifest = read_manifest(spec.resume_from)
    if manifest is not None:
        # Features that it found in the cache are those of the trials before it.
        own = seconds.get("train", 0.0) + seconds.get("evaluate", 0.0)
        facts["cumulative_seconds"] = manifest.cumulative_seconds + own
        if manifest.cumulative_joules is not None and joules is not None:
            facts["cumulative_joules"] = manifest.cumulative_joules + joules
    return facts
