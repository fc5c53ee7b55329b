"""Runs one search from beginning to end, or from where it stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.search.checkpoints import discard_checkpoints
from xautolm_core.search.conclusion import conclude
from xautolm_core.search.final_test import evaluate_best
from xautolm_core.search.loop import TrialLoop
from xautolm_core.search.models import point_to_best
from xautolm_core.search.models import settle_best
from xautolm_core.search.outbox import ExperienceOutbox
from xautolm_core.search.records import choose_alternative
from xautolm_core.search.session import open_session

if TYPE_CHECKING:
    from xautolm_core.launch.contract import Launcher
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.measured import Measured
    from xautolm_core.search.session import Session


def run_search(
    spec: SearchSpec,
    out_folder: Path,
    *,
    launcher: Launcher,
    observer: SearchObserver,
    resume: bool = False,
    with_test: bool = True,
    measured: Measured | None = None,
    is_locked: bool = False,
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
        with_test: Evaluate the chosen model on the test split.
        measured: Meta-features, and what a trial has of its machine; measured here if None.
        is_locked: The caller holds the lock of the run folder (``run_folder.locked``).

    Returns:
        What the search came to. Also after an interrupt: the front so far.

    Raises:
        ConfigError: The spec, the data or the space cannot be used.
        StoreError: The store cannot be used, or the run folder not be written any more.
        LaunchError: Trials cannot be started.
        KeyboardInterrupt: Interrupted before the first trial.
    """
    with open_session(
        spec,
        out_folder,
        launcher=launcher,
        observer=observer,
        resume=resume,
        measured=measured,
        is_locked=is_locked,
    ) as session:
        return _search(session, with_test=with_test)


def _search(session: Session, *, with_test: bool) -> SearchResult:
    setup, resumed = session.setup, session.resumed
    outbox = ExperienceOutbox(setup)
    outbox.post_again(resumed)
    setup.observer.phase("trials")
    loop = TrialLoop(setup, resumed, outbox)
    point_to_best(setup.out_folder, loop.best)
    setup.interrupts.graceful = True
    with setup.clock.phase("trials"):
        stopped_by = loop.run()
    records, best = loop.records, loop.best
    reserve_seconds = loop.pace.reserve_seconds(records) if with_test else None
    if with_test and best is not None:
        evaluate_best(
            setup,
            records,
            best,
            lambda one: loop.pace.test_seconds(one.configuration, one.result, records),
        )
    if stopped_by != "interrupted":
        discard_checkpoints(setup, records, keep=loop.continued())
    settle_best(setup.out_folder, best, choose_alternative(records, best))
    if stopped_by != "interrupted":
        shutil.rmtree(setup.cache_folder, ignore_errors=True)
    return conclude(setup, records, best, stopped_by, reserve_seconds=reserve_seconds)
