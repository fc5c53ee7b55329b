"""The best span by array operations against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.trial.spans.decoding import WindowSpans
from xautolm_core.trial.spans.decoding import best_spans
from xautolm_core.trial.spans.decoding import choose_threshold
from xautolm_core.trial.spans.decoding import spans_of_questions
from xautolm_core.trial.spans.windows import Windows
from xautolm_core.trial.tokens import Tokens


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(2, 12), st.integers(1, 14))
def test_best_spans_are_those_of_a_loop(seed: int, rows: int, width: int, longest: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(-5, 6, size=(rows, width, 2)).astype(np.float32)
    first = generator.integers(1, width + 1, rows)
    pieces = np.stack([first, generator.integers(first, width + 1)], axis=1)
    nulls = np.zeros(rows, dtype=np.int64)
    found = best_spans(scores, pieces, nulls, longest=longest)
    for row in range(rows):
        low, high = pieces[row]
        possible = [
            (-(scores[row, i, 0] + scores[row, j, 1]), j - i, i)
            for i in range(low, high)
            for j in range(i, min(i + longest, high))
        ]
        if not possible:
            assert found.scores[row] == -np.inf
            continue
        score, more, start = min(possible)
        assert (found.scores[row], found.starts[row], found.ends[row]) == (
            -score,
            start,
            start + more,
        )
        total = np.exp(scores[row, low:high].astype(float)).sum(axis=0)
        assert np.exp([found.log_starts[row], found.log_ends[row]]) == pytest.approx(total)


def test_a_question_takes_the_best_of_its_windows_and_the_least_of_their_nulls() -> None:
    windows = Windows(
        tokens=Tokens(np.zeros(12, np.uint16), np.array([0, 4, 8, 12]), None, ""),
        firsts=np.array([0, 2, 3]),
        pieces=np.array([[1, 4]] * 3),
        nulls=np.zeros(3, dtype=np.int32),
        characters=np.array([[10 * i, 10 * i + 5] for i in range(12)]),
        gold=np.zeros((3, 2), dtype=np.int32),
    )
    number = np.array
    found = WindowSpans(
        scores=number([1.0, 3.0, -2.0]),
        starts=number([1, 2, 3]),
        ends=number([2, 3, 3]),
        null_starts=number([0.0, 2.0, 1.0]),
        null_ends=number([-1.0, 0.0, 1.0]),
        log_starts=np.log([4.0, 5.0, 1.0]),
        log_ends=np.log([6.0, 7.0, 1.0]),
    )
    spans = spans_of_questions(windows, np.array([0, 1]), found)
    # The second window, of tokens 4 to 7, has the best span; the first has the least null.
    assert spans.starts.tolist() == [60, 110] and spans.ends.tolist() == [75, 115]
    assert spans.margins.tolist() == [4.0, -4.0]
    total = (4 + 5 + np.exp(0.0)) * (6 + 7 + np.exp(-1.0))
    assert spans.probabilities[0] == pytest.approx(np.exp(3.0) / total)
    assert spans.null_probabilities[0] == pytest.approx(np.exp(-1.0) / total)
    assert spans.answered(None).all() and spans.answered(0.0).tolist() == [True, False]
    alone = spans_of_questions(
        windows, np.array([1]), WindowSpans(*(v[2:] for v in vars(found).values()))
    )
    assert alone.starts.tolist() == [110] and alone.margins.tolist() == [-4.0]
    assert spans.texts(["x" * 60 + " the answer     " + "y" * 50, "z" * 200]) == [
        "the answer",
        "z" * 5,
    ]


SHARE = st.sampled_from([0.0, 0.5, 1.0])


@given(st.lists(st.tuples(st.integers(-3, 3), SHARE, SHARE), min_size=1, max_size=12))
def test_the_threshold_is_the_best_there_is(rows: list[tuple[int, float, float]]) -> None:
    margins, answered, silent = (
        np.array(column, dtype=float) for column in zip(*rows, strict=True)
    )

    def total(threshold: float) -> float:
        return float(np.where(margins > threshold, answered, silent).sum())

    chosen = choose_threshold(margins, answered, silent)
    best = max(total(threshold) for threshold in np.arange(-4.5, 4.5, 0.5))
    assert total(chosen) == pytest.approx(best)
