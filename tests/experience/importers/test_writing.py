"""Imports into a store: each experience once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.experience.importers.records import classification
from tests.experience.importers.records import failure_with_text
from tests.experience.importers.records import failure_without_text
from tests.experience.importers.records import flat
from tests.experience.importers.records import write_lines
from tests.experience.importers.records import write_store
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.published import import_published
from xautolm_core.experience.importers.writing import Counts
from xautolm_core.experience.importers.writing import plan_import
from xautolm_core.records.experience import Experience

EARLY = "2024-11-04 06:00:00"


def _write(imported: Imported, store: FolderStore) -> Counts:
    new, counts = plan_import(imported.experiences, store)
    assert counts.new == len(new)
    for experience in new:
        store.append(experience)
    return counts


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    imported = import_published(
        write_store(tmp_path / "records", classification(), failure_with_text(timestamp=EARLY))
    )
    assert _write(imported, store).new == 2
    again = _write(imported, store)
    assert (again.new, again.already_there) == (0, 2)
    found = list(store.scan())
    assert {e.id for e in found} == {e.id for e in imported.experiences}
    assert all(e.provenance["importer"] == "published/2" for e in found)
    assert store.verify().faults == ()


def test_the_other_layout_of_the_same_record_adds_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    _write(import_published(write_store(tmp_path / "new", classification())), store)
    old = import_published(write_store(tmp_path / "old", flat(classification())))
    assert _write(old, store).already_there == 1


def test_a_part_of_a_run_first_and_the_whole_run_later(tmp_path: Path) -> None:
    """The part held the second record of a failure alone, which has another time."""
    store = FolderStore(tmp_path / "store")
    second = failure_without_text(timestamp="2024-11-04 08:27:38")
    _write(import_published(write_lines(tmp_path / "part.jsonl", second)), store)
    run = write_store(
        tmp_path / "run", classification(timestamp=EARLY), failure_with_text(), second
    )
    plan = _write(import_published(run), store)
    assert (plan.new, plan.twins) == (1, 1)
    assert len(list(store.scan())) == 2


def test_two_successes_of_one_second_whatever_is_imported_first(tmp_path: Path) -> None:
    other = classification()
    ((fine_tuner, nodes),) = other["algorithms"][0].items()
    other["algorithms"] = [{fine_tuner: {**nodes, "num_epochs": {"value": 7}}}]
    first = import_published(write_lines(tmp_path / "a.jsonl", classification()))
    both = import_published(write_lines(tmp_path / "ab.jsonl", other, classification()))
    store = FolderStore(tmp_path / "store")
    assert _write(first, store).new == 1
    plan = _write(both, store)
    assert (plan.new, plan.already_there, plan.conflicts) == (1, 1, 0)
    assert {e.id for e in store.scan()} == {e.id for e in both.experiences}


def test_many_searches_are_looked_up_in_one_pass(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    records = [classification(alias=f"run{number}") for number in range(5)]
    imported = import_published(write_lines(tmp_path / "a.jsonl", *records))
    _write(imported, store)
    asked: list[ExperienceFilter] = []
    scan = store.scan

    def watched(wanted: ExperienceFilter) -> Iterator[Experience]:
        asked.append(wanted)
        return scan(wanted)

    store.scan = watched  # type: ignore[assignment, method-assign]
    assert _write(imported, store).already_there == 5
    assert [len(wanted.search_ids) for wanted in asked] == [5]


def test_two_tenants_in_one_store_both_have_all(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    source = write_store(tmp_path / "records", classification())
    for tenant in ("a", "b"):
        assert _write(import_published(source, tenant=tenant), store).new == 1
    for tenant in ("a", "b"):
        assert len(list(store.scan(ExperienceFilter(tenant=tenant)))) == 1


def test_another_content_under_the_same_id_is_told(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    imported = import_published(write_store(tmp_path / "records", classification()))
    _write(imported, store)
    changed = [
        e.model_copy(
            update={
                "provenance": {**e.provenance, "record_sha256": "0" * 64},
                "configuration": e.configuration.model_copy(update={"model": "gpt2"}),
            }
        )
        for e in imported.experiences
    ]
    _, plan = plan_import(changed, store)
    assert (plan.new, plan.already_there, plan.conflicts) == (0, 0, 1)


def test_a_killed_import_is_finished_by_the_next_one(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    source = write_store(tmp_path / "records", classification(), classification(timestamp=EARLY))
    imported = import_published(source)
    store.append(imported.experiences[0])
    plan = _write(imported, store)
    assert (plan.new, plan.already_there) == (1, 1)
