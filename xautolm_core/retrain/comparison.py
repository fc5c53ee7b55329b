"""Compare a challenger with the champion on rows that neither has seen."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.registry.model import RegisteredModel
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.retrain.by_name import by_name
from xautolm_core.retrain.decision import ComparisonOutcome
from xautolm_core.retrain.decision import Decision
from xautolm_core.retrain.decision import PromotionRule
from xautolm_core.retrain.decision import decide
from xautolm_core.retrain.fresh_rows import fresh_rows
from xautolm_core.retrain.incumbent import seen_rows_of
from xautolm_core.retrain.rows import as_test_split
from xautolm_core.retrain.rows import take_rows
from xautolm_core.search.asking import Asking
from xautolm_core.search.asking import ask_model
from xautolm_core.tasks.paired import paired_test
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.task import Task


def compare_with_champion(
    registry: ModelRegistry,
    challenger: RegisteredModel,
    fresh_folder: Path,
    work_folder: Path,
    *,
    rule: PromotionRule = PromotionRule(),  # noqa: B008 - frozen
    asking: Asking = Asking(),  # noqa: B008 - frozen
    promote: bool = True,
) -> Decision:
    """Compare a challenger with the champion of its task.

    Rows that either has seen are left out, regardless of the splitting before. If another champion
    is promoted meanwhile, nothing is promoted, as the challenger was not compared with that one.

    Args:
        registry: The registry of both.
        challenger: The new model.
        fresh_folder: The held-out rows, as ``split_task`` writes them.
        work_folder: For temporary copies of models and rows.
        rule: When the challenger is promoted.
        asking: How both are run.
        promote: Also promote it; else only return the decision.

    Raises:
        ConfigError: The rows that one of both has seen are unknown.
        DataError: The fresh rows cannot be read.
        LaunchError: A model could not be run.
        StoreError: The registry cannot be read or written, or a model is damaged.
    """
    champion = registry.champion(challenger.task_name)
    task = open_prepared(fresh_folder)
    if champion is None:
        reason = f"Task {challenger.task_name!r} has no champion yet: the first model becomes it"
        decision = Decision(ComparisonOutcome.FIRST, reason, challenger.version)
    elif champion.version == challenger.version:
        decision = Decision(
            ComparisonOutcome.SAME_MODEL,
            "The challenger is the champion",
            challenger.version,
            champion.version,
        )
    else:
        decision = _measure(
            registry, (champion, challenger), task, work_folder, rule=rule, asking=asking
        )
    if not (decision.outcome.promote and promote):
        return decision
    now = registry.champion(challenger.task_name)
    if _version(now) != _version(champion):
        return Decision(
            ComparisonOutcome.CHAMPION_CHANGED,
            f"{_version(now)} became champion during the comparison: compare again",
            challenger.version,
            _version(now),
            decision.test,
            decision.rows,
        )
    registry.promote(challenger, replaces=_version(champion), reason=decision.reason)
    return decision


def _measure(
    registry: ModelRegistry,
    models: tuple[RegisteredModel, RegisteredModel],
    task: Task,
    work_folder: Path,
    *,
    rule: PromotionRule,
    asking: Asking,
) -> Decision:
    champion, challenger = models
    seen = []
    for model in models:
        rows_of_model = seen_rows_of(registry, model)
        if rows_of_model is None:
            raise ConfigError(
                f"The rows that {model} has seen are unknown, so none can be called fresh",
                hint="Register the model again with the data of its search",
            )
        seen.append(rows_of_model)
    rows = take_rows(task.test, fresh_rows(task.test, seen))
    if len(rows) < rule.min_rows:
        return Decision(
            ComparisonOutcome.TOO_FEW_ROWS,
            f"{len(rows)} rows are fresh to both, fewer than {rule.min_rows}: too few to tell",
            challenger.version,
            champion.version,
            rows=len(rows),
        )
    folder = write_prepared(as_test_split(task, rows), work_folder)
    answers = [
        ask_model(
            registry.fetch(model, work_folder / role),
            folder,
            work_folder / f"{role}-asked",
            asking,
            rows=len(rows),
        )
        for role, model in zip(("champion", "challenger"), models, strict=True)
    ]
    named = by_name(task, rows, *answers)
    test = paired_test(
        named.truth, *named.predicted, measure=rule.measure, rounds=rule.rounds, seed=rule.seed
    )
    return decide(test, rule, challenger=challenger.version, champion=champion.version)


def _version(model: RegisteredModel | None) -> str | None:
    return None if model is None else model.version
