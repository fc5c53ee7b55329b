"""Appending, scanning and getting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.samples import START
from tests.experience.samples import sample
from xautolm_core.errors import StoreError
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome


class AppendingContract(StoreFixtures):
    """What is appended is there, once, in order."""

    def test_an_empty_store_is_fine(self, store: ObjectExperienceStore) -> None:
        assert list(store.scan()) == []
        assert store.get("absent") is None
        assert store.compact() == 0
        assert store.verify().faults == ()

    def test_what_was_appended_is_scanned(self, store: ObjectExperienceStore) -> None:
        experience = sample()
        assert store.append(experience) == experience.id
        assert list(store.scan()) == [experience]
        assert store.get(experience.id) == experience

    def test_appending_again_changes_nothing(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        before = [(i.key, storage.get(i.key)) for i in storage.list()]
        store.append(sample())
        store.append(sample(scores={}))
        assert [(i.key, storage.get(i.key)) for i in storage.list()] == before

    def test_the_same_attempt_with_another_date_comes_once(
        self, store: ObjectExperienceStore
    ) -> None:
        first, second = sample(), sample(ended_at=START + timedelta(days=2))
        store.append(second)
        store.append(first)
        assert list(store.scan()) == [first]
        store.compact()
        assert list(store.scan()) == [first]

    def test_a_scan_is_ordered_by_end_and_id(self, store: ObjectExperienceStore) -> None:
        experiences = [sample("a", 5), sample("b", 1), sample("c", 1), sample("a", 0)]
        for experience in experiences:
            store.append(experience)
        expected = sorted(experiences, key=lambda e: (e.ended_at, e.id))
        assert list(store.scan()) == expected
        store.compact()
        store.append(sample("late", 3))
        assert [e.search_id for e in store.scan()][-2:] == ["late", "a"]

    def test_filters_choose(self, store: ObjectExperienceStore) -> None:
        store.append(sample("a", 0))
        store.append(sample("a", 1, outcome=Outcome.OOM_HOST))
        store.append(sample("b", 2, tenant="other", task_name="news", task_fingerprint="0"))

        def found(**wanted: object) -> list[int]:
            return [e.trial_number for e in store.scan(ExperienceFilter(**wanted))]  # type: ignore[arg-type]

        assert found() == [0, 1, 2]
        assert found(tenant="other") == [2]
        assert found(search_ids=frozenset({"a"})) == [0, 1]
        assert found(outcomes=(Outcome.OOM_HOST,)) == [1]
        assert found(task_name="news") == [2]
        for _ in range(2):
            assert found(ended_from=START + timedelta(minutes=30)) == [1, 2]
            store.compact()

    def test_get_takes_an_unambiguous_beginning(self, store: ObjectExperienceStore) -> None:
        one = sample("a", 0, id="abcd1" + "0" * 27)
        other = sample("a", 1, id="abcd2" + "0" * 27)
        store.append(one)
        for _ in range(2):
            store.append(other)
            assert store.get("abcd1") == one
            assert store.get(other.id) == other
            assert store.get("abc") is None
            assert store.get("abcd3") is None
            assert store.get("../etc") is None
            with pytest.raises(StoreError, match="2 experiences begin with"):
                store.get("abcd")
            store.compact(grace=timedelta(0))

    def test_an_id_that_is_none_is_refused(self, store: ObjectExperienceStore) -> None:
        with pytest.raises(StoreError, match="not an id of an experience"):
            store.append(sample(id="../x"))

    def test_odd_names_make_safe_and_distinct_keys(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        names = ["a/b", "a_b", "../../etc", "é" * 200, "a b", ".hidden"]
        for name in names:
            store.append(sample(name))
        # One that is a path, or too long for a name, is kept as a digest.
        kept = {e.search_id for e in store.scan()}
        assert kept & set(names) == {"a/b", "a_b", "a b", ".hidden"}
        assert len(kept) == len(names)
        assert len(list(storage.list("experiences/default/2026-03-01/"))) == len(names)
        with pytest.raises(StoreError, match="not a usable name"):
            store.append(sample(tenant="../up"))

    def test_what_must_not_be_kept_is_not(self, store: ObjectExperienceStore) -> None:
        failure = Failure(
            kind="OSError", message="cannot read\n/home/someone/data.csv " + "x" * 500
        )
        features = sample().task_features.model_copy(
            update={"values": {"rows": float("nan"), "words": 3.0}}
        )
        store.append(
            sample(failure=failure, task_features=features, seconds={"train": float("inf")})
        )
        (kept,) = store.scan()
        assert kept.failure is not None
        assert "someone" not in kept.failure.message
        assert "\n" not in kept.failure.message
        assert len(kept.failure.message) <= 300
        assert kept.task_features.values == {"rows": None, "words": 3.0}
        assert kept.seconds == {}
