"""Runs searches in several processes, and keeps the result of each."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import as_completed
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.replay.arms import ARMS
from benchmarks.replay.arms import Start
from benchmarks.replay.arms import make_arm
from benchmarks.replay.clock import ReplayedTrial
from benchmarks.replay.clock import simulate
from benchmarks.replay.external import REQUIREMENTS
from benchmarks.replay.external import EngineMissingError
from benchmarks.replay.external import environment_of
from benchmarks.replay.model_selection import ModelSelectionTable
from benchmarks.replay.model_selection import data_folder
from benchmarks.replay.parts import Job
from benchmarks.replay.parts import Part
from benchmarks.replay.parts import read_part
from benchmarks.replay.problem import Table
from benchmarks.replay.regimes import sources
from benchmarks.replay.synthetic import SyntheticTable

ENVIRONMENTS = "environments"
"""Folder of the engines' environments, in that of a run."""

TABLE_NAMES = (SyntheticTable.name, ModelSelectionTable.name)


@cache
def open_table(name: str) -> Table | None:
    """Return a table of this process, or None if its data are not there."""
    if name == SyntheticTable.name:
        return SyntheticTable()
    folder = data_folder()
    return None if folder is None else ModelSelectionTable(folder)


def run_jobs(
    jobs: Sequence[Job], folder: Path, *, processes: int, again: bool = False
) -> list[Part]:
    """Run searches that have no result yet, and print the progress.

    Args:
        jobs: The searches.
        folder: Where parts are kept.
        processes: How many to run at once.
        again: Also run what has a part.

    Returns:
        The parts that could not be run, with why.
    """
    waiting = [job for job in jobs if again or not is_done(job, folder)]
    groups = list(_groups(waiting))
    print(f"{len(jobs)} searches, {len(waiting)} of them to run", flush=True)
    begin, done, failed = time.monotonic(), 0, []
    for parts in _run_groups(groups, folder, processes):
        done += len(parts)
        failed += [part for part in parts if part.error]
        for part in parts:
            if part.error:
                print(f"FAILED {part.job}: {part.error.splitlines()[-1]}", flush=True)
        passed = time.monotonic() - begin
        left = passed / done * (len(waiting) - done)
        print(f"{done}/{len(waiting)} after {passed:.0f} s, about {left:.0f} s left", flush=True)
    return failed


def unavailable_arms(jobs: Iterable[Job], folder: Path) -> dict[str, str]:
    """Make the environments of other engines; return the arms that cannot run, with the reason."""
    kinds = {job.arm: ARMS[job.arm].kind for job in jobs if not is_done(job, folder)}
    reasons: dict[str, str] = {}
    for engine in sorted(set(kinds.values()) & set(REQUIREMENTS)):
        try:
            environment_of(engine, folder / ENVIRONMENTS)
        except EngineMissingError as error:
            reasons[engine] = str(error)
    return {arm: reasons[kind] for arm, kind in kinds.items() if kind in reasons}


def is_done(job: Job, folder: Path) -> bool:
    """Whether a job has a part, of the arm as it is now."""
    part = read_part(job.path(folder))
    return part is not None and not part.error and part.digest == ARMS[job.arm].digest


def _groups(jobs: Iterable[Job]) -> Iterator[tuple[Job, ...]]:
    """Yield the jobs that share a start, and so a history."""

    def start(job: Job) -> tuple[int, str, str, str]:
        return job.seed, job.table, job.regime, job.task

    for _, members in groupby(sorted(jobs, key=start), key=start):
        yield tuple(members)


def _run_groups(
    groups: Sequence[tuple[Job, ...]], folder: Path, processes: int
) -> Iterator[list[Part]]:
    if processes <= 1:
        for group in groups:
            yield run_group(group, folder)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures: list[Future[list[Part]]] = [pool.submit(run_group, g, folder) for g in groups]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            # Else a run that is interrupted would first run all that waits.
            pool.shutdown(cancel_futures=True)


def run_group(jobs: Sequence[Job], folder: Path) -> list[Part]:
    """Run searches from one start, and write their parts.

    An arm that raises has a part with the error: none is left out silently.
    """
    first = jobs[0]
    table = open_table(first.table)
    assert table is not None, "jobs are of tables that are there"
    found = sources(table, first.regime, first.task, first.seed)
    start = Start(table, table.problem(first.task), found)
    parts = []
    for job in jobs:
        part = run_one(job, start, folder / ENVIRONMENTS)
        part.write(folder)
        parts.append(part)
    return parts


def run_one(job: Job, start: Start, environments: Path | None = None) -> Part:
    """Run one search.

    Args:
        job: Which.
        start: What its group starts from.
        environments: Where the environments of other engines are.
    """
    spec = ARMS[job.arm]
    if spec.reads_history:
        start.history  # noqa: B018 - built once for all arms, and on none's account
    begin, cpu = time.monotonic(), time.process_time()
    setup = 0.0
    try:
        # Of the task as well: draws that all tasks shared would be fewer than they seem.
        seed = zlib.crc32(f"{job.task}/{job.seed}".encode())
        arm = make_arm(spec, start, seed, trials=job.trials, environments=environments)
        setup = time.process_time() - cpu
        trials = simulate(start.problem, arm, workers=job.workers, trials=job.trials)
        columns, error = as_columns(trials), ""
    except Exception:  # noqa: BLE001 - reported, not hidden
        columns, error = {}, traceback.format_exc()
    return Part(job, spec.digest, setup, time.monotonic() - begin, columns, error)


def as_columns(trials: Sequence[ReplayedTrial]) -> dict[str, list[Any]]:
    """Return what is kept of the trials."""
    columns: dict[str, list[Any]] = {
        "number": [one.number for one in trials],
        "outcome": [one.observed.outcome.value for one in trials],
        "score": [one.observed.score for one in trials],
        "seconds": [one.observed.seconds for one in trials],
        "begin": [one.begin_seconds for one in trials],
        "end": [one.end_seconds for one in trials],
        "sampler_ms": [round(one.sampler_ms, 3) for one in trials],
        "branch": [one.configuration.branch for one in trials],
        "model": [one.configuration.model for one in trials],
    }
    if any(one.explanation is not None for one in trials):
        columns["explanation"] = [
            None if one.explanation is None else _explained(one) for one in trials
        ]
    return columns


def _explained(trial: ReplayedTrial) -> dict[str, Any]:
    assert trial.explanation is not None
    found = trial.explanation.model_dump(mode="json", exclude={"nearest_tasks"})
    return {key: value for key, value in found.items() if value not in (None, {}, [])}


def limit_threads() -> None:
    """Let linear algebra of this process and its children use one thread."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
