"""How often a store is looked at again."""

from __future__ import annotations

import pytest

from xautolm_core.experience.damage import ATTEMPTS
from xautolm_core.experience.damage import LONGEST_WAIT_SECONDS
from xautolm_core.experience.damage import looks


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def test_each_wait_is_longer_up_to_a_limit(waits: list[float]) -> None:
    assert list(looks(lambda: 0)) == [False] * (ATTEMPTS - 1) + [True]
    assert waits == sorted(waits)
    assert len(waits) == ATTEMPTS - 1
    assert waits[:3] == [0.02, 0.04, 0.08]
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_a_look_that_found_damage_does_not_count(waits: list[float]) -> None:
    faults: list[int] = []
    for _ in looks(faults.__len__):
        if len(faults) == 100:
            break
        faults.append(0)
    assert len(faults) == 100
    assert waits == []
