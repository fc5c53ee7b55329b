"""One process' work on a search: everything opened and checked, its run folder locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.search.affordable import require_affordable
from xautolm_core.search.clock import Clock
from xautolm_core.search.interrupts import Interrupts
from xautolm_core.search.opening import open_search
from xautolm_core.search.preparation import SearchSurroundings
from xautolm_core.search.preparation import set_up
from xautolm_core.search.resume import read_run
from xautolm_core.search.run_folder import as_store_errors
from xautolm_core.search.run_folder import begin_run
from xautolm_core.search.run_folder import locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.launch.contract import Launcher
    from xautolm_core.search.contract import SearchObserver
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.measured import Measured
    from xautolm_core.search.resume import ResumedTrial
    from xautolm_core.search.setup import SearchSetup


@dataclass(frozen=True)
class Session:
    """What a process has in hand while it works on a search.

    Attributes:
        setup: The search.
        resumed: Its trials so far.
    """

    setup: SearchSetup
    resumed: Sequence[ResumedTrial]


@contextmanager
def open_session(
    spec: SearchSpec,
    out_folder: Path,
    *,
    launcher: Launcher,
    observer: SearchObserver,
    resume: bool = False,
    measured: Measured | None = None,
    is_locked: bool = False,
    idle_time_counts: bool = False,
) -> Iterator[Session]:
    """Open a search, and keep its run folder and the signals of this process until the end.

    Args:
        spec: What is asked.
        out_folder: The run folder; made if it does not exist.
        launcher: Runs the trials.
        observer: Is told how it goes on.
        resume: Go on with the search of that folder.
        measured: Meta-features, and what a trial has of its machine; measured here if None.
        is_locked: The caller holds the lock of the run folder (``locked``).
        idle_time_counts: The budget also counts the time in which no process worked on the search,
            since it was created.

    Raises:
        ConfigError: The spec, the data or the space cannot be used.
        StoreError: The store cannot be used, or the run folder not be written.
    """
    clock = Clock()
    with Interrupts() as interrupts:
        machine = None if measured is None else measured.machine
        opening = open_search(spec, observer, clock, machine=machine)
        expected = {} if resume else require_affordable(spec, opening)
        lock = nullcontext() if is_locked else locked(out_folder)
        with lock, as_store_errors(out_folder):
            state = begin_run(spec, out_folder, opening, resume=resume)
            state.expected_shares |= expected
            used_seconds = state.elapsed_seconds
            if idle_time_counts and spec.created_at is not None:
                since = (datetime.now(UTC) - spec.created_at).total_seconds()
                used_seconds = max(used_seconds, since - clock.elapsed_seconds)
            clock.go_on_from(used_seconds, state.phase_seconds)
            resumed = read_run(out_folder) if resume else []
            around = SearchSurroundings(launcher, observer, clock, interrupts, measured)
            setup = set_up(spec, out_folder, opening, state=state, resumed=resumed, around=around)
            yield Session(setup, resumed)
