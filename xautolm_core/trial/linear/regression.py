"""Logistic regression with its settings chosen on validation, within a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import Protocol

import numpy as np
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from xautolm_core.tasks.sampling import stratified_sample

_MAX_ITERATIONS = 300
# A class that no training row has is never answered.
_ABSENT = -1e4
# A fit's time goes with rows times classes. Beyond the first figure the setting is chosen on a
# sample, beyond the second the final fit takes one as well.
_SELECTION_WORK = 80_000
_FIT_WORK = 1_000_000
_LEAST_SELECTION_ROWS = 3_000
_LEAST_FIT_ROWS = 10_000
# Of the time that is left the selection may use so much where a final fit follows.
_SELECTION_SHARE = 0.5
_SAFETY = 0.8
# A final fit on hardly more rows than the selection's is not worth its time.
_LEAST_GROWTH = 1.2


ClassWeight = Literal["balanced"]


class Candidates(Protocol):
    """Settings of a logistic regression to choose from."""

    def climb(self) -> Generator[Setting, float, None]:
        """Yield settings to fit with; each wants the score of the one before to be sent."""
        ...


class Setting(BaseModel):
    """The data and settings that a logistic regression is fitted with.

    Attributes:
        strength: Inverse strength of the penalty, C.
        class_weight: ``balanced`` weighs classes by the inverse of their frequency.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    strength: float = Field(gt=0, allow_inf_nan=False)
    class_weight: ClassWeight | None = None

    def climb(self) -> Generator[Setting, float, None]:
        """Yield the setting itself: there is nothing to choose."""
        yield self


@dataclass(frozen=True)
class LinearModel:
    """A multinomial logistic regression.

    Attributes:
        coefficients: float32, (classes, columns).
        intercepts: float32, (classes,).
    """

    coefficients: np.ndarray
    intercepts: np.ndarray

    def logits(self, features: Any) -> np.ndarray:
        """Return logits, float32, (rows, classes), of dense or sparse features."""
        found = np.asarray(features @ self.coefficients.T) + self.intercepts
        return found.astype(np.float32)


@dataclass(frozen=True)
class ChosenSetting:
    """The outcome of a choice on validation.

    Attributes:
        setting: The best one.
        model: Fitted with it.
        rows: Positions of the training rows that it was fitted on.
    """

    setting: Setting
    model: LinearModel
    rows: np.ndarray


@dataclass(frozen=True)
class Limits:
    """What keeps fitting within its bounds.

    Attributes:
        seconds_left: Returns the seconds until all has to be fitted; infinite without a deadline.
        check: Called between two fits; what it raises ends the trial.
    """

    seconds_left: Callable[[], float]
    check: Callable[[], None]


@dataclass(frozen=True)
class Strengths:
    """Strengths to choose from.

    Attributes:
        values: Ascending.
        first: Which of them is tried first, an index: a sound one, for where time is short.
    """

    values: tuple[float, ...]
    first: int

    @property
    def middle(self) -> Setting:
        """The setting that is tried first."""
        return Setting(strength=self.values[self.first], class_weight="balanced")

    def climb(self) -> Generator[Setting, float, None]:
        """Yield settings to fit with; each wants the score of the one before to be sent.

        The weights of classes are chosen at the first strength; from there it goes up, and if that
        is not better, as long as scores rise. So four fits do where a grid takes twice as many.
        """
        weights: tuple[ClassWeight | None, ...] = ("balanced", None)
        scores: dict[ClassWeight | None, float] = {}
        for weight in weights:
            scores[weight] = yield Setting(strength=self.values[self.first], class_weight=weight)
        chosen = max(scores, key=scores.__getitem__)
        best = scores[chosen]
        for step in (1, -1):
            place, rises = self.first + step, False
            while 0 <= place < len(self.values):
                found = yield Setting(strength=self.values[place], class_weight=chosen)
                if found <= best:
                    break
                best, place, rises = found, place + step, True
            if rises:
                return


def selection_rows(classes: int) -> int:
    """Return the rows that settings are tried on, at most."""
    return max(_LEAST_SELECTION_ROWS, _SELECTION_WORK // classes)


def fit_chosen(
    features: Any,
    labels: np.ndarray,
    *,
    classes: int,
    settings: Candidates,
    score: Callable[[LinearModel], float],
    limits: Limits,
) -> ChosenSetting:
    """Fit with several settings, and once more on more rows with the one that scores best.

    With many rows or classes the choice is made on a stratified sample; the final fit takes as many
    rows as the time that is left allows, as far as the fits before tell.

    Args:
        features: Of the training rows, dense or sparse, (rows, columns).
        labels: Class of each of them.
        classes: Number of classes of the task.
        settings: What to choose from, or what has been chosen before.
        score: Score of a fitted model on validation, to be maximised.
        limits: Time and interruption.
    """
    sample = stratified_sample(labels, selection_rows(classes), 0)
    whole = len(sample) == len(labels)
    began = limits.seconds_left()
    share = 1.0 if whole else _SELECTION_SHARE
    sampled = features if whole else features[sample]
    climb = settings.climb()
    candidate = next(climb)
    best: tuple[float, Setting, LinearModel, float] | None = None
    longest = 0.0
    while True:
        limits.check()
        used = began - limits.seconds_left()
        if best is not None and np.isfinite(began) and used + longest > share * began:
            break
        since = time.perf_counter()
        model = fit(sampled, labels[sample], classes, candidate)
        found = score(model)
        seconds = time.perf_counter() - since
        longest = max(longest, seconds)
        if best is None or found > best[0]:
            best = (found, candidate, model, seconds)
        try:
            candidate = climb.send(found)
        except StopIteration:
            break
    _, setting, model, seconds = best
    rows = sample
    wanted = _final_rows(len(labels), len(sample), classes, seconds, limits.seconds_left())
    if wanted > len(sample):
        limits.check()
        rows = stratified_sample(labels, wanted, 0)
        model = fit(features[rows], labels[rows], classes, setting)
    return ChosenSetting(setting, model, rows)


def _final_rows(rows: int, sampled: int, classes: int, seconds: float, left: float) -> int:
    """Return how many rows the final fit takes; ``sampled`` if there is none."""
    if rows == sampled:
        return sampled
    wanted = min(rows, max(_LEAST_FIT_ROWS, _FIT_WORK // classes))
    if np.isfinite(left):
        affordable = int(sampled * _SAFETY * max(left, 0.0) / max(seconds, 1e-6))
        wanted = min(wanted, affordable)
    return wanted if wanted >= _LEAST_GROWTH * sampled else sampled


def fit(features: Any, labels: np.ndarray, classes: int, setting: Setting) -> LinearModel:
    """Fit one logistic regression; a class without a row is never answered.

    Args:
        features: Dense or sparse, float32, (rows, columns).
        labels: Class of each row.
        classes: Number of classes of the task.
        setting: What to fit with.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    present, encoded = np.unique(labels, return_inverse=True)
    columns = int(features.shape[1])
    coefficients = np.zeros((classes, columns), dtype=np.float32)
    intercepts = np.full(classes, _ABSENT, dtype=np.float32)
    if len(present) < 2 or columns == 0:
        # One class, or no features: the more frequent the likelier.
        intercepts[present] = np.log(np.bincount(encoded) / len(labels))
        return LinearModel(coefficients, intercepts)
    model = LogisticRegression(
        C=setting.strength, class_weight=setting.class_weight, max_iter=_MAX_ITERATIONS
    )
    # A second BLAS thread gains nothing here, and beside a busy neighbour it costs tenfold.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last digits need not converge
        model.fit(features, encoded)
    if len(present) == 2:
        # Of two classes only the second one's logit is fitted; the other's is 0.
        coefficients[present[1]] = model.coef_[0]
        intercepts[present] = (0.0, model.intercept_[0])
    else:
        coefficients[present] = model.coef_
        intercepts[present] = model.intercept_
    return LinearModel(coefficients, intercepts)
