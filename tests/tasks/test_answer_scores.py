import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.tasks.answer_scores import normalized_answer

WORDS = st.lists(st.sampled_from(["The", "a", "Seine", "river,", "1990", "U.S.", "An", "-"])).map(
    " ".join
)


@pytest.mark.parametrize(
    ("predicted", "accepted", "exact_match", "f1"),
    [
        ("The Eiffel Tower!", ["eiffel tower"], 1, 1),
        ("Eiffel", ["the Eiffel Tower"], 0, 2 / 3),
        ("in the tower of Eiffel", ["Eiffel Tower", "tower of eiffel"], 0, 6 / 7),
        ("Paris", ["London"], 0, 0),
        ("", ["London"], 0, 0),
        ("", [], 1, 1),
        ("London", [], 0, 0),
        # Nothing is left of either: the official script of SQuAD 2.0 takes both for no answer.
        ("", ["the"], 1, 1),
        ("A", ["the", "b"], 0, 0),
        ("b b c", ["b c c"], 0, 2 / 3),
        ("U.S.", ["US"], 1, 1),
        ("twenty-one", ["twenty one"], 0, 0),
    ],
)
def test_an_answer_is_scored_as_the_official_scripts_do(predicted, accepted, exact_match, f1):
    found = answer_scores([predicted], [accepted])
    assert (found.exact_match, found.f1) == (exact_match, pytest.approx(f1))


def test_scores_are_means_over_rows():
    found = answer_scores(["b", "b c", "d"], [["b"], ["b"], ["e"]])
    assert found.exact_match == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found.exact_match_of_row.tolist() == [1, 0, 0]
    assert found.f1_of_row.tolist() == pytest.approx([1, 2 / 3, 0])


@given(WORDS, st.lists(WORDS, max_size=3))
def test_more_accepted_answers_never_lower_a_score(answer, accepted):
    one = answer_scores([answer], [["Seine", *accepted]])
    two = answer_scores([answer], [["Seine", *accepted, answer]])
    assert one.f1 <= two.f1 and one.exact_match <= two.exact_match
    assert one.exact_match <= one.f1 <= 1
    if normalized_answer(answer):
        assert two.exact_match == two.f1 == 1


@given(st.text(st.characters(codec="ascii")))
def test_normalizing_twice_changes_nothing_but_new_articles(text):
    once = normalized_answer(text)
    assert not set(once) & set(string.punctuation) and once == once.lower().strip()
    assert not {"a", "an", "the"} & set(once.split())


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        answer_scores([], [])
    with pytest.raises(ValueError, match="2 answers"):
        answer_scores(["a", "b"], [["a"]])
