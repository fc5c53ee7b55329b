"""The simulated clock of the replay benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.replay.clock import ExhaustedError
from benchmarks.replay.clock import simulate
from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from benchmarks.replay.problem import Scale
from benchmarks.replay.problem import system_vector
from benchmarks.replay.problem import task_vector
from benchmarks.replay.repetitions import FREE_REPETITIONS
from benchmarks.replay.repetitions import EngineArm
from benchmarks.replay.synthetic import SyntheticTable
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome

SPACE = SyntheticTable().space


def configuration(seconds: float) -> Configuration:
    return Configuration(branch="x", model="m", method="head", parameters={"s": seconds})


def evaluate(one: Configuration) -> Observed:
    seconds = one.parameters["s"]
    assert isinstance(seconds, float)
    return Observed(Outcome.OK, 0.5, seconds)


PROBLEM = Problem(
    table="t",
    task="t",
    space=SPACE,
    offered=SPACE,
    task_features=task_vector({}),
    system_features=system_vector(0),
    evaluate=evaluate,
    scale=Scale(0, 1, 0, 1),
)


@dataclass
class Script:
    """An arm that proposes trials of given lengths, and notes what it hears when."""

    seconds: list[float]
    heard: list[list[int]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    other_cpu_seconds: float = 0.0

    def ask(self, number: int) -> Configuration:
        if number == len(self.seconds):
            raise ExhaustedError
        self.heard.append(list(self.ended))
        return configuration(self.seconds[number])

    def tell(self, number: int, configuration: Configuration, observed: Observed) -> None:
        self.ended.append(number)

    def explanation(self, number: int) -> None: ...


def test_a_worker_asks_as_soon_as_it_is_free() -> None:
    arm = Script([10.0, 3.0, 4.0, 2.0, 1.0])
    found = simulate(PROBLEM, arm, workers=2, trials=5)
    assert [one.number for one in found] == [1, 2, 3, 0, 4]
    assert [one.end_seconds for one in found] == [3, 7, 9, 10, 10]
    # When the fifth was asked for, the first was still running.
    assert arm.heard == [[], [], [1], [1, 2], [1, 2, 3]]


lengths = st.lists(st.floats(0.1, 100), min_size=1, max_size=20)


@given(lengths, st.integers(1, 5))
def test_time_goes_forward_and_no_worker_runs_two(seconds: list[float], workers: int) -> None:
    found = simulate(PROBLEM, Script(seconds), workers=workers, trials=len(seconds))
    assert sorted(one.number for one in found) == list(range(len(seconds)))
    ends = [one.end_seconds for one in found]
    assert ends == sorted(ends)
    for one in found:
        beside = [o for o in found if o.begin_seconds <= one.begin_seconds < o.end_seconds]
        assert len(beside) <= workers
    busy = sum(seconds)
    assert busy / workers - 1e-9 <= max(ends) <= busy + 1e-9


def test_an_arm_that_has_nothing_left_ends_the_search() -> None:
    found = simulate(PROBLEM, Script([1.0, 2.0]), workers=4, trials=9)
    assert [one.number for one in found] == [0, 1]


@dataclass
class Stubborn:
    """An engine that proposes the same again and again."""

    proposals: list[float]
    answers: list[int] = field(default_factory=list)
    other_cpu_seconds: float = 0.0

    def propose(self, number: int) -> Configuration:
        return configuration(self.proposals[min(number, len(self.proposals) - 1)])

    def answer(self, number: int, observed: Observed) -> None:
        self.answers.append(number)


def test_what_is_proposed_again_costs_no_trial() -> None:
    engine = Stubborn([1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 3.0])
    found = simulate(PROBLEM, EngineArm(engine), workers=1, trials=3)
    assert [one.observed.seconds for one in found] == [1.0, 2.0, 3.0]
    assert engine.answers == list(range(7))


def test_an_engine_that_only_repeats_comes_to_an_end() -> None:
    engine = Stubborn([1.0])
    found = simulate(PROBLEM, EngineArm(engine), workers=1, trials=3)
    assert [one.observed.seconds for one in found] == pytest.approx([1.0] * 3)
    assert len(engine.answers) == 3 + 2 * FREE_REPETITIONS
