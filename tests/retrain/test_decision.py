"""The decisions, on made-up answers with the noise of real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.registry.record import SplitScores
from xautolm_core.retrain.decision import ComparisonOutcome
from xautolm_core.retrain.decision import PromotionRule
from xautolm_core.retrain.decision import decide
from xautolm_core.retrain.verdict import DegradationLimits
from xautolm_core.retrain.verdict import Standing
from xautolm_core.retrain.verdict import judge_degradation
from xautolm_core.tasks.paired import paired_test
from xautolm_core.tasks.scores import classification_scores

CLASSES = 4


@dataclass
class World:
    """A task whose rows are of all difficulties, and models that were trained on some of them.

    A model knows a row if the row's difficulty is below the model's skill, blurred: models agree on
    easy rows and on hopeless ones, as real ones do. Skill scatters from training to training.
    """

    generator: np.random.Generator
    skill: float = 0.85
    scatter: float = 0.01
    blur: float = 0.1

    def trained(self) -> float:
        return self.skill + self.scatter * float(self.generator.standard_normal())

    def rows(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        return self.generator.integers(0, CLASSES, number), self.generator.random(number)

    def answers(self, rows: tuple[np.ndarray, np.ndarray], skill: float) -> np.ndarray:
        truth, difficulty = rows
        knows = difficulty < skill + self.blur * self.generator.standard_normal(len(truth))
        return np.where(knows, truth, self.generator.integers(0, CLASSES, len(truth)))


def score(truth: np.ndarray, answers: np.ndarray) -> SplitScores:
    found = classification_scores(truth, answers, [str(i) for i in range(CLASSES)])
    return SplitScores(
        macro_f1=found.macro_f1,
        rows=len(truth),
        confusion=tuple(tuple(row) for row in found.confusion),
    )


def retrainings(world: World, times: int, *, rows: int, drift: float) -> list[bool]:
    """Retrain several times; return for each whether the challenger was promoted.

    Under drift every champion has lost that much skill on the data of today when it is challenged.
    """
    champion, promoted = world.trained(), []
    for seed in range(times):
        fresh, challenger = world.rows(rows), world.trained()
        test = paired_test(
            fresh[0],
            world.answers(fresh, champion - drift),
            world.answers(fresh, challenger),
            seed=seed,
        )
        promoted.append(decide(test, PromotionRule()).outcome.promote)
        if promoted[-1]:
            champion = challenger
    return promoted


@pytest.mark.parametrize("seed", range(5))
def test_retraining_on_unchanged_data_hardly_ever_promotes(seed):
    promoted = retrainings(World(np.random.default_rng(seed)), 20, rows=300, drift=0.0)
    assert sum(promoted) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_retraining_after_a_drift_promotes(seed):
    promoted = retrainings(World(np.random.default_rng(seed)), 10, rows=300, drift=0.2)
    assert sum(promoted) >= 9


@pytest.mark.parametrize(("drift", "low", "high"), [(0.0, 0, 3), (0.2, 27, 30)])
def test_degradation_is_seen_if_there_is_any(drift, low, high):
    world, degraded = World(np.random.default_rng(7)), 0
    for _ in range(30):
        skill = world.trained()
        old, new = world.rows(300), world.rows(300)
        verdict = judge_degradation(
            score(old[0], world.answers(old, skill)),
            score(new[0], world.answers(new, skill - drift)),
            DegradationLimits(),
        )
        assert verdict.standing in (Standing.DEGRADED, Standing.GOOD_ENOUGH)
        assert verdict.standing.retrain == (verdict.standing is Standing.DEGRADED)
        degraded += verdict.standing is Standing.DEGRADED
    assert low <= degraded <= high


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2), min_size=1, max_size=80))
def test_identical_answers_never_promote(rows):
    truth, answers = np.array(rows).T
    test = paired_test(truth, answers, answers, rounds=100)
    decision = decide(test, PromotionRule(alpha=0.49, rounds=100))
    assert decision.outcome is ComparisonOutcome.NOT_BETTER


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=80))
def test_of_two_models_at_most_one_beats_the_other(rows):
    truth, first, second = np.array(rows).T
    rule = PromotionRule(alpha=0.4, rounds=200)
    both = [
        decide(paired_test(truth, a, b, rounds=200), rule).outcome.promote
        for a, b in ((first, second), (second, first))
    ]
    assert sum(both) <= 1


def test_a_gain_may_be_significant_and_still_too_small():
    truth = np.zeros(400, dtype=int)
    truth[:200] = 1
    worse = truth.copy()
    worse[:20] = 0
    test = paired_test(truth, worse, truth)
    assert decide(test, PromotionRule()).outcome is ComparisonOutcome.BETTER
    decision = decide(test, PromotionRule(minimal_gain=0.1), challenger="new", champion="old")
    assert decision.outcome is ComparisonOutcome.NOT_BETTER
    assert "less than the 0.1 asked for" in decision.reason
    document = decision.document()
    assert (document["promote"], document["challenger"], document["champion"]) == (
        False,
        "new",
        "old",
    )
    assert document["test"]["gain"] == pytest.approx(0.05, abs=0.01)


def test_what_cannot_be_judged():
    now = score(np.zeros(5, dtype=int), np.zeros(5, dtype=int))
    assert judge_degradation(None, now, DegradationLimits()).standing is Standing.NO_SCORE
    few = judge_degradation(SplitScores(macro_f1=0.9, rows=100), now, DegradationLimits())
    assert few.standing is Standing.TOO_FEW_ROWS
    assert not few.standing.retrain
    without_confusion = judge_degradation(
        SplitScores(macro_f1=0.9, rows=100), now, DegradationLimits(min_rows=1)
    )
    assert without_confusion.degradation is not None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (PromotionRule, {"alpha": 0.0}),
        (PromotionRule, {"alpha": 0.5}),
        (PromotionRule, {"minimal_gain": -0.1}),
        (PromotionRule, {"min_rows": 0}),
        (PromotionRule, {"rounds": 99}),
        (PromotionRule, {"alpha": 0.001, "rounds": 200}),
        (DegradationLimits, {"alpha": 0.6}),
        (DegradationLimits, {"tolerance": 1.0}),
        (DegradationLimits, {"min_rows": 0}),
    ],
)
def test_rules_have_ranges(kind, fields):
    with pytest.raises(ValueError, match="alpha"):
        kind(**fields)
