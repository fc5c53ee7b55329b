"""Any order of appends, compactions, forgetting, crashes and races, against a model."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import rule

from tests.experience.samples import START
from tests.experience.samples import sample
from tests.experience.storages import DyingStorage
from tests.experience.storages import InterruptedStorage
from tests.experience.storages import Killed
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.view import SegmentGoneError
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.experience import Experience
from xautolm_core.records.scores import Score

_MEMORY = Path("/dev/shm")
_NOTHING = timedelta(0)

trials = st.integers(0, 5)
steps = st.integers(1, 40)
graces = st.sampled_from([_NOTHING, timedelta(hours=1)])


class StoreMachine(RuleBasedStateMachine):
    """The model: for each id the copies by end, the first that was written with each end."""

    def __init__(self) -> None:
        super().__init__()
        # In memory where that is possible: thousands of flushes to a disk would take minutes.
        place = str(_MEMORY) if _MEMORY.is_dir() else None
        self.root = Path(tempfile.mkdtemp(prefix="xautolm-test-", dir=place))
        self.storage = FolderObjects(self.root)
        self.store = ObjectExperienceStore(self.storage)
        self.copies: dict[str, dict[datetime, Experience]] = {}
        self.forgotten: set[str] = set()
        self.is_clean = True

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def expected(self) -> list[Experience]:
        visible = [
            copies[min(copies)]
            for identity, copies in self.copies.items()
            if identity not in self.forgotten
        ]
        return sorted(visible, key=lambda e: (e.ended_at, e.id))

    def others(self, store: ObjectExperienceStore | None = None) -> list[Callable[[], object]]:
        """What another process may do meanwhile without changing what is to be seen."""
        other = store or ObjectExperienceStore(self.storage)
        return [
            lambda: other.compact(grace=_NOTHING),
            lambda: other.compact(grace=timedelta(hours=1)),
            lambda: list(other.scan()),
            other.verify,
        ]

    @initialize(count=st.integers(0, 12))
    def many_compactions(self, count: int) -> None:
        for trial in range(count):
            self.append("many", trial, 0, 0)
            self.store.compact(grace=_NOTHING)

    @rule(
        search=st.sampled_from(["a", "b"]),
        trial=trials,
        days=st.integers(-1, 1),
        score=st.integers(0, 1),
    )
    def append(self, search: str, trial: int, days: int, score: int) -> None:
        experience = sample(
            search,
            trial,
            tenant=f"tenant-{search}",
            task_fingerprint=f"task-{trial % 3}",
            ended_at=START + timedelta(days=days, minutes=trial),
            scores={"macro_f1": Score(value=score / 2)},
        )
        self.store.append(experience)
        copies = self.copies.setdefault(experience.id, {})
        copies.setdefault(experience.ended_at, experience)
        self.is_clean = self.is_clean and experience.id not in self.forgotten

    @rule(grace=graces)
    def compact(self, grace: timedelta) -> None:
        self.store.compact(grace=grace)
        self.is_clean = True

    @rule()
    def start_again(self) -> None:
        self.store = ObjectExperienceStore(self.storage)

    @rule(step=steps, after=st.booleans(), grace=graces)
    def die_in_compaction(self, step: int, after: bool, grace: timedelta) -> None:
        dying = ObjectExperienceStore(DyingStorage(self.storage, step, after=after))
        try:
            dying.compact(grace=grace)
        except Killed:
            return
        self.is_clean = True

    @rule(
        step=st.integers(1, 80),
        grace=graces,
        other=st.sampled_from([0, 1, 3]),
        reuse=st.booleans(),
    )
    def race_of_compactors(self, step: int, grace: timedelta, other: int, reuse: bool) -> None:
        act = self.others(self.store if reuse else None)[other]
        slow: ObjectStorage = InterruptedStorage(self.storage, step, act)
        ObjectExperienceStore(slow).compact(grace=grace)
        self.is_clean = True

    @rule(step=st.integers(1, 60), reuse=st.booleans())
    def race_of_reader_and_compactor(self, step: int, reuse: bool) -> None:
        act = self.others(self.store if reuse else None)[0]
        reader = ObjectExperienceStore(InterruptedStorage(self.storage, step, act))
        assert list(reader.scan()) == self.expected()
        assert reader.faults == ()

    @rule(task=st.integers(0, 2))
    def forget_task(self, task: int) -> None:
        self.store.forget(task_fingerprint=f"task-{task}")
        self._forget(lambda e: e.task_fingerprint == f"task-{task}")

    @rule(search=st.sampled_from(["a", "b"]))
    def forget_tenant(self, search: str) -> None:
        self.store.forget(tenant=f"tenant-{search}")
        self._forget(lambda e: e.tenant == f"tenant-{search}")

    @rule(task=st.integers(0, 2), step=steps, after=st.booleans())
    def die_in_forgetting(self, task: int, step: int, after: bool) -> None:
        before = self.expected()
        try:
            dying = ObjectExperienceStore(DyingStorage(self.storage, step, after=after))
            dying.forget(task_fingerprint=f"task-{task}")
        except Killed:
            self.is_clean = False
            if list(self.store.scan()) == before:
                return  # not even the tombstone was written
        self._forget(lambda e: e.task_fingerprint == f"task-{task}")

    @rule(task=st.integers(0, 2), step=st.integers(1, 80))
    def race_of_compactor_and_forgetting(self, task: int, step: int) -> None:
        other = ObjectExperienceStore(self.storage)
        slow = InterruptedStorage(
            self.storage, step, lambda: other.forget(task_fingerprint=f"task-{task}")
        )
        ObjectExperienceStore(slow).compact(grace=_NOTHING)
        if slow.was_interrupted:
            self._forget(lambda e: e.task_fingerprint == f"task-{task}")
            self.is_clean = False

    @rule(task=st.integers(0, 2), step=st.integers(1, 80), other=st.sampled_from([0, 3]))
    def race_of_forgetting_and_another(self, task: int, step: int, other: int) -> None:
        slow = InterruptedStorage(self.storage, step, self.others()[other])
        ObjectExperienceStore(slow).forget(task_fingerprint=f"task-{task}")
        self._forget(lambda e: e.task_fingerprint == f"task-{task}")
        self.is_clean = False

    @rule(step=st.integers(1, 60), reuse=st.booleans())
    def race_of_view_and_compactor(self, step: int, reuse: bool) -> None:
        act = self.others(self.store if reuse else None)[0]
        reader = ObjectExperienceStore(InterruptedStorage(self.storage, step, act))
        view = reader.view()
        with contextlib.suppress(SegmentGoneError):
            tables = [*(segment.table(["id"]) for segment in view.segments), view.tail]
            ids = {identity for table in tables for identity in table["id"].to_pylist()}
            assert ids - view.hidden == {bytes.fromhex(e.id) for e in self.expected()}

    @invariant()
    def all_is_seen(self) -> None:
        expected = self.expected()
        for store in (self.store, ObjectExperienceStore(self.storage)):
            assert list(store.scan()) == expected
            assert store.faults == ()
        if expected:
            assert self.store.get(expected[0].id) == expected[0]

    @invariant()
    def counters_never_fall(self) -> None:
        assert self.store.totals().trials.total() == len(self.copies)

    @invariant()
    def it_is_whole(self) -> None:
        faults = ObjectExperienceStore(self.storage).verify().faults
        if self.is_clean:
            assert faults == ()
        else:
            assert all("forgotten" in fault.problem for fault in faults)

    def _forget(self, is_meant: Callable[[Experience], bool]) -> None:
        for identity, copies in self.copies.items():
            if any(is_meant(copy) for copy in copies.values()):
                self.forgotten.add(identity)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=int(os.environ.get("XAUTOLM_TEST_EXAMPLES", "12")),
    stateful_step_count=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
