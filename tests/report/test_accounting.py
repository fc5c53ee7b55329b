from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.samples import record
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.accounting import account_time
from xautolm_core.report.accounting import failure_groups


def test_the_shares_of_all_outcomes_add_up_to_one(tmp_path: Path) -> None:
    account = account_time(search_result(tmp_path))
    assert sum(item.share for item in account.by_outcome) == pytest.approx(1)
    assert sum(item.trials for item in account.by_outcome) == 9
    assert sum(item.seconds for item in account.by_outcome) == pytest.approx(account.trial_seconds)
    assert [item.seconds for item in account.by_outcome] == sorted(
        (item.seconds for item in account.by_outcome), reverse=True
    )
    assert account.budget_seconds == 600
    phases = ["startup", "load_data", "tokenize", "train", "evaluate", "save"]
    assert list(account.trial_phases) == phases


def test_a_killed_trial_counts_from_launch_to_end() -> None:
    killed = record(0, outcome=Outcome.TIMEOUT, train_seconds=10.0).result
    # startup .4 + load .1 + tokenise .8 + train 10 + evaluate 1 + save .3
    assert killed.wall_seconds == pytest.approx(12.6)
    lost = killed.model_copy(update={"launched_at": None, "started_at": None, "ended_at": None})
    assert lost.wall_seconds == pytest.approx(12.6)


def test_no_trial_makes_no_division_by_zero(tmp_path: Path) -> None:
    account = account_time(search_result(tmp_path, records=[], best=None))
    assert account.by_outcome == []
    assert account.trial_seconds == 0


def test_equal_failures_are_told_once() -> None:
    twice = [*trials(), record(9, outcome=Outcome.OOM_HOST, failure=trials()[6].result.failure)]
    groups = failure_groups(twice)
    assert [(g.outcome, g.kind, list(g.trials)) for g in groups] == [
        (Outcome.OOM_HOST, "MemoryLimit", [6, 9]),
        (Outcome.DIVERGED, "NonFiniteLoss", [7]),
        (Outcome.TIMEOUT, "WallLimit", [3]),
    ]
