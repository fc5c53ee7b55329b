"""TF-IDF with logistic regression, on as many rows as the time allows."""

from __future__ import annotations

import time

import numpy as np

from xautolm_core.tasks.sampling import stratified_sample
from xautolm_core.trial.linear.fitting import FittedPart
from xautolm_core.trial.linear.fitting import LinearTrial
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.regression import Limits
from xautolm_core.trial.linear.regression import Setting
from xautolm_core.trial.linear.regression import Strengths
from xautolm_core.trial.linear.regression import fit
from xautolm_core.trial.linear.regression import fit_chosen
from xautolm_core.trial.linear.regression import selection_rows
from xautolm_core.trial.linear.tfidf import documents_of
from xautolm_core.trial.linear.tfidf import fit_tfidf

# What won on the sets of docs/trials.md lies between the outer ones.
_STRENGTHS = Strengths((0.3, 1.0, 3.0, 10.0), first=1)

_PILOT_ROWS = 500
_LEAST_ROWS = 200
_WARM_UP_ROWS = 50
# Fits of a usual choice of settings, and the share of the time that may be planned for.
_FITS = 5
_SAFETY = 0.75


def fit_tfidf_part(
    trial: LinearTrial, *, share: float, setting: Setting | None = None
) -> FittedPart:
    """Fit TF-IDF and a logistic regression with settings chosen on validation.

    Args:
        trial: The trial.
        share: Of the time that is left, in (0, 1].
        setting: What to fit with, where it was chosen before.
    """
    limits = trial.limits(share)
    rows = _affordable_rows(trial, limits)
    trial.interruption.check()
    tfidf, features = fit_tfidf(documents_of(trial.task.train, rows))
    trial.interruption.check()
    with trial.state.clock.phase("evaluate"):
        validation = tfidf.transform(documents_of(trial.task.validation, trial.rows.validation))
    chosen = fit_chosen(
        features,
        trial.labels[rows],
        classes=trial.classes,
        settings=setting or _STRENGTHS,
        score=lambda model: trial.score(model, validation),
        limits=limits,
    )
    return FittedPart(
        part=LinearPart("tfidf", tfidf, chosen.model),
        setting=chosen.setting,
        logits=chosen.model.logits(validation),
        rows=len(chosen.rows),
    )


def _affordable_rows(trial: LinearTrial, limits: Limits) -> np.ndarray:
    """Return the training rows that features and fits have time for, stratified."""
    rows, labels = trial.rows.train, trial.labels
    left = limits.seconds_left()
    if not np.isfinite(left) or len(rows) <= _PILOT_ROWS:
        return rows
    feature_pace, fit_pace = _paces(trial)
    tried = selection_rows(trial.classes)
    usable = _SAFETY * left - feature_pace * len(trial.rows.validation)
    affordable = usable / (feature_pace + _FITS * fit_pace)
    if affordable > tried:
        # Beyond the rows that settings are tried on, one final fit sees the others.
        affordable = (usable - _FITS * fit_pace * tried) / (feature_pace + fit_pace)
    if affordable >= len(rows):
        return rows
    size = max(int(affordable), _LEAST_ROWS)
    return rows[stratified_sample(labels[rows], size, trial.spec.seed)]


def _paces(trial: LinearTrial) -> tuple[float, float]:
    """Return the seconds a row of making features and of one fit, measured on a few rows."""
    rows, labels = trial.rows.train, trial.labels
    pilot = rows[stratified_sample(labels[rows], _PILOT_ROWS, trial.spec.seed)]
    documents = documents_of(trial.task.train, pilot)
    fit_tfidf(documents[:_WARM_UP_ROWS])
    since = time.perf_counter()
    _, features = fit_tfidf(documents)
    made = time.perf_counter()
    fit(features, labels[pilot], trial.classes, _STRENGTHS.middle)
    fitted = time.perf_counter()
    return (made - since) / len(pilot), (fitted - made) / len(pilot)
