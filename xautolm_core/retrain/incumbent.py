"""Evaluate the champion of a task on data that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from xautolm_core.registry.model import RegisteredModel
from xautolm_core.registry.record import SplitScores
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.retrain.by_name import by_name
from xautolm_core.retrain.fresh_rows import fresh_rows
from xautolm_core.retrain.row_digests import SeenRows
from xautolm_core.retrain.row_digests import read_seen_rows
from xautolm_core.retrain.rows import all_rows
from xautolm_core.retrain.rows import as_test_split
from xautolm_core.retrain.rows import take_rows
from xautolm_core.retrain.verdict import ChampionVerdict
from xautolm_core.retrain.verdict import DegradationLimits
from xautolm_core.retrain.verdict import Standing
from xautolm_core.retrain.verdict import judge_degradation
from xautolm_core.retrain.verdict import too_few
from xautolm_core.search.asking import Asking
from xautolm_core.search.asking import ask_model
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.scores import classification_scores
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task
from xautolm_core.trial.answers import Answers

ROWS_UNKNOWN = "The rows that the champion has seen are unknown: some may be among these"


def judge_champion(
    registry: ModelRegistry,
    task: Task,
    work_folder: Path,
    *,
    limits: DegradationLimits = DegradationLimits(),  # noqa: B008 - frozen
    asking: Asking = Asking(),  # noqa: B008 - frozen
    task_name: str | None = None,
) -> ChampionVerdict:
    """Decide whether the champion of a task is still good enough on the task's current data.

    Args:
        registry: The registry of the champion.
        task: The current data, in any splits: all rows count that the champion has not seen.
        work_folder: For temporary copies of the model and the rows.
        limits: When it counts as degraded.
        asking: How it is run.
        task_name: Name that it is registered under; by default the task's own.

    Raises:
        ConfigError: The digests of its rows need a secret that is not given.
        LaunchError: It could not be run.
        StoreError: The registry cannot be read, or the champion is damaged.
    """
    name = task_name or task.name
    champion = registry.champion(name)
    if champion is None:
        return ChampionVerdict(Standing.NO_CHAMPION, f"Task {name!r} has no champion yet")
    other = _other_task(champion, task)
    if other:
        return ChampionVerdict(Standing.OTHER_TASK, other, champion.version)
    seen = seen_rows_of(registry, champion)
    rows = all_rows(task)
    fresh = take_rows(rows, fresh_rows(rows, [] if seen is None else [seen]))
    if len(fresh) < limits.min_rows:
        return too_few(len(fresh), limits, champion.version)
    folder = write_prepared(as_test_split(task, fresh), work_folder)
    model = registry.fetch(champion, work_folder / "champion")
    answers = ask_model(model, folder, work_folder / "asked", asking, rows=len(fresh))
    verdict = judge_degradation(
        champion.record.scores, _score(task, fresh, answers), limits, champion.version
    )
    if seen is None:
        # Rows that it was trained on flatter it: degradation is harder to see, not easier.
        return replace(verdict, reason=f"{verdict.reason}. {ROWS_UNKNOWN}")
    return verdict


def seen_rows_of(registry: ModelRegistry, model: RegisteredModel) -> SeenRows | None:
    """Return the digests of the rows that a model has seen, or None if they are not known.

    Raises:
        ConfigError: They need a secret that is not given.
        StoreError: They cannot be read, or are damaged.
    """
    data = registry.seen_rows(model)
    return None if data is None else read_seen_rows(data)


def _other_task(champion: RegisteredModel, task: Task) -> str:
    """Return why a champion does not fit a task; an empty text if it does."""
    record = champion.record
    if record.has_pairs != task.has_pairs:
        kinds = ("single texts", "pairs of texts")
        return (
            f"The champion answers {kinds[record.has_pairs]}, the data are {kinds[task.has_pairs]}"
        )
    new = [name for name in task.labels if name not in record.labels]
    if new:
        shown = ", ".join(repr(name) for name in new[:5]) + (", ..." if len(new) > 5 else "")
        return f"The data have classes that the champion does not know: {shown}"
    return ""


def _score(task: Task, rows: Split, answers: Answers) -> SplitScores:
    named = by_name(task, rows, answers)
    found = classification_scores(named.truth, named.predicted[0], named.names)
    return SplitScores(
        macro_f1=found.macro_f1,
        accuracy=found.accuracy,
        rows=len(rows),
        confusion=tuple(tuple(row) for row in found.confusion),
    )
