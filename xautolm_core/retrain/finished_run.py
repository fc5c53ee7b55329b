"""Read from the run folder of a finished search what the registry stores of its model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.registry.record import ModelRecord
from xautolm_core.registry.record import SplitScores
from xautolm_core.retrain.row_digests import SeenRows
from xautolm_core.retrain.row_digests import digest_rows
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SUMMARY_FILE
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.folders import AttemptFolder
from xautolm_core.search.folders import read_attempts
from xautolm_core.search.folders import read_state
from xautolm_core.search.run_folder import read_spec
from xautolm_core.tasks.load import load_labelled_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.contract import MODEL_CARD_FILE

_HINT = "Give the run folder of a search that has ended (RUN, with summary.json and model/)"


@dataclass(frozen=True)
class FinishedRun:
    """The parts of a finished search that the registry stores.

    Attributes:
        folder: The run folder.
        spec: The specification of the search.
        task_name: Name of the task.
        record: Record of the chosen model, without a parent.
    """

    folder: Path
    spec: SearchSpec
    task_name: str
    record: ModelRecord

    @property
    def model_folder(self) -> Path:
        """The chosen model."""
        return self.folder / BEST_MODEL_FOLDER


def read_finished_run(folder: Path) -> FinishedRun:
    """Read the run folder of a finished search.

    Raises:
        ConfigError: The search has not ended, has found no model, or its files are damaged.
    """
    spec = read_spec(folder / SEARCH_FILE)
    summary = _read_json(folder / SUMMARY_FILE)
    _require_classes(folder, summary)
    card = _read_json(folder / BEST_MODEL_FOLDER / MODEL_CARD_FILE)
    best = summary.get("best")
    if not isinstance(best, dict):
        raise ConfigError(
            f"The search in {folder} has found no model",
            hint="Give it more trials or time: resume it with --resume",
        )
    try:
        number = int(best["trial"])
        attempt = _last_attempt(folder, number)
        result = None if attempt is None else attempt.result
        ended_at = None if result is None else result.ended_at
        rows = (summary.get("data") or {}).get("rows") or {}
        record = ModelRecord(
            task_fingerprint=card["fingerprint"],
            labels=tuple(card["labels"]),
            has_pairs=card["has_pairs"],
            search_id=summary["search_id"],
            trial=number,
            configuration=best["configuration"],
            validation=_validation(best.get("validation") or {}, rows.get("validation")),
            test=_test(folder, summary.get("test"), number),
            seconds=best.get("seconds"),
            search_seconds=summary.get("seconds"),
            energy=()
            if result is None
            else tuple(reading.without_device() for reading in result.energy),
            versions={} if result is None else dict(result.versions),
            created_at=ended_at or spec.created_at,
        )
        return FinishedRun(folder, spec, str(summary["task"]), record)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder / SUMMARY_FILE} or the model's {MODEL_CARD_FILE} is incomplete"
            f" ({type(error).__name__})",
            hint=_HINT,
        ) from error


def rows_of_run(run: FinishedRun, data: str | None) -> SeenRows:
    """Return the digests of all rows that a search has seen, whichever split they were in.

    Args:
        run: The search.
        data: Where its data are now, if they were moved: whatever ``xautolm search`` takes.

    Raises:
        DataError: The data cannot be read, or are not those of the search.
    """
    task = load_labelled_task(_task_spec(run.spec.task, data))
    if task.fingerprint != run.record.task_fingerprint:
        raise DataError(
            f"The data of task {run.task_name!r} are not those that the model was trained on",
            hint="Give the search's own data, unchanged",
        )
    return digest_rows(task.splits.values())


def _task_spec(spec: TaskSpec, data: str | None) -> TaskSpec:
    # Whatever its columns would be taken for: the registry takes classifiers alone.
    kind = spec.type or TaskType.TEXT_CLASSIFICATION
    if data is None:
        return spec.model_copy(update={"type": kind})
    found = read_task_spec(
        data,
        text=spec.text,
        text_pair=spec.text_pair,
        label=spec.label,
        name=spec.name,
        seed=spec.seed,
        drop_invalid=spec.drop_invalid,
        quoting=spec.quoting,
    )
    return found.model_copy(update={"type": kind, "labels": spec.labels or found.labels})


def _require_classes(folder: Path, summary: dict[str, Any]) -> None:
    """Refuse a search for another kind of model than the registry knows."""
    data = summary.get("data")
    kind = data.get("type") if isinstance(data, dict) else None
    if kind not in (None, TaskType.TEXT_CLASSIFICATION):
        raise ConfigError(
            f"The search in {folder} is one of {kind}, and the registry takes classifiers alone",
            hint=f"Keep the folder {BEST_MODEL_FOLDER} of the run; it can be used as it is",
        )


def _last_attempt(folder: Path, number: int) -> AttemptFolder | None:
    attempts = read_attempts(folder).get(number, [])
    return next((a for a in reversed(attempts) if a.result is not None), None)


def _validation(scores: dict[str, Any], rows: Any) -> SplitScores | None:
    if "macro_f1" not in scores:
        return None
    return SplitScores(macro_f1=scores["macro_f1"], accuracy=scores.get("accuracy"), rows=rows)


def _test(folder: Path, scores: Any, number: int) -> SplitScores | None:
    """Return the test's scores, with the confusion matrix if the run's state has it."""
    if not isinstance(scores, dict):
        return None
    state = read_state(folder)
    full = state.test if state is not None and state.test_trials[:1] == [number] else None
    return SplitScores(
        macro_f1=scores["macro_f1"],
        accuracy=scores["accuracy"],
        rows=scores["rows"],
        confusion=(full or {}).get("confusion"),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}", hint=_HINT
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON", hint=_HINT) from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is not a JSON object", hint=_HINT)
    return document
