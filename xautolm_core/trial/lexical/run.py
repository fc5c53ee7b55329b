"""The phases of a lexical trial, in their order; it needs no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from xautolm_core.energy.surroundings import meter_here
from xautolm_core.space.estimate import LEXICAL_QUESTIONS
from xautolm_core.tasks.prepared import open_prepared_questions
from xautolm_core.tasks.questions import NOT_FOUND
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.trial.answerer import Answerer
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.judged_answers import judge_answers
from xautolm_core.trial.lexical.features import FeatureMaker
from xautolm_core.trial.lexical.features import question_kinds
from xautolm_core.trial.lexical.model import LexicalAnswerer
from xautolm_core.trial.lexical.model import PassageReader
from xautolm_core.trial.lexical.model import SpanRanker
from xautolm_core.trial.lexical.model import fit_weights
from xautolm_core.trial.lexical.model import write_ranker
from xautolm_core.trial.lexical.passages import Rarity
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.plan import deadline_of
from xautolm_core.trial.process import prepare_process
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_questions
from xautolm_core.trial.rows import has_answers
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.saving import save_folder
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.spans.windows import gold_of
from xautolm_core.trial.state import TrialState

_LATENCY_QUESTIONS = 25
_LEAST_QUESTIONS = 50
_WRONG_SPANS = 24
# Of the time that is left the reading of training questions may use so much; the rest is for the
# fit and the evaluation.
_READING_SHARE = 0.4


@dataclass(frozen=True)
class _Rows:
    """Questions of a split, as lists."""

    questions: list[str]
    contexts: list[str]
    answers: list[list[str]]
    starts: list[list[int]]

    @classmethod
    def of(cls, split: QuestionSplit, rows: np.ndarray) -> _Rows:
        import pyarrow as pa

        chosen = pa.array(rows)

        def column(values: Any) -> list[Any]:
            found: list[Any] = values.take(chosen).to_pylist()
            return found

        return cls(
            column(split.questions),
            column(split.contexts),
            column(split.answers),
            column(split.starts),
        )


class LexicalRun:
    """The trial of method ``lexical_span``.

    Args:
        spec: What is asked.
        state: Is kept up to date.
        interruption: Is looked at between two steps.
    """

    def __init__(self, spec: TrialSpec, state: TrialState, interruption: Interruption) -> None:
        if unknown := sorted(spec.configuration.parameters):
            raise InvalidConfiguration(f"Method lexical_span has no hyper-parameter '{unknown[0]}'")
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
        with state.clock.phase("load_data"):
            import sklearn.linear_model  # noqa: F401  (before the time of the training counts)

            task = open_prepared_questions(spec.task_folder)
            rows = choose_questions(task, spec)
        self._interruption.check()
        deadline = deadline_of(state)
        validation = _Rows.of(task.validation, rows.validation)
        state.meter = meter_here(meters=spec.meters)
        with state.meter, state.clock.phase("train"):
            state.first_step_at = datetime.now(UTC)
            ranker = self._fit(task, rows, deadline)
            with state.clock.phase("evaluate"):
                has_unanswerable = not has_answers(task.train)[rows.train].all()
                self._evaluate(ranker, validation, has_unanswerable=has_unanswerable)
        card = make_card(task, configuration=spec.configuration, decoding=state.decoding)
        if spec.measure_latency:
            with state.clock.phase("latency"):
                state.latency_ms = _measure_latency(LexicalAnswerer(card, ranker), validation)
        self._interruption.check()
        if not spec.save_model:
            return

        def fill(folder: Path) -> None:
            write_ranker(folder, ranker)

        with state.clock.phase("save"):
            state.model_folder = save_folder(spec.out_folder, card, fill)

    def _fit(self, task: QuestionTask, rows: TrialRows, deadline: Deadline) -> SpanRanker:
        """Return the ranker of as many training questions as the time allows."""
        generator = np.random.default_rng(self._spec.seed)
        order = generator.permutation(rows.train)[:LEXICAL_QUESTIONS]
        train = _Rows.of(task.train, order)
        features = FeatureMaker(Rarity.of(train.contexts), question_kinds(train.questions))
        passages = PassageReader()
        until = deadline.left() * (1 - _READING_SHARE)
        values, right = [], []
        used = 0
        # Rows that share a passage one after the other, so that it is read once.
        for i in sorted(range(len(order)), key=train.contexts.__getitem__):
            if used >= _LEAST_QUESTIONS and deadline.left() < until:
                break
            self._interruption.check()
            used += 1
            spans = features.spans(train.questions[i], passages.read(train.contexts[i]))
            gold = gold_of(train.answers[i], train.starts[i])
            is_gold = (spans.begins == gold.start) & (spans.ends == gold.end)
            if gold.start != NOT_FOUND and not is_gold.any():
                continue
            wrong = np.flatnonzero(~is_gold)
            some = generator.choice(wrong, min(_WRONG_SPANS, len(wrong)), replace=False)
            kept = np.concatenate((np.flatnonzero(is_gold), some))
            values.append(spans.values[kept])
            right.append(is_gold[kept])
        state = self._state
        state.rows, state.epochs, state.best_epoch = used, 1.0, 1
        labels = np.concatenate(right) if right else np.zeros(0, dtype=bool)
        if labels.all() or not labels.any():
            raise InvalidConfiguration("No training question has a short answer in its passage")
        return SpanRanker(features, *fit_weights(np.concatenate(values), labels))

    def _evaluate(self, ranker: SpanRanker, rows: _Rows, *, has_unanswerable: bool) -> None:
        """Score the ranker on the validation questions; the state holds the scores."""
        spans = ranker.rank(rows.questions, rows.contexts, self._interruption.check)
        found = judge_answers(
            [span.text for span in spans],
            np.array([span.margin for span in spans]),
            rows.answers,
            has_unanswerable=has_unanswerable,
        )
        state = self._state
        state.best_score = found.f1
        state.scores, state.decoding = dict(found.scores), dict(found.decoding)


def _measure_latency(answerer: Answerer, rows: _Rows) -> float:
    """Return the median milliseconds of an answer to one question."""
    last = len(rows.questions) - 1
    places: Sequence[int] = np.linspace(0, last, _LATENCY_QUESTIONS).astype(int).tolist()
    found: list[float] = []
    for place in (places[0], *places):
        since = time.perf_counter()
        answerer.answer([rows.questions[place]], [rows.contexts[place]])
        found.append(time.perf_counter() - since)
    return float(np.median(found[1:])) * 1_000
