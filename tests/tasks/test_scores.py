from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score
from sklearn.metrics import confusion_matrix
from sklearn.metrics import f1_score
from sklearn.metrics import precision_recall_fscore_support

from xautolm_core.tasks.scores import classification_scores


@pytest.mark.filterwarnings("ignore:A single label was found")
@given(
    st.integers(1, 6).flatmap(
        lambda k: st.tuples(
            st.just(k),
            st.lists(
                st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60
            ),
        )
    )
)
def test_equals_scikit_learn(case):
    classes, answers = case
    truth, predicted = (np.array(column) for column in zip(*answers, strict=True))
    names = [f"c{i}" for i in range(classes)]

    scores = classification_scores(truth, predicted, names)

    assert scores.macro_f1 == pytest.approx(
        f1_score(truth, predicted, average="macro", zero_division=0)
    )
    assert scores.accuracy == pytest.approx(accuracy_score(truth, predicted))
    expected = precision_recall_fscore_support(
        truth, predicted, labels=range(classes), zero_division=0
    )
    for kind, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [scores.per_class[name][kind] for name in names] == pytest.approx(list(values))
    assert scores.confusion == confusion_matrix(truth, predicted, labels=range(classes)).tolist()


@pytest.mark.parametrize(("truth", "predicted"), [([], []), ([0], [0, 1]), ([2], [0]), ([0], [-1])])
def test_refuses_what_cannot_be_scored(truth, predicted):
    with pytest.raises(ValueError):
        classification_scores(truth, predicted, ["a", "b"])
