import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.tasks.drop_scores import drop_scores

SPANS = st.lists(
    st.lists(st.sampled_from(["the", "red", "fox", "3", "3.0", "1,200", "7%"]), min_size=1).map(
        " ".join
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize(
    ("predicted", "accepted", "exact_match", "f1"),
    [
        (["3"], [["3.0"]], 1, 1),
        (["3"], [["4"]], 0, 0),
        (["3 yards"], [["3"]], 0, 0.67),
        (["three yards"], [["3 yards"]], 0, 0),
        (["1,200"], [["1200"]], 1, 1),
        (["$5"], [["5"]], 1, 1),
        (["the Red-Fox"], [["red fox"]], 1, 1),
        (["fox", "red"], [["red", "fox"]], 1, 1),
        (["fox"], [["red", "fox"]], 0, 0.5),
        (["fox", "dog", "cat"], [["fox"]], 0, 0.33),
        (["fox", "fox"], [["fox"]], 0, 0.5),
        (["red fox"], [["red", "fox"]], 0, 0.33),
        (["fox"], [["dog"], ["the fox"]], 1, 1),
        (["12 May 1990"], [["May 1990"]], 0, 0.8),
        (["-5"], [["5"]], 1, 1),
    ],
)
def test_an_answer_is_scored_as_the_official_script_does(predicted, accepted, exact_match, f1):
    found = drop_scores([predicted], [accepted])
    assert (found.exact_match, found.f1) == (exact_match, pytest.approx(f1))


@given(SPANS, SPANS)
def test_the_order_of_spans_does_not_matter(predicted, accepted):
    one = drop_scores([predicted], [[accepted]])
    two = drop_scores([predicted[::-1]], [[accepted[::-1]]])
    assert (one.exact_match, one.f1) == (two.exact_match, two.f1)
    assert drop_scores([accepted], [[accepted]]).f1 == 1
    assert 0 <= one.f1 <= 1


def test_scores_are_means_over_rows():
    found = drop_scores([["3"], ["fox"]], [[["3"]], [["dog"]]])
    assert found.f1_of_row.tolist() == [1, 0] and found.f1 == found.exact_match == 0.5
    with pytest.raises(ValueError, match="no accepted answer"):
        drop_scores([["a"]], [[]])
