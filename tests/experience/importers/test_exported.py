"""What a store exports and another one imports is the same, byte for byte."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.contract.base import sealed
from tests.experience.samples import START
from tests.experience.samples import cheap_sample
from tests.experience.samples import complete_sample
from tests.experience.samples import sample
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import encode
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.importers.exported import import_exported
from xautolm_core.experience.importers.exported import is_exported
from xautolm_core.experience.importers.reading import importer_of
from xautolm_core.experience.transfer import export_experiences
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.experience import ExperiencePrediction
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score

FORMATS = ("all.jsonl", "all.parquet")
GOLDEN = Path(__file__).parents[1] / "golden"

_numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
_amounts = st.floats(0, 1e12) | st.sampled_from([0.0, 5e-324, 1e300])
_words = st.text("abcxyz_", min_size=1, max_size=8).map(lambda text: f"w{text}")
_values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), _numbers, st.sampled_from(["", "a, b"])
)
_times = st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC))
_features = st.builds(
    FeatureVector,
    extractor=_words,
    version=st.sampled_from(["1.0", "2"]),
    values=st.dictionaries(_words, st.none() | _numbers, max_size=3),
    units=st.dictionaries(_words, st.sampled_from(["1", "GB", "%"]), max_size=2),
)


@st.composite
def experiences(draw: st.DrawFn) -> Experience:
    """Draw any experience, from the least of fields to all of them."""
    changes: dict[str, st.SearchStrategy[Any]] = {
        "tenant": st.sampled_from(["default", "team-a", "x.y_z"]),
        "task_name": st.sampled_from(["reviews", "Fragen und Antworten", "日本"]),
        "task_features": _features,
        "system_features": _features,
        "plan": st.none()
        | st.builds(
            ExperiencePlan,
            estimated_seconds=st.none() | _amounts,
            estimated_host_bytes=st.none() | st.integers(0, 2**70),
            allowed_seconds=st.none() | _amounts,
        ),
        "outcome": st.sampled_from(list(Outcome)),
        "cut_by": st.sampled_from([None, "deadline", "wall"]),
        "continues": st.none() | st.integers(0, 2**63),
        "cumulative_seconds": st.none() | _amounts,
        "scores": st.dictionaries(_words, st.builds(Score, value=_numbers), max_size=3),
        "seconds": st.dictionaries(_words, _amounts, max_size=3),
        "latency_ms": st.none() | _amounts,
        "data_fraction": _amounts,
        "peak_gpu_bytes": st.none() | st.integers(0, 2**70),
        "energy": st.lists(
            st.builds(
                EnergyReading,
                component=st.sampled_from(["gpu", "cpu"]),
                joules=_amounts,
                source=st.just("nvml"),
                quality=st.sampled_from(["A", "B", "C"]),
            ),
            max_size=2,
        ).map(tuple),
        "failure": st.none() | st.builds(Failure, kind=_words),
        "seed": st.integers(-(2**70), 2**70),
        "warm_started": st.booleans(),
        "predicted": st.none() | st.builds(ExperiencePrediction, seconds_low=st.none() | _numbers),
        "provenance": st.dictionaries(_words, _words, max_size=2),
        "started_at": st.none() | _times,
        "ended_at": _times,
    }
    chosen = draw(st.sets(st.sampled_from(sorted(changes))))
    found = {name: draw(changes[name]) for name in sorted(chosen)}
    parameters = draw(st.dictionaries(_words, _values, max_size=4))
    configuration = Configuration(branch="b", model="org/a", method="full", parameters=parameters)
    trial = draw(st.integers(0, 10_000))
    return sample("search", trial, **{"ended_at": START, "configuration": configuration} | found)


def _texts(store: FolderStore) -> list[str]:
    return [row.payload.text for row, _ in store.rows()]


def _there_and_back(store: FolderStore, folder: Path, name: str) -> FolderStore:
    """Export a store, import the file into another one, and compare all that there is."""
    path, other = folder / name, FolderStore(folder / f"other-{name}")
    count = export_experiences(store, path)
    account, counts = import_exported(path, other)
    assert account.is_balanced
    assert (account.read, account.imported.total(), counts.new) == (count, count, count)
    assert _texts(other) == _texts(store)
    assert list(other.scan()) == list(store.scan())
    assert other.verify().faults == ()
    again = folder / f"again-{name}"
    assert export_experiences(other, again) == count
    if path.suffix == ".jsonl":
        assert again.read_bytes() == path.read_bytes()
    else:
        assert pq.read_table(again).drop_columns("key") == pq.read_table(path).drop_columns("key")
    # Importing twice adds nothing.
    _, counts = import_exported(path, other)
    assert (counts.new, counts.already_there, counts.kept) == (0, count, count)
    return other


@settings(max_examples=25)
@given(st.lists(experiences(), max_size=4, unique_by=lambda e: e.id), st.sampled_from(FORMATS))
def test_export_and_import_are_each_others_inverse(found: Sequence[Experience], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder, "store"))
        for experience in found:
            store.append(experience)
        assert len(_texts(store)) == len(found)
        _there_and_back(store, Path(folder), name)


@pytest.mark.parametrize("name", FORMATS)
def test_the_golden_experience_and_what_a_newer_version_added(tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path / "store")
    store.append(complete_sample())
    store.append(cheap_sample(4))
    content = json.loads(encode(sample("new", 5)))["experience"]
    content |= {"carbon_grams": 3.5, "schema_version": 9}
    store.storage.put("experiences/default/2026-03-01/new.json", sealed(content))
    other = _there_and_back(store, tmp_path, name)
    golden = json.loads((GOLDEN / "experience-v1.json").read_bytes())["experience"]
    assert golden in [json.loads(text) for text in _texts(other)]
    assert '"carbon_grams":3.5' in "".join(_texts(other))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "store")
    for trial in range(3):
        made.append(sample("a", trial, task_name=("reviews", "news", "news")[trial]))
    return made


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_is_known_by_its_content(tmp_path: Path, store: FolderStore, name: str) -> None:
    export_experiences(store, tmp_path / name)
    assert is_exported(tmp_path / name)
    assert importer_of(str(tmp_path / name)) == "experiences"


def test_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "published.jsonl").write_text('{"algorithms": []}\n')
    (tmp_path / "broken.jsonl").write_text("{\n" * 3)
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    for name in ("published.jsonl", "broken.jsonl", "table.parquet", "absent.jsonl"):
        assert not is_exported(tmp_path / name)


def test_what_is_broken_is_named_and_the_rest_comes_in(tmp_path: Path, store: FolderStore) -> None:
    path, other = tmp_path / "all.jsonl", FolderStore(tmp_path / "other")
    export_experiences(store, path)
    good = path.read_text().splitlines()
    lines = [
        good[0],
        good[1][:-1],
        good[1].replace('"tenant":"default"', '"tenant":"team a"'),
        good[1].replace('"trial_number":1', '"trial_number":-1'),
        good[1].replace('"seed":0', '"seed":NaN'),
        "[]",
        "",
        good[2],
    ]
    path.write_text("\n".join(lines) + "\n")
    account, counts = import_exported(path, other)
    assert counts.new == 2 and account.read == 7 and account.is_balanced
    places = {place for found in account.places.values() for place in found}
    assert places == {f"all.jsonl:{number}" for number in range(2, 7)}
    assert sorted(e.trial_number for e in other.scan()) == [0, 2]


def test_a_damaged_row_of_a_parquet_file_is_named(tmp_path: Path, store: FolderStore) -> None:
    path = tmp_path / "all.parquet"
    export_experiences(store, path)
    table = pq.read_table(path)
    seeds = table["seed"].to_pylist()
    place = table.schema.get_field_index("seed")
    kind = table.schema.field(place)
    pq.write_table(table.set_column(place, kind, [[seeds[0], 7, seeds[2]]]), path)
    account, counts = import_exported(path, FolderStore(tmp_path / "other"))
    assert counts.new == 2
    ((reason, places),) = account.places.items()
    assert "does not match its digest" in reason and places == ["all.parquet:2"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="not a readable Parquet file"):
        import_exported(path, None, dry_run=True)


def test_what_was_forgotten_stays_so_and_other_tasks_stay_out(
    tmp_path: Path, store: FolderStore
) -> None:
    path = tmp_path / "all.jsonl"
    store.append(sample("b", 0, task_fingerprint="secret"))
    export_experiences(store, path)
    store.forget(task_fingerprint="secret")
    account, counts = import_exported(path, store)
    assert (counts.new, counts.already_there) == (0, 3)
    assert account.records == {"was forgotten in this store": 1}
    other = FolderStore(tmp_path / "other")
    account, counts = import_exported(path, other, tasks=["news"])
    assert counts.new == 2 and account.records.total() == 2
    assert {e.task_name for e in other.scan()} == {"news"}


def test_a_dry_run_writes_nothing(tmp_path: Path, store: FolderStore) -> None:
    path, other = tmp_path / "all.jsonl", FolderStore(tmp_path / "other")
    export_experiences(store, path)
    assert import_exported(path, None, dry_run=True)[1].new == 3
    other.append(sample("a", 1))
    _, counts = import_exported(path, other, dry_run=True)
    assert (counts.new, counts.already_there) == (2, 1)
    assert len(list(other.scan())) == 1


def test_the_policies_of_the_store_hold(tmp_path: Path) -> None:
    store, other = FolderStore(tmp_path / "store"), FolderStore(tmp_path / "other")
    store.storage.put("tenants/default.json", b'{"allow_class_names": true}')
    store.append(sample(scores={"f1/refund": Score(value=0.5)}))
    export_experiences(store, tmp_path / "all.jsonl")
    account, _ = import_exported(tmp_path / "all.jsonl", other)
    assert account.changes == {"scores: replaced in part by the rules of what may be kept": 1}
    assert b"refund" not in b"".join(text.encode() for text in _texts(other))
    other.storage.put("tenants/default.json", b"{")
    with pytest.raises(StoreError, match=r"tenants/default\.json"):
        import_exported(tmp_path / "all.jsonl", FolderStore(tmp_path / "other"))


def test_many_rows_need_no_more_than_some_thousands_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm_core.experience.transfer._CHUNK_ROWS", 2)
    store = FolderStore(tmp_path / "store")
    for trial in range(7):
        store.append(sample("a", trial))
    store.compact(grace=timedelta(0))
    _there_and_back(store, tmp_path, "all.jsonl")
