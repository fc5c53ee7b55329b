"""The simulated clock: trials take the seconds that the table says, on several workers at once."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import Protocol

from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from xautolm_core.records.configuration import Configuration
from xautolm_core.search.explanation import TrialExplanation


class ExhaustedError(Exception):
    """The arm has nothing left to propose."""


class Arm(Protocol):
    """Proposes configurations and receives their outcomes."""

    def ask(self, number: int) -> Configuration:
        """Return the configuration of a trial, which is pending from now on.

        Raises:
            ExhaustedError: There is none.
        """
        ...

    def tell(self, number: int, configuration: Configuration, observed: Observed) -> None:
        """Take the outcome of a trial."""
        ...

    def explanation(self, number: int) -> TrialExplanation | None:
        """Return what was predicted of a trial when it was proposed, if anything was."""
        ...

    @property
    def other_cpu_seconds(self) -> float:
        """CPU seconds that other processes of the arm have used so far."""
        ...


@dataclass(frozen=True)
class ReplayedTrial:
    """A trial in simulated time.

    Attributes:
        number: In the order of asking.
        configuration: What was tried.
        observed: Its outcome.
        begin_seconds: When it began, in simulated seconds since the start of the search.
        end_seconds: When it ended.
        sampler_ms: CPU milliseconds of the arm for proposing it, and for taking outcomes since the
            last proposal.
        explanation: What was predicted of it.
    """

    number: int
    configuration: Configuration
    observed: Observed
    begin_seconds: float
    end_seconds: float
    sampler_ms: float
    explanation: TrialExplanation | None = None


def simulate(problem: Problem, arm: Arm, *, workers: int, trials: int) -> list[ReplayedTrial]:
    """Run a search: whenever a worker is free, it asks for a trial.

    Args:
        problem: What is searched on.
        arm: Proposes the trials.
        workers: Trials that run at once.
        trials: How many to run.

    Returns:
        The trials in the order in which they ended; fewer than wanted if the arm was exhausted.
    """
    running: list[tuple[float, int, ReplayedTrial]] = []
    finished: list[ReplayedTrial] = []
    now, asked, meter = 0.0, 0, _Meter(arm)
    while True:
        while len(running) < workers and asked < trials:
            with meter:
                try:
                    configuration = arm.ask(asked)
                except ExhaustedError:
                    trials = asked
                    break
            observed = problem.evaluate(configuration)
            trial = ReplayedTrial(
                number=asked,
                configuration=configuration,
                observed=observed,
                begin_seconds=now,
                end_seconds=now + observed.seconds,
                sampler_ms=meter.take_ms(),
                explanation=arm.explanation(asked),
            )
            heapq.heappush(running, (trial.end_seconds, asked, trial))
            asked += 1
        if not running:
            return finished
        now, _, ended = heapq.heappop(running)
        finished.append(ended)
        with meter:
            arm.tell(ended.number, ended.configuration, ended.observed)


class _Meter:
    """Adds up CPU time of this process and of the arm's others."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._seconds = 0.0
        self._begin = 0.0

    def _now(self) -> float:
        return time.process_time() + self._arm.other_cpu_seconds

    def __enter__(self) -> None:
        self._begin = self._now()

    def __exit__(self, *error: object) -> None:
        self._seconds += self._now() - self._begin

    def take_ms(self) -> float:
        """Return the milliseconds since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return 1_000 * seconds
