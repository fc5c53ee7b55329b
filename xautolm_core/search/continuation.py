"""Continue a promising short trial from its checkpoint, instead of repeating it.

A trial has the epochs that fitted when it was started. Where time is left at the end, one of the
best gets more of them, as in successive halving (Jamieson and Talwalkar, arXiv 1502.07943), without
repeating the training that it has done.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from xautolm_core.errors import LaunchError
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.epochs import EPOCHS
from xautolm_core.search.epochs import epoch_choices
from xautolm_core.search.folders import trial_folder
from xautolm_core.search.planned import PlannedTrial
from xautolm_core.search.records import choose_best
from xautolm_core.search.records import model_score
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.forecast import Forecast
    from xautolm_core.space.space import SearchSpace

KEPT_CHECKPOINTS = 2
"""Candidates whose checkpoints stay on disk."""

# Less than this part of an epoch changes nothing.
_LEAST_EPOCHS = 0.25
_MARGIN = 1.1
_ENDED_OUTSIDE = (Outcome.CANCELLED, Outcome.PREEMPTED)


@dataclass(frozen=True)
class Room:
    """The time for one more trial.

    Attributes:
        left_seconds: Rest of the budget, for training and evaluation.
        usual_seconds: Expected time of another new trial, its start-up included; infinite if none
            follows.
    """

    left_seconds: float
    usual_seconds: float


def plan_continuation(
    space: SearchSpace,
    records: Sequence[TrialRecord],
    *,
    running: Iterable[int],
    room: Room,
    forecast: Callable[[Configuration], Forecast],
    validation_rows: int,
    training_rows: int,
) -> PlannedTrial | None:
    """Return the continuation of a trial if one is due, else None.

    It continues the best trial of a language model, or one whose score is at most a standard error
    below and that had fewer epochs, as it has the most to gain. It doubles the training, within the
    epochs that the space admits. It is due when no new trial would fit in before it; until then
    new trials have priority.

    Args:
        space: Limits the number of epochs.
        records: All trials so far.
        running: Numbers of the trials that are being continued now.
        room: The time left.
        forecast: Predicts a configuration's time.
        validation_rows: Number of validation rows.
        training_rows: Rows of the task's training split.
    """
    chosen = _most_promising(space, records, set(running), validation_rows)
    if chosen is None:
        return None
    configuration, progress = chosen.configuration, chosen.result.progress
    expected = forecast(configuration)
    asked = training_rows * row_share(configuration)
    rows = progress.rows / asked if progress.rows and asked else 1.0
    epoch_seconds = rows * expected.epoch_seconds + expected.evaluation_seconds
    most = max(_epochs_of(space, configuration)) - progress.epochs
    wanted_epochs = min(most, max(progress.epochs, 1.0))
    wanted_seconds = _MARGIN * wanted_epochs * epoch_seconds
    if room.left_seconds >= wanted_seconds + room.usual_seconds:
        return None
    epochs = min(wanted_epochs, room.left_seconds / epoch_seconds)
    if epochs < _LEAST_EPOCHS:
        return None
    end = math.ceil(progress.epochs + epochs - 1e-9)
    longer = min(number for number in _epochs_of(space, configuration) if number >= end)
    return PlannedTrial(
        configuration.model_copy(
            update={"parameters": {**configuration.parameters, EPOCHS: longer}}
        ),
        why=f"trial {chosen.number} continued: of the best so far, after {progress.epochs:.3g} "
        "epochs",
        soft_deadline_seconds=min(wanted_seconds, room.left_seconds),
        continues=chosen.number,
    )


def worth_a_checkpoint(space: SearchSpace, records: Sequence[TrialRecord]) -> set[int]:
    """Return the trials that may be continued: the best with a checkpoint and epochs left.

    Only their checkpoints stay on disk, and only they are continued.

    Args:
        space: Limits the number of epochs.
        records: All trials so far.
    """
    return {record.number for record in _continuable(space, records)}


def continuing(
    spec: TrialSpec, out_folder: Path, records: Iterable[TrialRecord], number: int
) -> TrialSpec:
    """Return a spec that continues a trial from its checkpoint, with that trial's rows and seed.

    Where the checkpoint is missing, the spec starts from scratch.

    Args:
        spec: The new trial as it would start from scratch.
        out_folder: The run folder.
        records: All trials so far.
        number: Number of the trial to continue.

    Raises:
        LaunchError: The spec of that trial is missing.
    """
    parent = next(record.result for record in records if record.number == number)
    if parent.checkpoint_folder is None:
        return spec
    folder = trial_folder(out_folder, number, parent.attempt)
    try:
        known = TrialSpec.model_validate_json((folder / SPEC_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise LaunchError(
            f"Trial {number} cannot be continued: its {SPEC_FILE} cannot be read",
            hint=f"Restore {folder}, then resume the search",
        ) from error
    budget = spec.budget.model_copy(
        update={
            "data_fraction": known.budget.data_fraction,
            "max_validation_rows": known.budget.max_validation_rows,
        }
    )
    return spec.model_copy(
        update={
            "seed": known.seed,
            "budget": budget,
            "continues": number,
            "resume_from": folder / parent.checkpoint_folder,
        }
    )


def standard_error(score: float, rows: int) -> float:
    """Return the binomial standard error of a score on a number of rows."""
    share = min(max(score, 0.0), 1.0)
    return math.sqrt(share * (1 - share) / max(rows, 1))


def _most_promising(
    space: SearchSpace, records: Sequence[TrialRecord], running: set[int], rows: int
) -> TrialRecord | None:
    best = choose_best(r for r in records if not is_cheap(r.configuration.method))
    score = None if best is None else model_score(best)
    if score is None:
        return None
    lowest = score - standard_error(score, rows)
    candidates = [
        record
        for record in _continuable(space, records)
        if record.number not in running and record.values[Objective.F1.value] >= lowest
    ]
    return min(
        candidates,
        key=lambda r: (r.result.progress.epochs, -r.values[Objective.F1.value], r.number),
        default=None,
    )


def _continuable(space: SearchSpace, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    # A continuation that failed is not tried again either; one that was ended from outside is.
    done = {
        record.result.continues for record in records if record.result.outcome not in _ENDED_OUTSIDE
    }
    found = [
        record
        for record in records
        if record.values
        and record.result.checkpoint_folder
        and record.number not in done
        and max(_epochs_of(space, record.configuration), default=0) > record.result.progress.epochs
    ]
    return sorted(found, key=lambda r: (-r.values[Objective.F1.value], r.number))[:KEPT_CHECKPOINTS]


def _epochs_of(space: SearchSpace, configuration: Configuration) -> list[int]:
    branch = space.branch(configuration.branch)
    parameter = None if branch is None else branch.parameter(EPOCHS)
    return [] if parameter is None else epoch_choices(parameter)
