"""What is counted: exact, each experience once, never less than before."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.experience.samples import cheap_sample
from tests.monitoring.sums import made_up
from tests.monitoring.sums import sums
from tests.servers.fixtures import S3Server
from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.accounting import without_tenant
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.tombstone import encode_tombstone
from xautolm_core.monitoring.reading import Reader
from xautolm_core.monitoring.store_totals import StoreCount
from xautolm_core.monitoring.tally import FORGOTTEN_TENANT
from xautolm_core.monitoring.tally import Tally
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome

NOTHING = timedelta(0)
GOLDEN = Path(__file__).parents[1] / "experience" / "golden"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def _fill(store: FolderStore, numbers: range, *tenants: str) -> None:
    for tenant in tenants or ("team-a", "team-b"):
        for number in numbers:
            store.append(made_up(number, tenant))


def _totals(store: FolderStore) -> Tally:
    return StoreCount(FolderStore(store.root)).totals().tally


def _require_sums(store: FolderStore, tally: Tally) -> None:
    expected = sums(store.scan())
    assert tally.trials == expected["trials"]
    assert {k: v.micros / 1e6 for k, v in tally.durations.items()} == pytest.approx(
        dict(expected["seconds"])
    )
    assert {k: sum(v.counts) for k, v in tally.durations.items()} == expected["durations"]
    assert {k: v / 1e6 for k, v in tally.gpu_micros.items()} == pytest.approx(dict(expected["gpu"]))
    assert {tuple(k): v / 1e6 for k, v in tally.microjoules.items()} == pytest.approx(
        dict(expected["joules"])
    )


def _without_tenants(tally: Tally) -> list[object]:
    """Return the totals of all tenants together."""
    durations: Counter[object] = Counter()
    for (_, phase), found in tally.durations.items():
        durations[phase] += found.micros
        for bucket, count in enumerate(found.counts):
            durations[phase, bucket] += count
    return [
        durations,
        sum((Counter({k[1:]: v}) for k, v in tally.trials.items()), Counter()),
        sum((Counter({k[1:]: v}) for k, v in tally.gpu_micros.items()), Counter()),
        sum((Counter({tuple(k)[1:]: v}) for k, v in tally.microjoules.items()), Counter()),
    ]


def test_an_empty_store_has_nothing(store: FolderStore) -> None:
    totals = StoreCount(store).totals()
    assert totals.tally == Tally()
    assert (totals.tail, totals.oldest_in_tail_at, totals.compacted_at) == (0, None, None)


def test_totals_are_the_sums_over_the_store_wherever_it_is(store: FolderStore) -> None:
    count = StoreCount(FolderStore(store.root))
    _fill(store, range(5))
    found = count.totals()
    _require_sums(store, found.tally)
    assert (found.tail, found.experiences) == (10, {"team-a": 5, "team-b": 5})
    assert found.oldest_in_tail_at is not None
    store.compact(grace=NOTHING)
    found = count.totals()
    _require_sums(store, found.tally)
    assert (found.tail, found.oldest_in_tail_at) == (0, None)
    assert found.compacted_at is not None
    _fill(store, range(3, 9))
    found = count.totals()
    _require_sums(store, found.tally)
    assert (found.tail, found.experiences["team-a"]) == (8, 9)


def test_a_task_is_forgotten_and_stays_counted(store: FolderStore) -> None:
    count = StoreCount(FolderStore(store.root))
    _fill(store, range(8))
    store.compact(grace=NOTHING)
    _fill(store, range(8, 12))
    before = count.totals()
    store.forget(task_fingerprint=f"{2:064x}")
    after = count.totals()
    # Nothing moves to another label: not even the name of the GPU.
    assert after.tally == before.tally == _totals(store)
    assert after.experiences == {"team-a": 9, "team-b": 9}


def test_of_a_forgotten_tenant_only_the_name_is_gone(store: FolderStore) -> None:
    count = StoreCount(FolderStore(store.root))
    _fill(store, range(8))
    store.compact(grace=NOTHING)
    _fill(store, range(8, 12))
    before = count.totals().tally
    store.forget(task_fingerprint=f"{1:064x}")
    store.forget(tenant="team-b")
    after = count.totals()
    assert _without_tenants(after.tally) == _without_tenants(before)
    assert {tenant for tenant, _ in after.tally.trials} == {"team-a", FORGOTTEN_TENANT}
    assert after.experiences == {"team-a": 9}
    assert _totals(store) == after.tally
    # New experiences of the same name are welcome, and counted as such.
    _fill(store, range(20, 22), "team-b")
    assert count.totals().experiences["team-b"] == 2


def test_what_was_in_the_way_of_a_reading_is_no_source_of_its_own(store: FolderStore) -> None:
    """One series a source, in the exporter's totals as in the store's own, forgotten or not."""
    readings = (("rapl", ()), ("rapl", ("attributed",)), ("rapl", ("attributed", "gap")))
    for number, (source, flags) in enumerate((*readings, ("nvml", ()))):
        energy = EnergyReading(
            component="cpu", joules=10.5, source=source, quality="B", flags=flags
        )
        store.append(made_up(number, outcome=Outcome.OK, energy=(energy,)))
        if number == 1:
            store.compact(grace=NOTHING)
    count = StoreCount(FolderStore(store.root))
    expected = {("cpu", "ok", "rapl", "B"): 31.5, ("cpu", "ok", "nvml", "B"): 10.5}

    def told() -> list[dict[tuple[str, ...], float]]:
        tally = {tuple(k)[1:]: v / 1e6 for k, v in count.totals().tally.microjoules.items()}
        return [tally, {tuple(k)[1:]: v for k, v in store.totals().joules.items()}]

    assert told() == [expected, expected]
    store.forget(task_fingerprint=f"{1:064x}")
    assert told() == [expected, expected]
    store.forget(tenant="team-a")
    assert told() == [expected, expected]


def test_what_a_trial_took_from_the_cache_is_counted_where_it_was_spent(
    store: FolderStore,
) -> None:
    for number, (joules, reused) in enumerate(((10.0, None), (2.0, 10.0))):
        energy = EnergyReading(component="cpu", joules=joules, source="rapl", quality="B")
        changes = {"reused_joules": reused, "reused_seconds": reused or 0.0}
        store.append(
            cheap_sample(
                number, outcome=Outcome.OK, energy=(energy,), seconds={"train": joules}, **changes
            )
        )
    tally = StoreCount(FolderStore(store.root)).totals().tally
    assert sum(tally.microjoules.values()) == 12_000_000
    assert sum(tally.trials.values()) == 2
    trained = [found for (_, phase), found in tally.durations.items() if phase == "train"]
    assert [found.micros for found in trained] == [12_000_000]


def test_totals_do_not_change_by_what_is_done_to_the_store(store: FolderStore) -> None:
    """Equal to the last bit: a counter that falls by it is a restart to Prometheus."""
    generator = random.Random(3)
    count = StoreCount(FolderStore(store.root))
    for number in range(60):
        energy = EnergyReading(
            component="gpu", joules=generator.lognormvariate(5, 4), source="nvml", quality="A"
        )
        seconds = {"train": generator.lognormvariate(3, 3)}
        store.append(made_up(number, seconds=seconds, energy=(energy,)))
        if number % 20 == 7:
            first = count.totals().tally
            store.compact(grace=NOTHING if number % 3 else None)
            assert count.totals().tally == first == _totals(store)
    last = count.totals().tally
    store.forget(task_fingerprint=f"{3:064x}")
    assert count.totals().tally == last == _totals(store)
    store.compact(grace=NOTHING)
    assert count.totals().tally == last == _totals(store)


def test_two_compactors_at_once_change_no_total(store: FolderStore) -> None:
    """The same experiences are in two segments then, and in single objects."""
    _fill(store, range(6))
    other = FolderStore(store.root.with_name("other"))
    for experience in store.scan():
        other.append(experience)
    other.append(made_up(100))
    before = _totals(store)
    store.compact()
    other.compact()
    for info in list(other.storage.list("segments/")):
        store.storage.put(info.key, other.storage.get(info.key))
    assert len(store.reader.look().segments) == 2
    found = _totals(store)
    assert sum(found.trials.values()) == sum(before.trials.values()) + 1
    _require_sums(store, found)


class CountingObjects(FolderObjects):
    """Notes which objects were read whole."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gets: list[str] = []

    def get(self, key: str) -> bytes:
        self.gets.append(key)
        return super().get(key)


def test_nothing_is_read_twice(store: FolderStore) -> None:
    watched = FolderStore(store.root)
    storage = CountingObjects(store.root)
    _swap(watched, storage)
    count = StoreCount(watched)
    _fill(store, range(6))
    count.totals()
    assert sum(key.startswith("experiences/") for key in storage.gets) == 12
    storage.gets.clear()
    _fill(store, range(6, 8), "team-a")
    count.totals()
    assert sum(key.startswith("experiences/") for key in storage.gets) == 2
    storage.gets.clear()
    store.compact(grace=NOTHING)
    count.totals()
    assert not any(key.startswith("experiences/") for key in storage.gets)


def _swap(store: FolderStore, storage: ObjectStorage) -> None:
    store.reader.storage = storage


def test_of_two_with_the_same_id_the_earlier_one_counts_whoever_looks_when(
    store: FolderStore,
) -> None:
    patient = StoreCount(FolderStore(store.root))
    later, earlier = made_up(3, seconds={"train": 5.0}), made_up(3, seconds={"train": 7.0})
    store.append(later)
    patient.totals()
    store.append(earlier.model_copy(update={"ended_at": later.ended_at - timedelta(minutes=1)}))
    found = patient.totals().tally
    assert found == _totals(store)
    assert found.durations["team-a", "train"].micros == 7_000_000
    store.compact(grace=NOTHING)
    assert patient.totals().tally == found == _totals(store)


def test_readings_that_nobody_can_have_are_left_out(store: FolderStore) -> None:
    store.append(made_up(0, seconds={"train": -1.0, "evaluate": 1e30, "odd-phase": 2.0}, energy=()))
    tally = _totals(store)
    assert set(tally.durations) == {("team-a", "other")}
    assert not tally.microjoules


def test_a_store_that_shows_less_than_before_is_not_believed(store: FolderStore) -> None:
    reader = Reader(StoreCount(FolderStore(store.root)), interval_seconds=60)
    _fill(store, range(4))
    first = reader.read()
    assert (first.problem, first.failures) == ("", 0)
    for info in list(store.storage.list("experiences/team-a/"))[:2]:
        store.storage.delete(info.key)
    second = reader.read()
    assert second.failures == 1
    assert "xautolm store verify" in second.problem
    assert second.store is first.store
    _fill(store, range(4))
    assert reader.read().problem == ""


def test_a_store_as_it_was_written_once(tmp_path: Path) -> None:
    store = FolderStore(Path(shutil.copytree(GOLDEN / "store", tmp_path / "store")))
    expected = store.totals()
    count = StoreCount(store)
    for _ in range(2):
        tally = count.totals().tally
        assert _named(tally.trials) == expected.trials
        assert sum(tally.microjoules.values()) / 1e6 == pytest.approx(sum(expected.joules.values()))
        assert sum(d.micros for d in tally.durations.values()) / 1e6 == pytest.approx(
            sum(expected.seconds.values())
        )


def _named(trials: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return trials as the store itself counts them: a forgotten tenant has an empty name."""
    return {("" if t == FORGOTTEN_TENANT else t, o): n for (t, o), n in trials.items()}


def test_forgetting_that_was_killed_halfway(store: FolderStore) -> None:
    """The tombstone is there, and so is all that it says is forgotten."""
    _fill(store, range(8))
    store.compact(grace=NOTHING)
    _fill(store, range(8, 12))
    count = StoreCount(FolderStore(store.root))
    before = count.totals().tally
    accounts = accounts_of(to_table(row for row, e in store.rows() if e.tenant == "team-b"))
    key, data = encode_tombstone(without_tenant(accounts), tenant="team-b")
    store.storage.put(key, data)
    found = count.totals()
    assert _without_tenants(found.tally) == _without_tenants(before)
    assert found.experiences == {"team-a": 12}
    assert _totals(store) == found.tally


@pytest.mark.slow
def test_nothing_falls_while_others_are_at_work(store: FolderStore) -> None:
    """A writer, a compactor without any grace and one who forgets, all at once."""
    end = threading.Event()
    faults: list[BaseException] = []

    def work(act: Callable[[int], object], pause_seconds: float) -> None:
        own = itertools.count()
        try:
            while not end.wait(pause_seconds):
                act(next(own))
        except BaseException as error:  # noqa: BLE001 - told by the test itself
            faults.append(error)

    def append(number: int) -> None:
        FolderStore(store.root).append(made_up(number))

    def forget(number: int) -> None:
        FolderStore(store.root).forget(task_fingerprint=f"{number % 4:064x}")

    acts: list[tuple[Callable[[int], object], float]] = [
        (append, 0.005),
        (lambda _: FolderStore(store.root).compact(grace=timedelta(seconds=1)), 0.05),
        (forget, 0.5),
    ]
    threads = [threading.Thread(target=work, args=one) for one in acts]
    for thread in threads:
        thread.start()
    reader = Reader(StoreCount(FolderStore(store.root)), interval_seconds=60)
    deadline = time.monotonic() + 10
    problems = []
    while time.monotonic() < deadline:
        problems.append(reader.read().problem)
    end.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert set(problems) == {""}
    last = reader.read()
    assert last.store is not None
    assert last.store.tally == _totals(store)
    assert _named(last.store.tally.trials) == store.totals().trials


@pytest.mark.s3
def test_a_store_on_s3(s3_server: S3Server, bucket: str) -> None:
    store = ObjectExperienceStore(s3_server.objects(bucket, "memory"))
    count = StoreCount(ObjectExperienceStore(s3_server.objects(bucket, "memory")))
    for number in range(10):
        store.append(made_up(number))
    first = count.totals()
    assert first.tally.trials == sums(store.scan())["trials"]
    assert first.oldest_in_tail_at is not None
    store.compact(grace=NOTHING)
    store.append(made_up(10))
    store.forget(task_fingerprint=f"{1:064x}")
    found = count.totals()
    assert sum(found.tally.trials.values()) == 11
    assert (found.tail, found.compacted_at is not None) == (1, True)
    fresh = StoreCount(ObjectExperienceStore(s3_server.objects(bucket, "memory")))
    assert fresh.totals().tally == found.tally
