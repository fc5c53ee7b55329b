"""Steps of a retraining: is the champion worn, which rows are set aside, is the new model better?

Each takes and returns addresses, paths, numbers and JSON, so that a pipeline's component is one
call. Models are asked in processes of their own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import cast

from xautolm_core.errors import ConfigError

if TYPE_CHECKING:
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
    """Say whether the champion of a task is still good enough on the data of today.

    Args:
        data: The data of today: whatever ``xautolm search`` takes.
        registry: Address of the registry.
        task_name: Name of the task; by default the data's own.
        tolerance: Drop of macro-F1 that does not matter, in [0, 1).
        alpha: Probability of calling a champion worn whose true drop is the tolerance.
        min_rows: With fewer rows fresh to the champion nothing is said.
        threads: CPU threads; 0 for all.
        limit_seconds: Give the champion up that has not answered by then.
        work_folder: Where the model and the rows lie meanwhile; by default a temporary folder.

    Returns:
        ``retrain`` (bool), ``standing`` (``no_champion``, ``other_task``, ``no_score``,
        ``too_few_rows``, ``worn``, ``good_enough``), ``reason`` in words, ``champion`` (version or
        None), ``rows``, and ``wear``: the test, or None.

    Raises:
        ConfigError: The data, the address or a number is wrong.
        LaunchError: The champion could not be asked.
        StoreError: The registry cannot be read, or the champion is damaged.
    """
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.retrain.incumbent import judge_champion
    from xautolm_core.retrain.verdict import WearLimits
    from xautolm_core.search.asking import Asking
    from xautolm_core.tasks.load import load_labelled_task

    try:
        limits = WearLimits(tolerance=tolerance, alpha=alpha, min_rows=min_rows)
    except ValueError as error:
        raise _wrong_number(error) from error
    opened = ModelRegistry.open(registry)
    task = load_labelled_task(_read_spec(data, task_name))
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
    """Divide the data of today into what the search sees and what is set aside for the comparison.

    The side of a row follows from its text, so that what was set aside once stays aside, as long as
    ``fraction`` is not made smaller.

    Args:
        data: The data of today: whatever ``xautolm search`` takes.
        search_folder: Where the search's side is written.
        fresh_folder: Where the other side is written; what is there is replaced.
        task_name: Name of the task; by default the data's own.
        fraction: Share that is set aside, in (0, 1).
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

    task = load_labelled_task(_read_spec(data, task_name))
    seen = None
    if registry:
        opened = ModelRegistry.open(registry)
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
        fresh_folder: The rows set aside, as ``split_fresh`` writes them.
        alpha: Probability of promoting a challenger that is no better.
        minimal_gain: The observed gain must be at least this, in [0, 1).
        min_rows: With fewer rows fresh to both nothing is promoted.
        measure: ``macro_f1`` or ``accuracy``.
        rounds: Swaps of the test of macro-F1.
        seed: Of the swaps.
        promote: Also promote it; else only say what would be done.
        threads: CPU threads; 0 for all.
        limit_seconds: Give a model up that has not answered by then.
        work_folder: Where models and rows lie meanwhile; by default a temporary folder.

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
        LaunchError: A model could not be asked.
        StoreError: The registry cannot be read or written, or a model is damaged.
    """
    from xautolm_core.registry.registry import ModelRegistry
    from xautolm_core.retrain.comparison import compare_with_champion
    from xautolm_core.retrain.decision import PromotionRule
    from xautolm_core.search.asking import Asking

    if measure not in _MEASURES:
        raise ConfigError(
            f"{measure!r} is no measure", hint=f"Choose one of {', '.join(_MEASURES)}"
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


def _read_spec(data: str, task_name: str) -> TaskSpec:
    from xautolm_core.tasks.source import read_task_spec

    return read_task_spec(data, name=task_name or None)


def _work(folder: str) -> tempfile.TemporaryDirectory[str]:
    """Return a folder of its own, which goes at the end with the rows in it."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="xautolm-", dir=folder or None)


def _wrong_number(error: ValueError) -> ConfigError:
    return ConfigError(f"A parameter is out of range: {error}", hint="Give numbers in these ranges")
