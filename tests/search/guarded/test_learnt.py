"""What was learnt on a history is kept, and is exactly what would be learnt again."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.search.guarded.test_structures import SCALES
from tests.search.guarded.test_structures import history
from xautolm_core.search.samplers.guarded.learnt import Learnt
from xautolm_core.search.samplers.guarded.learnt import LearntCache
from xautolm_core.search.samplers.guarded.learnt import key_of
from xautolm_core.search.samplers.guarded.scales import learnt_scales
from xautolm_core.search.samplers.guarded.structures import Structure
from xautolm_core.search.samplers.guarded.structures import StructureSet
from xautolm_core.search.samplers.guarded.transfer import TaskTrials

KEY = key_of(history(), SCALES, "all")


def learn() -> Learnt:
    scales = learnt_scales(history(), SCALES)
    return Learnt(scales, StructureSet(scales, history()).prior_weights)


def get(cache: LearntCache, make) -> Learnt:
    return cache.get(KEY, make, usual=SCALES, allowed=tuple(Structure))


def must_not_be_called() -> Learnt:
    pytest.fail("learnt again")


@pytest.fixture
def cache(tmp_path: Path) -> LearntCache:
    return LearntCache(tmp_path / "deep" / "learnt")


def test_what_was_learnt_comes_back_to_the_last_digit(cache: LearntCache, tmp_path: Path) -> None:
    made = get(cache, learn)
    again = get(LearntCache(tmp_path / "deep" / "learnt"), must_not_be_called)
    assert again == made == learn()
    assert stat.S_IMODE((tmp_path / "deep" / "learnt").stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", None], ids=["empty", "other", "no", "cut"])
def test_a_damaged_file_is_made_again(cache: LearntCache, tmp_path: Path, damage) -> None:
    made = get(cache, learn)
    path = tmp_path / "deep" / "learnt" / f"{KEY}.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] if damage is None else damage)
    assert get(cache, lambda: made) == made
    assert path.read_bytes() == whole


def test_a_file_that_lacks_a_scale_or_a_weight_is_made_again(cache: LearntCache) -> None:
    made = learn()
    short = Learnt(replace(made.scales, lengths=made.scales.lengths[1:]), made.prior_weights)
    for wrong in (short, Learnt(made.scales, {})):
        LearntCache(cache._folder).get(KEY, lambda w=wrong: w, usual=wrong.scales, allowed=())
        assert get(cache, lambda: made) == made


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    made = learn()
    assert get(LearntCache(tmp_path / "file" / "learnt"), lambda: made) is made


def test_whatever_changes_what_is_learnt_changes_the_key() -> None:
    trials = history()
    scores = trials.scores.copy()
    scores[3] += 1e-12
    other = TaskTrials(trials.design, trials.task, scores, trials.weight)
    trust = TaskTrials(trials.design, trials.task, trials.scores, 0.5 * trials.weight)
    fewer = trials.without(5)
    slower = replace(SCALES, noise=np.nextafter(SCALES.noise, 1.0))
    keys = {key_of(one, SCALES, "all") for one in (trials, other, trust, fewer, None)}
    keys |= {key_of(trials, slower, "all"), key_of(trials, SCALES, "mean")}
    assert len(keys) == 7 and KEY in keys
