"""Runs one search from beginning to end, or from where it stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.search.background import Baseline
from xautolm_core.search.clock import Clock
from xautolm_core.search.contract import BaselineResult
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.contract import TestReport
from xautolm_core.search.final_test import evaluate_best
from xautolm_core.search.interrupts import Interrupts
from xautolm_core.search.loop import TrialLoop
from xautolm_core.search.models import point_to_best
from xautolm_core.search.models import settle_best
from xautolm_core.search.opening import open_search
from xautolm_core.search.preparation import Surroundings
from xautolm_core.search.preparation import append_again
from xautolm_core.search.preparation import set_up
from xautolm_core.search.resume import read_run
from xautolm_core.search.run_folder import begin_run
from xautolm_core.search.run_folder import locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.launch.contract import Launcher
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.resume import ResumedTrial
    from xautolm_core.search.setup import SearchSetup


def run_search(
    spec: SearchSpec,
    out_folder: Path,
    *,
    launcher: Launcher,
    observer: SearchObserver,
    resume: bool = False,
    with_baseline: bool = True,
    with_test: bool = True,
) -> SearchResult:
    """Run a search.

    Nothing is written to the run folder before the task, the space and the store have proved
    usable. A search that was killed is resumed with the spec of its ``search.json``; limits
    (budget, trials, timeout) may be others than before.

    Args:
        spec: What is asked.
        out_folder: The run folder; made if it does not exist.
        launcher: Runs the trials; the caller closes it.
        observer: Is told how it goes on.
        resume: Go on with the search of that folder.
        with_baseline: Run the linear baseline.
        with_test: Evaluate the chosen model on the test split.

    Returns:
        What the search came to. Also after an interrupt: the front so far.

    Raises:
        ConfigError: The spec, the data or the space cannot be used.
        StoreError: The store cannot be used.
        LaunchError: Trials cannot be started.
        KeyboardInterrupt: Interrupted before the first trial.
    """
    clock = Clock()
    with Interrupts() as interrupts:
        opening = open_search(spec, observer, clock)
        with locked(out_folder):
            state = begin_run(spec, out_folder, opening, resume=resume)
            clock.go_on_from(state.elapsed_seconds, state.phase_seconds)
            resumed = read_run(out_folder) if resume else []
            around = Surroundings(launcher, observer, clock, interrupts)
            setup = set_up(spec, out_folder, opening, state=state, resumed=resumed, around=around)
            return _search(setup, resumed, with_baseline=with_baseline, with_test=with_test)


def _search(
    setup: SearchSetup,
    resumed: Sequence[ResumedTrial],
    *,
    with_baseline: bool,
    with_test: bool,
) -> SearchResult:
    baseline = Baseline(setup, enabled=with_baseline)
    baseline.run_if_small()
    append_again(setup, resumed)
    setup.observer.phase("trials")
    loop = TrialLoop(setup, resumed, baseline)
    point_to_best(setup.out_folder, loop.best)
    setup.interrupts.graceful = True
    with setup.clock.phase("trials"):
        stopped_by = loop.run()
    if stopped_by != "interrupted":
        baseline.finish()
    best = loop.best
    if with_test and best is not None:
        evaluate_best(setup, best, loop.reserve_seconds)
    settle_best(setup.out_folder, best)
    if stopped_by != "interrupted":
        shutil.rmtree(setup.cache_folder, ignore_errors=True)
    setup.save_state()
    state = setup.state
    tested = best is not None and state.test is not None and state.test_trial == best.number
    return SearchResult(
        spec=setup.spec,
        out_folder=setup.out_folder,
        task=_describe_task(setup),
        task_features=dict(setup.writer.task_features.values),
        system_features={
            **setup.writer.system_features.values,
            **setup.writer.system_features.facts,
        },
        trials=loop.records,
        best=None if best is None else best.number,
        baseline=None if state.baseline is None else BaselineResult(**state.baseline),
        test=TestReport(**state.test) if tested and state.test is not None else None,
        warm_start=setup.sampler.report,
        seconds=setup.clock.elapsed_seconds,
        phase_seconds=dict(setup.clock.phase_seconds),
        stopped_by=stopped_by,
        notes=list(state.notes),
        models={name: model.descriptor for name, model in setup.space.models.items()},
    )


def _describe_task(setup: SearchSetup) -> dict[str, Any]:
    task = setup.task
    return {
        "name": task.name,
        "type": task.type.value,
        "fingerprint": task.fingerprint,
        "labels": list(task.labels),
        "rows": {name: len(split) for name, split in task.splits.items()},
        "languages": list(task.languages),
        "warnings": list(task.warnings),
    }
