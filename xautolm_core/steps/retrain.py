"""Steps of a retraining: check the champion, hold out fresh rows, compare the new model.

Each takes and returns addresses, paths, numbers and JSON, so that a pipeline's component is one
call. Models are run in processes of their own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import cast

from xautolm_core.errors import ConfigError

if TYPE_CHECKING:
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.tasks.grouped import Measure
    from xautolm_core.tasks.spec import TaskSpec

_MEASURES = ("macro_f1", "accuracy")


def check_incumbent(
    *,
    data: str,
    registry: str,
    task_name: str = "",
    tolerance: float = 0.02,
    alpha: float = 0.05,
    min_rows: int = 100,
    threads: int = 0,
    limit_seconds: float | None = None,
    work_folder: str = "",
) -> dict[str, Any]:
    """Decide whether the champion of a task is still good enough on current data.

    Args:
        data: Current data: whatever ``xautolm search`` takes.
        registry: Address of the registry.
        task_name: Name of the task; by default the data's own.
        tolerance: Acceptable drop of macro-F1, in [0, 1).
        alpha: Probability of calling a champion degraded at a true drop of the tolerance.
        min_rows: With fewer rows fresh to the champion there is no decision.
        threads: CPU threads; 0 for all.
        limit_seconds: Time limit of the champion's predictions.
        work_folder: For temporary copies of the model and the rows; by default a temporary folder.

    Returns:
        ``retrain`` (bool), ``standing`` (``no_champion``, ``other_task``, ``no_score``,
        ``too_few_rows``, ``degraded``, ``good_enough``), ``reason`` in words, ``champion`` (version
        or None), ``rows``, and ``degradation``: the test, or None.

    Raises:
        ConfigError: The data, the address or a number is wrong.
        LaunchError: The champion could not be run.
        StoreError: The registry cannot be read, or the champion is damaged.
    """
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.retrain.incumbent import judge_champion
    from xautolm_core.retrain.verdict import DegradationLimits
    from xautolm_core.search.asking import Asking
    from xautolm_core.tasks.load import load_labelled_task

    try:
        limits = DegradationLimits(tolerance=tolerance, alpha=alpha, min_rows=min_rows)
    except ValueError as error:
        raise _wrong_number(error) from error
    opened = ModelRegistry.open(registry)
    task = load_labelled_task(_read_spec(data, task_name, opened))
    with _work(work_folder) as work:
        return judge_champion(
            opened, task, Path(work), limits=limits, asking=Asking(threads, limit_seconds)
        ).document()


def split_fresh(
    *,
    data: str,
    search_folder: str,
    fresh_folder: str,
    task_name: str = "",
    fraction: float = 0.2,
    registry: str = "",
) -> dict[str, Any]:
    """Divide current data into rows for the search and held-out rows for the comparison.

    The side of a row follows from its text, so that a held-out row stays held out, as long as
    ``fraction`` is not made smaller.

    Args:
        data: Current data: whatever ``xautolm search`` takes.
        search_folder: Target folder of the rows for the search.
        fresh_folder: Target folder of the held-out rows; its content is replaced.
        task_name: Name of the task; by default the data's own.
        fraction: Share to hold out, in (0, 1).
        registry: Address of the registry: rows that the champion has seen are left out of the fresh
            ones. The comparison leaves them out in any case.

    Returns:
        ``task_file`` (what to search), ``fresh_folder``, ``task``, ``search_rows`` by split,
        ``set_aside`` and ``fresh`` (rows).

    Raises:
        ConfigError: The data, the fraction or the address is wrong, or too few rows are left.
        StoreError: The registry cannot be read.
    """
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.retrain.incumbent import seen_rows_of
    from xautolm_core.retrain.splitting import split_task
    from xautolm_core.tasks.load import load_labelled_task

    opened = ModelRegistry.open(registry) if registry else None
    task = load_labelled_task(_read_spec(data, task_name, opened))
    seen = None
    if opened is not None:
        champion = opened.champion(task.name)
        seen = None if champion is None else seen_rows_of(opened, champion)
    found = split_task(
        task, Path(search_folder), Path(fresh_folder), fraction=fraction, champion_rows=seen
    )
    return {
        "task": task.name,
        "task_file": str(found.task_file),
        "fresh_folder": str(found.fresh_folder),
        "search_rows": found.search_rows,
        "set_aside": found.set_aside,
        "fresh": found.fresh,
    }


def compare_models(
    *,
    registry: str,
    task_name: str,
    version: str,
    fresh_folder: str,
    alpha: float = 0.01,
    minimal_gain: float = 0.0,
    min_rows: int = 30,
    measure: str = "macro_f1",
    rounds: int = 10_000,
    seed: int = 0,
    promote: bool = True,
    threads: int = 0,
    limit_seconds: float | None = None,
    work_folder: str = "",
) -> dict[str, Any]:
    """Compare a registered model with the champion on fresh rows, and promote it if it is better.

    Args:
        registry: Address of the registry.
        task_name: Name of the task.
        version: The challenger.
        fresh_folder: The held-out rows, as ``split_fresh`` writes them.
        alpha: Probability of promoting a challenger that is not better.
        minimal_gain: The observed gain must be at least this, in [0, 1).
        min_rows: With fewer rows fresh to both nothing is promoted.
        measure: ``macro_f1`` or ``accuracy``.
        rounds: Swaps of the test of macro-F1.
        seed: Seed of the swaps.
        promote: Also promote it; else only return the decision.
        threads: CPU threads; 0 for all.
        limit_seconds: Time limit of a model's predictions.
        work_folder: For temporary copies of models and rows; by default a temporary folder.

    Returns:
        ``promote`` (bool), ``promoted`` (bool: it was done), ``is_champion`` (bool: the challenger
        is the champion now; also true if a step that is run again finds its own promotion),
        ``outcome`` (``first``, ``better``,
        ``not_better``, ``same_model``, ``too_few_rows``, ``champion_changed``), ``reason`` in
        words, ``challenger`` and ``champion`` (versions before), ``rows``, and ``test``: the
        paired test with ``champion``, ``challenger``, ``gain``, ``p_value``, ``low``, ``high``, or
        None.

    Raises:
        ConfigError: There is no such version, or a number is wrong.
        LaunchError: A model could not be run.
        StoreError: The registry cannot be read or written, or a model is damaged.
    """
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.retrain.comparison import compare_with_champion
    from xautolm_core.retrain.decision import PromotionRule
    from xautolm_core.search.asking import Asking

    if measure not in _MEASURES:
        raise ConfigError(
            f"{measure!r} is not a measure", hint=f"Choose one of {', '.join(_MEASURES)}"
        )
    try:
        rule = PromotionRule(
            alpha=alpha,
            minimal_gain=minimal_gain,
            min_rows=min_rows,
            measure=cast("Measure", measure),
            rounds=rounds,
            seed=seed,
        )
    except ValueError as error:
        raise _wrong_number(error) from error
    opened = ModelRegistry.open(registry)
    challenger = opened.version(task_name, version)
    with _work(work_folder) as work:
        decision = compare_with_champion(
            opened,
            challenger,
            Path(fresh_folder),
            Path(work),
            rule=rule,
            asking=Asking(threads, limit_seconds),
            promote=promote,
        )
    champion = opened.champion(task_name)
    return {
        **decision.document(),
        "promoted": promote and decision.outcome.promote,
        "is_champion": champion is not None and champion.version == version,
    }


def _read_spec(data: str, task_name: str, registry: ModelRegistry | None) -> TaskSpec:
    """Return the description of the current data: those of a classifier if there is a champion."""
    from xautolm_core.tasks.source import read_task_spec
    from xautolm_core.tasks.spec import TaskType

    spec = read_task_spec(data, name=task_name or None)
    if spec.type is not None or registry is None or registry.champion(spec.name or "task") is None:
        return spec
    return spec.model_copy(update={"type": TaskType.TEXT_CLASSIFICATION})


def _work(folder: str) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, removed at the end with the rows in it."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="xautolm-", dir=folder or None)


def _wrong_number(error: ValueError) -> ConfigError:
    return ConfigError(f"A parameter is out of range: {error}", hint="Give numbers in these ranges")
