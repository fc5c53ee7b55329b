"""Choosing settings, and fitting within a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from xautolm_core.trial.linear.regression import Limits
from xautolm_core.trial.linear.regression import LinearModel
from xautolm_core.trial.linear.regression import Setting
from xautolm_core.trial.linear.regression import Strengths
from xautolm_core.trial.linear.regression import fit
from xautolm_core.trial.linear.regression import fit_chosen

WITHOUT_END = Limits(lambda: math.inf, lambda: None)


@pytest.mark.parametrize(
    ("best", "weight", "most"),
    [(1.0, None, 4), (1.0, "balanced", 4), (10.0, None, 4), (0.1, "balanced", 5)],
)
def test_the_climb_ends_at_the_top(best: float, weight: str | None, most: int) -> None:
    climb = Strengths((0.1, 0.3, 1.0, 3.0, 10.0), first=2).climb()
    tried: dict[Setting, float] = {}
    setting = next(climb)
    try:
        while True:
            distance = abs(math.log10(setting.strength / best))
            tried[setting] = (setting.class_weight == weight) - distance / 10
            setting = climb.send(tried[setting])
    except StopIteration:
        pass
    assert max(tried, key=tried.__getitem__) == Setting(strength=best, class_weight=weight)
    assert len(tried) <= most


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_are_those_of_scikit_learn(classes: int) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(200, 5)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(int) + (classes > 2) * (features[:, 1] > 0.3)
    model = fit(features, labels, classes, Setting(strength=3.0))
    expected = LogisticRegression(C=3.0, max_iter=300).fit(features, labels)
    logits = model.logits(features)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    found = shifted / shifted.sum(1, keepdims=True)
    assert found == pytest.approx(expected.predict_proba(features), abs=1e-4)


def test_many_rows_are_fitted_once_more_as_far_as_the_time_allows() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60_000, 3)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(int)

    def rows(limits: Limits) -> int:
        chosen = fit_chosen(
            features,
            labels,
            classes=2,
            settings=Setting(strength=1.0),
            score=lambda model: float((model.logits(features).argmax(1) == labels).mean()),
            limits=limits,
        )
        return len(chosen.rows)

    assert rows(WITHOUT_END) == 60_000
    assert rows(Limits(lambda: 0.0, lambda: None)) == 40_000


def test_where_time_is_short_one_setting_is_fitted() -> None:
    features = np.eye(4, dtype=np.float32).repeat(5, axis=0)
    labels = np.arange(20) // 5 % 2
    left: Iterator[float] = iter([1.0, 0.9, -5.0, -5.0, -5.0])
    fitted: list[LinearModel] = []

    def score(model: LinearModel) -> float:
        fitted.append(model)
        return 0.5

    fit_chosen(
        features,
        labels,
        classes=2,
        settings=Strengths((0.3, 1.0), first=1),
        score=score,
        limits=Limits(lambda: next(left), lambda: None),
    )
    assert len(fitted) == 1
