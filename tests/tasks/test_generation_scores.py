from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import CHRF

from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.tasks.answer_scores import normalized_answer
from xautolm_core.tasks.generation_scores import generation_scores
from xautolm_core.tasks.rouge import longest_common_subsequence
from xautolm_core.tasks.rouge import rouge_l

WORDS = [
    *(
        "the",
        "a",
        "cat",
        "Cat",
        "cats",
        "sat",
        "on",
        "mat",
        "mat.",
        "running",
        "runs",
        "7",
        "1,200",
    ),
    *("3.5", "don't", "café", "naïve", "Straße", "東京", "кот", "e-mail", "(x)", "_y_", "—", "…"),
    *("and", "I.B.M.", "½", "İstanbul", "\u200b", "x=y+1", "\n", "\t"),
]


def cases(count, seed=0):
    """Texts with one to three accepted ones: unlike, near, equal, long, empty, of any script."""
    chance = random.Random(seed)
    for number in range(count):
        text = chance.choices(WORDS, k=chance.choice([0, 1, 2, 5, 12, 60]))
        accepted = []
        for _ in range(chance.randint(1, 3)):
            kept = [word for word in text if chance.random() < chance.choice([0.3, 0.8, 1])]
            added = chance.choices(WORDS, k=chance.choice([0, 0, 1, 4]))
            one = kept + added
            if number % 3 == 0:
                chance.shuffle(one)
            accepted.append(" ".join(one) or "x")
        yield " ".join(text), accepted


CASES = list(cases(300))


@pytest.mark.parametrize("part", range(6))
def test_rouge_l_is_that_of_the_official_scorer(part):
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    texts, accepted = zip(*CASES[part::6], strict=True)
    expected = [
        scorer.score_multi(right, text)["rougeL"].fmeasure
        for text, right in zip(texts, accepted, strict=True)
    ]
    found = generation_scores(texts, accepted)
    assert found.rouge_l_of_row.tolist() == pytest.approx(expected, abs=1e-12)
    assert found.rouge_l == pytest.approx(np.mean(expected))


def official_chrf(texts, accepted):
    most = max(map(len, accepted))
    streams = [
        [right[place] if place < len(right) else None for right in accepted]
        for place in range(most)
    ]
    return CHRF().corpus_score(list(texts), streams).score / 100


@pytest.mark.parametrize("part", range(6))
def test_chrf_of_each_row_is_that_of_the_official_scorer(part):
    for text, right in CASES[part::6]:
        expected = official_chrf([text], [right])
        assert generation_scores([text], [right]).chrf == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rows", [2, 7, 50, 300])
def test_chrf_of_many_rows_is_that_of_the_official_scorer(rows):
    texts, accepted = zip(*CASES[-rows:], strict=True)
    expected = official_chrf(texts, accepted)
    assert generation_scores(texts, accepted).chrf == pytest.approx(expected, abs=1e-12)


def test_words_are_scored_as_answers_to_questions_are():
    with_words = [(text, right) for text, right in CASES if all(map(normalized_answer, right))]
    assert len(with_words) > 200
    texts, accepted = zip(*with_words, strict=True)
    found, expected = generation_scores(texts, accepted), answer_scores(texts, accepted)
    assert found.f1_of_row.tolist() == expected.f1_of_row.tolist()
    assert found.exact_match_of_row.tolist() == expected.exact_match_of_row.tolist()
    assert found.f1 == pytest.approx(expected.f1)
    assert found.exact_match == pytest.approx(expected.exact_match)


@pytest.mark.parametrize(
    ("text", "accepted", "exact_match", "f1"),
    [
        ("7", ["7.0"], 1, 1),
        ("7", ["8"], 0, 0),
        ("Fox and Hill", ["Hill and Fox"], 1, 1),
        ("Fox", ["Hill and Fox"], 0, 0.5),
        ("3 and 5", ["5 and 3"], 1, 1),
        ("Fox", ["Hill", "the fox"], 1, 1),
        ("", ["Fox"], 0, 0),
        ("1,200 yards", ["1200"], 0, 0.67),
    ],
)
def test_numbers_and_several_spans_are_scored_as_drop_does(text, accepted, exact_match, f1):
    found = generation_scores([text], [accepted])
    assert (found.drop_exact_match, found.drop_f1) == (exact_match, pytest.approx(f1))


@pytest.mark.parametrize(
    ("text", "accepted", "expected"),
    [
        ("A", ["A"], 1),
        (" a.", ["A"], 1),
        ("", ["A"], 0),
        ("the", ["A"], 0),
        ("B", ["A"], 0),
        ("A", ["B"], 0),
        ("?", ["?"], 1),
        ("", ["?"], 0),
        ("!", ["?"], 0),
        ("yes", ["?", "Yes!"], 1),
        ("?", ["yes", "?"], 1),
    ],
)
def test_texts_without_words_have_to_be_written(text, accepted, expected):
    found = generation_scores([text, "b"], [accepted, ["b"]])
    assert found.exact_match_of_row.tolist() == found.f1_of_row.tolist() == [expected, 1]
    assert found.f1 == found.exact_match == (expected + 1) / 2


@pytest.mark.parametrize(
    ("texts", "accepted"), [([], []), (["a"], []), (["a"], [[]]), (["a"], [["a"], ["b"]])]
)
def test_what_cannot_be_scored_is_refused(texts, accepted):
    with pytest.raises(ValueError, match=r"rows|accepted"):
        generation_scores(texts, accepted)


@given(st.text(), st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_all_scores_are_shares_and_the_accepted_text_is_the_best(text, accepted):
    found = generation_scores([text], [accepted])
    names = ("f1", "exact_match", "rouge_l", "chrf", "drop_f1", "drop_exact_match")
    assert all(0 <= getattr(found, name) <= 1 for name in names)
    best = generation_scores([accepted[0]], [accepted])
    assert best.exact_match == best.f1 == best.drop_exact_match == 1
    assert best.chrf >= found.chrf or accepted[0].isspace()


WORD_LISTS = st.lists(st.sampled_from("abcd"), max_size=12)


@given(WORD_LISTS, WORD_LISTS)
def test_the_longest_common_subsequence_is_that_of_the_table(one, other):
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    for i, word in enumerate(one):
        for j, another in enumerate(other):
            here = table[i, j] + 1 if word == another else max(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = here
    assert longest_common_subsequence(one, other) == table[-1, -1]
    assert longest_common_subsequence(other, one) == table[-1, -1]


def test_long_texts_are_scored_at_once():
    text = " ".join(f"w{i % 97} v{i}" for i in range(4_000))
    assert rouge_l(text, text.replace("v3999", "")) == pytest.approx(1, abs=1e-3)
