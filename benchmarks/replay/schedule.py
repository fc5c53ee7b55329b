"""Which searches the benchmark is made of."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.replay.arms import ARMS
from benchmarks.replay.arms import ArmSpec
from benchmarks.replay.parts import Job
from benchmarks.replay.regimes import HOSTILE
from benchmarks.replay.regimes import NONE
from benchmarks.replay.regimes import NORMAL
from benchmarks.replay.regimes import REGIMES
from benchmarks.replay.regimes import SHUFFLED

TRIALS = 40
FEW_SEEDS, MANY_SEEDS = 3, 10
SEVERAL_WORKERS = 4
WITH_SEVERAL_WORKERS = ("random", "tpe", "xautolm", "guarded")


@dataclass(frozen=True)
class Selection:
    """The part of the benchmark to run; None stands for everything.

    Attributes:
        tasks: So many tasks of each table, evenly spaced.
        seeds: Seeds of every arm.
    """

    arms: Sequence[str] | None = None
    regimes: Sequence[str] | None = None
    tasks: int | None = None
    seeds: int | None = None
    workers: Sequence[int] | None = None
    trials: int = TRIALS


def schedule(tables: Mapping[str, Sequence[str]], selection: Selection) -> Iterator[Job]:
    """Yield the searches, those of one table, regime, task and seed one after the other.

    Args:
        tables: Table to its tasks.
        selection: What of it.
    """
    arms = [name for name in ARMS if selection.arms is None or name in selection.arms]
    for seed in range(selection.seeds or MANY_SEEDS):
        for table, tasks in tables.items():
            for regime in selection.regimes or REGIMES:
                for task in spread(tasks, selection.tasks):
                    for arm in arms:
                        yield from _of_arm(arm, Job(table, regime, task, seed, arm), selection)


def _of_arm(arm: str, job: Job, selection: Selection) -> Iterator[Job]:
    """Yield the jobs of an arm: none where it does not run, several for numbers of workers."""
    spec = ARMS[arm]
    if job.table not in spec.tables or job.regime not in regimes_of(spec):
        return
    if job.seed >= (selection.seeds or seeds_of(spec, job.regime)):
        return
    usual = NORMAL if spec.reads_history else NONE
    several = arm in WITH_SEVERAL_WORKERS and job.regime == usual and job.seed < FEW_SEEDS
    for workers in (1, SEVERAL_WORKERS) if several else (1,):
        if selection.workers is None or workers in selection.workers:
            yield Job(job.table, job.regime, job.task, job.seed, arm, workers, selection.trials)


def regimes_of(spec: ArmSpec) -> Sequence[str]:
    """Return the regimes that an arm runs in."""
    if not spec.reads_history:
        return (NONE,)
    if spec.regimes:
        return spec.regimes
    return (NORMAL,) if spec.group == "ablation" else tuple(REGIMES)


def seeds_of(spec: ArmSpec, regime: str) -> int:
    """Return the number of seeds of an arm in a regime."""
    is_cheap = spec.group != "ablation" and not spec.is_costly
    many = is_cheap and regime in (NORMAL, HOSTILE, SHUFFLED, NONE)
    return MANY_SEEDS if many else FEW_SEEDS


def spread(names: Sequence[str], count: int | None) -> Sequence[str]:
    """Return a number of names, evenly spaced; all if None."""
    if count is None or count >= len(names):
        return names
    return [names[i * len(names) // count] for i in range(count)]
