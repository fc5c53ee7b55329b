"""The phases of a linear trial, in their order; without a language model it needs no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path

import numpy as np

from xautolm_core.energy.surroundings import meter_here
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.task import Split
from xautolm_core.trial.classifier import Classifier
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.linear.fitting import LinearTrial
from xautolm_core.trial.linear.parts import LinearClassifier
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.saving import write_parts
from xautolm_core.trial.linear.settings import remember
from xautolm_core.trial.linear.tfidf_part import fit_tfidf_part
from xautolm_core.trial.plan import deadline_of
from xautolm_core.trial.process import prepare_process
from xautolm_core.trial.rows import choose_rows
from xautolm_core.trial.saving import ModelCard
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.saving import save_folder
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState

_LATENCY_TEXTS = 25


class TfidfRun:
    """The trial of method ``tfidf``.

    Args:
        spec: What is asked.
        state: Is kept up to date.
        interruption: Is looked at between two steps.
    """

    def __init__(self, spec: TrialSpec, state: TrialState, interruption: Interruption) -> None:
        if unknown := sorted(spec.configuration.parameters):
            raise InvalidConfiguration(f"Method tfidf has no hyper-parameter '{unknown[0]}'")
        self._spec = spec
        self._state = state
        self._interruption = interruption

    def run(self) -> None:
        """Do it all; the state holds what came of it.

        Raises:
            TrialFailure: It did not work out, for a reason that is known.
            Exception: It did not work out, see ``failures.outcome_of``.
        """
        spec, state = self._spec, self._state
        prepare_process(spec.threads, spec.seed)
        trial = open_trial(spec, state, self._interruption)
        state.meter = meter_here(meters=spec.meters)
        with state.meter, state.clock.phase("train"):
            state.first_step_at = datetime.now(UTC)
            fitted = fit_tfidf_part(trial, share=1.0)
            remember(trial, "tfidf", fitted.setting)
            with state.clock.phase("evaluate"):
                trial.note(fitted.logits, fitted.rows)
        card = make_card(
            trial.task, configuration=spec.configuration, has_pairs=trial.task.has_pairs
        )
        finish(trial, card, [fitted.part])


def open_trial(spec: TrialSpec, state: TrialState, interruption: Interruption) -> LinearTrial:
    """Return a linear trial with its data."""
    with state.clock.phase("load_data"):
        import sklearn.feature_extraction.text
        import sklearn.linear_model  # noqa: F401  (before the time of the training counts)

        task = open_prepared(spec.task_folder)
        rows = choose_rows(task, spec)
    interruption.check()
    return LinearTrial(spec, state, interruption, task, rows, deadline_of(state))


def finish(trial: LinearTrial, card: ModelCard, parts: Sequence[LinearPart]) -> None:
    """Measure the latency of a trial's model, if asked for, and save it."""
    spec, state = trial.spec, trial.state
    classifier = LinearClassifier(card, parts)
    if spec.measure_latency:
        with state.clock.phase("latency"):
            state.latency_ms = measure_latency(
                classifier, trial.task.validation, trial.rows.validation
            )
    trial.interruption.check()
    if not spec.save_model:
        return

    def fill(folder: Path) -> None:
        write_parts(folder, parts)

    with state.clock.phase("save"):
        state.model_folder = save_folder(spec.out_folder, card, fill)


def measure_latency(classifier: Classifier, split: Split, rows: np.ndarray) -> float:
    """Return the median milliseconds of an answer to one text.

    Args:
        classifier: The model.
        split: Where texts are taken from.
        rows: Evenly spread ones of these rows are taken.
    """
    places = np.linspace(0, len(rows) - 1, _LATENCY_TEXTS).astype(np.int64)
    found: list[float] = []
    for row in (rows[0], *rows[places]):
        pairs = split.text_pairs
        one = Split(
            texts=split.texts.slice(row, 1),
            text_pairs=None if pairs is None else pairs.slice(row, 1),
            labels=split.labels[row : row + 1],
        )
        since = time.perf_counter()
        classifier.logits(one)
        found.append(time.perf_counter() - since)
    return float(np.median(found[1:])) * 1_000
