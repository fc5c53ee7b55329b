"""The layout of a run folder, and its small files that a resume reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from pydantic import ValidatorFunctionWrapHandler
from pydantic import field_validator

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.trial.contract import ATTEMPT_NAME
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.contract import attempt_name
from xautolm_core.trial.files import read_result

PROPOSAL_FILE = "proposal.json"
STATE_FILE = "state.json"
HISTORY_FILE = "history.parquet"
CACHE_FOLDER = "cache"
LOCK_FILE = ".lock"

ModelT = TypeVar("ModelT", bound=BaseModel)


class Proposal(BaseModel):
    """A proposed trial, written before the trial is started.

    Attributes:
        number: Number of the trial.
        configuration: Its configuration.
        why: Origin of the configuration, in words.
        continues: Number of the trial that it continues; None if it starts from scratch.
        explanation: Predictions of the sampler; None where it made none, or they cannot be read.
        study_attributes: Attributes of the study that the sampler had set by then.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int = Field(ge=0)
    configuration: Configuration
    why: str
    continues: int | None = Field(default=None, ge=0)
    explanation: TrialExplanation | None = None
    study_attributes: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("explanation", mode="wrap")
    @classmethod
    def _none_if_unreadable(
        cls, value: Any, handler: ValidatorFunctionWrapHandler
    ) -> TrialExplanation | None:
        # The trial counts even if its predictions cannot be read.
        try:
            found: TrialExplanation | None = handler(value)
        except ValidationError:
            return None
        return found


class RunState(BaseModel):
    """The state of a search for a resume: measurements before its trials, and the time used.

    Attributes:
        elapsed_seconds: Wall-clock seconds used so far, over all of its processes.
        expected_trials: Number of trials that the sampler's constants were derived from.
        task_fingerprint: Fingerprint of the task's content.
        task_features: Fields of the task's ``FeatureVector``.
        system_features: Likewise of the machine.
        test: Fields of the ``TestReport``, once the test split was used.
        test_trials: Trials whose models were tested: the chosen one, and the one compared with it.
        without_checkpoints: Attempts (names of their folders) whose checkpoints are not needed.
        checkpoints_to_delete: Those of them whose checkpoints may still exist.
        phase_seconds: Seconds by phase so far.
        notes: Notes for the user.
        expected_shares: Share of each spending limit that a trial is expected to use, by earlier
            searches.
        budget_used: Share of each spending limit that was used so far, running trials included; and
            of the limit on ``trials`` of language models, by ended ones.
        unkept_experiences: Experiences that are not in the store yet.
    """

    model_config = ConfigDict(extra="ignore")

    elapsed_seconds: float = 0.0
    expected_trials: int | None = None
    task_fingerprint: str = ""
    task_features: dict[str, Any] = Field(default_factory=dict)
    system_features: dict[str, Any] = Field(default_factory=dict)
    test: dict[str, Any] | None = None
    test_trials: list[int] = Field(default_factory=list)
    without_checkpoints: list[str] = Field(default_factory=list)
    checkpoints_to_delete: list[str] = Field(default_factory=list)
    phase_seconds: dict[str, float] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    expected_shares: dict[str, float] = Field(default_factory=dict)
    budget_used: dict[str, float] = Field(default_factory=dict)
    unkept_experiences: int = 0


@dataclass(frozen=True)
class AttemptFolder:
    """One attempt of a trial, read from its folder.

    Attributes:
        number: Number of the trial.
        attempt: Number of the attempt.
        folder: Its folder.
        proposal: The proposed trial.
        spec: None if it was never submitted.
        result: None if it has no result.
    """

    number: int
    attempt: int
    folder: Path
    proposal: Proposal
    spec: TrialSpec | None
    result: TrialResult | None


def trial_folder(out_folder: Path, number: int, attempt: int) -> Path:
    """Return the folder of one attempt of a trial."""
    return out_folder / TRIALS_FOLDER / attempt_name(number, attempt)


def read_attempts(out_folder: Path) -> dict[int, list[AttemptFolder]]:
    """Read all attempts of a run, by trial number; folders without a proposal are left out.

    Returns:
        Trial number to its attempts in their order, by number. A number is absent where the sampler
        had nothing left to try.
    """
    found: dict[int, list[AttemptFolder]] = {}
    parent = out_folder / TRIALS_FOLDER
    for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
        match = ATTEMPT_NAME.fullmatch(folder.name)
        proposal = _read(folder / PROPOSAL_FILE, Proposal)
        if match is None or proposal is None:
            continue
        number, attempt = int(match[1]), int(match[2])
        spec = _read(folder / SPEC_FILE, TrialSpec)
        result = read_result(folder)
        if result is not None and (result.trial_number, result.attempt) != (number, attempt):
            result = None
        found.setdefault(number, []).append(
            AttemptFolder(number, attempt, folder, proposal, spec, result)
        )
    for attempts in found.values():
        attempts.sort(key=lambda a: a.attempt)
    return dict(sorted(found.items()))


def read_state(out_folder: Path) -> RunState | None:
    """Return the state of a run, or None if it has none yet."""
    return _read(out_folder / STATE_FILE, RunState)


def _read(path: Path, kind: type[ModelT]) -> ModelT | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
