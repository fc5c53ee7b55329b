"""A search in rounds: trials are proposed by one process, run by others, recorded by a third.

This is for pipelines without a controller. Each process continues the same run folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.search.checkpoints import discard_checkpoints
from xautolm_core.search.conclusion import conclude
from xautolm_core.search.loop import TrialLoop
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
    from xautolm_core.trial.contract import TrialSpec


@dataclass(frozen=True)
class Round:
    """The trials of a round.

    Attributes:
        specs: Their specs; none if the search is over.
        stopped_by: Why there are fewer than requested; None if there are not.
    """

    specs: tuple[TrialSpec, ...]
    stopped_by: str | None


def propose_round(
    spec: SearchSpec,
    out_folder: Path,
    *,
    launcher: Launcher,
    observer: SearchObserver,
    size: int,
    resume: bool,
    measured: Measured | None = None,
) -> Round:
    """Propose trials and submit them to the launcher, without waiting for any.

    Args:
        spec: The search.
        out_folder: The run folder.
        launcher: Only stores the trials for other processes to run.
        observer: Receives the progress.
        size: Trials of the round, unfinished ones of an earlier round included.
        resume: Whether the folder holds the search already.
        measured: Meta-features, and the resources of a trial.

    Raises:
        ConfigError: The spec, the data or the space cannot be used.
        StoreError: The store cannot be used.
        LaunchError: A trial cannot be stored.
    """
    with open_session(
        spec,
        out_folder,
        launcher=launcher,
        observer=observer,
        resume=resume,
        measured=measured,
        idle_time_counts=True,
    ) as session:
        loop = TrialLoop(session.setup, session.resumed)
        specs, stopped_by = loop.propose(size)
        session.setup.save_state()
        return Round(tuple(specs), stopped_by)


def record_round(
    spec: SearchSpec,
    out_folder: Path,
    *,
    launcher: Launcher,
    observer: SearchObserver,
    measured: Measured | None = None,
) -> SearchResult:
    """Record the results of the proposed trials in the store, then in the study.

    Args:
        spec: The search.
        out_folder: The run folder.
        launcher: Returns the results; retries after a fault of a machine are submitted to it for
            the next round.
        observer: Receives the progress.
        measured: Meta-features, and the resources of a trial.

    Returns:
        The result of the search so far.

    Raises:
        ConfigError: The folder holds no search, or the data have changed.
        StoreError: The store cannot be used.
    """
    with open_session(
        spec,
        out_folder,
        launcher=launcher,
        observer=observer,
        resume=True,
        measured=measured,
        idle_time_counts=True,
    ) as session:
        setup = session.setup
        outbox = ExperienceOutbox(setup)
        outbox.post_again(session.resumed)
        loop = TrialLoop(setup, session.resumed, outbox)
        stopped_by = loop.absorb()
        if stopped_by != "rounds":
            discard_checkpoints(setup, loop.records, keep=loop.continued())
        settle_best(out_folder, loop.best, choose_alternative(loop.records, loop.best))
        return conclude(setup, loop.records, loop.best, stopped_by)
