from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.retrain.fresh_rows import fresh_rows
from xautolm_core.retrain.fresh_rows import is_set_aside
from xautolm_core.retrain.row_digests import digest_rows
from xautolm_core.retrain.row_digests import read_seen_rows
from xautolm_core.retrain.row_digests import row_contents
from xautolm_core.tasks.task import Split

SECRET = {"XAUTOLM_ROW_KEY": "a secret of some length"}
TEXTS = st.lists(st.text(max_size=8), max_size=12)


def make_split(texts, pairs=None, labels=None) -> Split:
    def column(values):
        return pa.chunked_array([pa.array(values, type=pa.large_string())])

    index = np.zeros(len(texts)) if labels is None else np.asarray(labels)
    return Split(column(texts), None if pairs is None else column(pairs), index.astype(np.int32))


@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([{}, SECRET]))
def test_seen_rows_are_known_again(seen_texts, other_texts, environment):
    seen = digest_rows([make_split(seen_texts)], environment)
    again = read_seen_rows(seen.to_bytes(), environment)
    assert len(again) == len(set(seen_texts))
    assert again.contains(make_split(seen_texts)).all()
    expected = [text in seen_texts for text in other_texts]
    assert again.contains(make_split(other_texts)).tolist() == expected


@settings(deadline=None)
@given(TEXTS)
def test_classes_do_not_matter_and_pairs_are_whole(texts):
    seen = digest_rows([make_split(texts, labels=range(len(texts)))], {})
    assert seen.contains(make_split(texts)).all()
    assert not seen.contains(make_split(texts, pairs=texts)).any()


def test_texts_of_a_pair_are_kept_apart():
    contents = list(row_contents(make_split(["ab", "a", ""], ["c", "bc", "abc"])))
    assert len(set(contents)) == 3


def test_nothing_of_the_texts_is_kept_and_salts_differ():
    split = make_split(["a secret text", "yes"])
    kept = [digest_rows([split], {}).to_bytes() for _ in range(2)]
    assert b"secret text" not in kept[0]
    digests = [data.partition(b"\n")[2] for data in kept]
    assert digests[0] != digests[1]
    assert len(digests[0]) == 8


def test_a_secret_is_needed_where_one_was_used():
    split = make_split(["yes"])
    data = digest_rows([split], SECRET).to_bytes()
    for environment in ({}, {"XAUTOLM_ROW_KEY": "another secret, as long"}):
        with pytest.raises(ConfigError, match=r"another secret than \$XAUTOLM_ROW_KEY"):
            read_seen_rows(data, environment)
    # One that was made without is read with or without.
    assert read_seen_rows(digest_rows([split], {}).to_bytes(), SECRET).contains(split).all()
    with pytest.raises(ConfigError, match="only 5 characters"):
        digest_rows([split], {"XAUTOLM_ROW_KEY": "short"})


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[1]\nabcd", b"\xff\xfe\n"])
def test_damaged_digests_are_refused(data):
    with pytest.raises(StoreError, match="damaged"):
        read_seen_rows(data, {})
    whole = digest_rows([make_split(["a", "b"])], {}).to_bytes()
    with pytest.raises(StoreError, match="damaged"):
        read_seen_rows(whole[:-1], {})


@settings(deadline=None)
@given(TEXTS, st.randoms(), st.floats(0.05, 0.9))
def test_a_row_always_falls_on_the_same_side(texts, random, fraction):
    side = dict(zip(texts, is_set_aside(make_split(texts), fraction).tolist(), strict=True))
    shuffled = [*texts, "another row"]
    random.shuffle(shuffled)
    for text, aside in zip(shuffled, is_set_aside(make_split(shuffled), fraction), strict=True):
        assert side.get(text, aside) == aside
    # A larger share sets the same rows aside, and more.
    more = is_set_aside(make_split(texts), fraction + 0.1)
    assert all(m or not side[text] for m, text in zip(more, texts, strict=True))


def test_the_share_is_met():
    split = make_split([f"row {i}" for i in range(5_000)])
    assert is_set_aside(split, 0.2).mean() == pytest.approx(0.2, abs=0.02)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_fresh_rows_are_unseen_and_single(texts, seen_texts):
    fresh = fresh_rows(make_split(texts), [digest_rows([make_split(seen_texts)], {})])
    kept = [text for text, keep in zip(texts, fresh, strict=True) if keep]
    assert kept == [text for text in dict.fromkeys(texts) if text not in seen_texts]
