"""Which records say the same."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.experience.samples import START
from tests.experience.samples import sample
from xautolm_core.experience.importers.duplicates import SAME_FAILURE_WITHIN
from xautolm_core.experience.importers.duplicates import without_duplicates
from xautolm_core.experience.importers.failure_texts import classify_failure
from xautolm_core.records.experience import Experience

_TEXTS = st.sampled_from([None, "CUDA out of memory"])


def _failure(second: int, text: str | None, number: int = 0, search: str = "s") -> Experience:
    outcome, failure = classify_failure(text)
    return sample(
        search,
        outcome=outcome,
        failure=failure,
        scores={},
        seconds={},
        ended_at=START + timedelta(seconds=second),
        provenance={"record_sha256": f"{number:064x}"},
    )


@given(
    st.lists(st.tuples(st.integers(0, 12), _TEXTS, st.sampled_from("st")), max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_matter_and_nothing_is_lost(
    rows: list[tuple[int, str | None, str]], random: object
) -> None:
    found = [_failure(s, text, n, search) for n, (s, text, search) in enumerate(rows)]
    kept, gone = without_duplicates(found)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert without_duplicates(shuffled)[0] == kept
    assert len(kept) + len(gone) == len(found)
    # What goes lies near something of the same search that stays.
    for duplicate in gone:
        assert any(
            abs(duplicate.experience.ended_at - e.ended_at) <= SAME_FAILURE_WITHIN
            and e.search_id == duplicate.experience.search_id
            for e in kept
        )
    # A second pass finds nothing that the first one had to leave behind, if no text moved it.
    if all(text is None for _, text, _ in rows):
        assert without_duplicates(kept) == (kept, [])


def test_a_row_of_failures_does_not_melt_into_one() -> None:
    found = [_failure(second, None, second) for second in range(9)]
    kept, _ = without_duplicates(found)
    assert [(e.ended_at - START).seconds for e in kept] == [0, 3, 6]


def test_the_record_with_the_text_stays_wherever_it_stands() -> None:
    for with_text, without in ((0, 2), (2, 0), (1, 1)):
        pair = [_failure(with_text, "CUDA out of memory"), _failure(without, None, 1)]
        kept, gone = without_duplicates(pair)
        assert [e.outcome for e in kept] == ["oom_gpu"]
        assert len(gone) == 1


def test_successes_of_one_second_with_other_scores_both_stay() -> None:
    one = sample("s", 0)
    other = sample("s", 0, scores={})
    assert len(without_duplicates([one, other])[0]) == 2
    assert len(without_duplicates([one, one])[0]) == 1
