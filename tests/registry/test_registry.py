from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from datetime import timedelta
from datetime import timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.registry.models import MOMENT
from tests.registry.models import make_record
from tests.registry.models import write_model
from xautolm_core.errors import ConfigError
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.keys import check_key
from xautolm_core.registry.documents import DamagedVersionError
from xautolm_core.registry.layout import task_key
from xautolm_core.registry.record import SplitScores
from xautolm_core.registry.registry import ModelRegistry


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry.open(str(tmp_path / "registry"))


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def _spoil(tmp_path: Path, pattern: str, old: bytes, new: bytes) -> None:
    (path,) = (tmp_path / "registry").glob(pattern)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def test_a_model_comes_back_as_it_was(registry, model_folder, tmp_path):
    registered = registry.register("moods", model_folder, make_record(), seen_rows=b"digests")
    assert registered.version.startswith("20260131T120000Z-")
    again = ModelRegistry.open(registry.address).version("moods", registered.version)
    assert again == registered
    assert again.record == make_record()
    assert again.record.joules_by_quality == {"A": 7, "B": 15}
    assert registry.seen_rows(again) == b"digests"
    fetched = registry.fetch(again, tmp_path / "fetched")
    assert files_below(fetched) == files_below(model_folder)
    assert (fetched / "model.safetensors").read_bytes() == b"weights"
    assert Path(registered.uri).is_file()
    assert registry.tasks() == ["moods"]


def test_the_same_model_of_the_same_trial_is_one_version(registry, model_folder):
    first = registry.register("moods", model_folder, make_record())
    for changes in ({}, {"created_at": MOMENT + timedelta(days=1)}, {"parent": first.version}):
        assert registry.register("moods", model_folder, make_record(**changes)) == first
    assert registry.versions("moods") == [first]


def test_another_search_trial_or_content_is_another_version(registry, model_folder, tmp_path):
    found = {
        registry.register("moods", model_folder, make_record()).version,
        registry.register("moods", model_folder, make_record(trial=4)).version,
        registry.register("moods", model_folder, make_record(search_id="s2")).version,
        registry.register("moods", write_model(tmp_path / "b", b"x"), make_record()).version,
    }
    assert len(found) == 4
    assert {m.version for m in registry.versions("moods")} == found
    assert registry.versions("other") == []


def test_versions_are_ordered_by_the_time_of_training(registry, model_folder):
    times = [MOMENT + timedelta(hours=h) for h in (5, 1, 3)]
    zone = timezone(timedelta(hours=9))
    for number, time in enumerate(times):
        registry.register(
            "moods", model_folder, make_record(trial=number, created_at=time.astimezone(zone))
        )
    assert [m.record.created_at for m in registry.versions("moods")] == sorted(times)


def test_the_newest_promotion_counts(registry, model_folder):
    assert registry.champion("moods") is None
    a, b = (registry.register("moods", model_folder, make_record(trial=t)) for t in (1, 2))
    for number, model in enumerate((a, b, a), start=1):
        promotion = registry.promote(model, reason="why")
        assert promotion.number == number
        assert registry.champion("moods") == model
    assert [p.version for p in registry.promotions("moods")] == [a.version, b.version, a.version]


def test_order_does_not_rest_on_clocks(registry, model_folder, monkeypatch):
    from xautolm_core.registry import promotions

    a, b = (registry.register("moods", model_folder, make_record(trial=t)) for t in (1, 2))
    registry.promote(a)

    class Behind(type(MOMENT)):
        @classmethod
        def now(cls, tz=None):
            return MOMENT - timedelta(days=900)

    monkeypatch.setattr(promotions, "datetime", Behind)
    registry.promote(b)
    assert registry.champion("moods") == b


def test_promotions_at_once_leave_one_champion_for_all_readers(registry, model_folder):
    models = [registry.register("moods", model_folder, make_record(trial=t)) for t in range(6)]
    threads = [threading.Thread(target=registry.promote, args=(m,)) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    champions = {ModelRegistry.open(registry.address).champion("moods").version for _ in range(5)}
    assert len(champions) == 1
    later = registry.register("moods", model_folder, make_record(trial=9))
    registry.promote(later)
    assert registry.champion("moods") == later


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"trial": 3', b'"trial": 4'), (b'{\n "sha256"', b'[\n "sha256"'), (b"0.8", b"0.9")],
)
def test_a_damaged_record_is_refused_and_the_others_stay(
    registry, model_folder, tmp_path, old, new
):
    bad = registry.register("moods", model_folder, make_record())
    _spoil(tmp_path, f"records/moods/{bad.version}.json", old, new)
    good = registry.register("moods", model_folder, make_record(trial=7))
    with pytest.raises(DamagedVersionError, match=r"is damaged: .*Use another version"):
        registry.version("moods", bad.version)
    assert registry.versions("moods") == [good]
    assert list(registry.damaged_versions("moods")) == [bad.version]
    assert registry.tasks() == ["moods"]
    registry.promote(good)
    assert registry.champion("moods") == good


def test_damaged_files_are_refused(registry, model_folder, tmp_path):
    model = registry.register("moods", model_folder, make_record())
    digest = hashlib.sha256(b"weights").hexdigest()
    _spoil(tmp_path, f"models/moods/*/parts/{digest}-00000", b"weights", b"WEIGHTS")
    with pytest.raises(DamagedVersionError, match=r"model\.safetensors does not match its digest"):
        registry.fetch(model, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_missing_files_are_found_before_a_promotion(registry, model_folder, tmp_path):
    model = registry.register("moods", model_folder, make_record())
    (manifest,) = (tmp_path / "registry").glob("models/moods/*/manifest.json")
    manifest.unlink()
    with pytest.raises(DamagedVersionError, match=r"manifest\.json is missing"):
        registry.promote(model)
    assert registry.champion("moods") is None


def test_a_damaged_promotion_is_not_passed_over(registry, model_folder, tmp_path):
    a, b = (registry.register("moods", model_folder, make_record(trial=t)) for t in (1, 2))
    registry.promote(a)
    registry.promote(b)
    _spoil(tmp_path, "promotions/moods/00000002-*.json", b.version.encode(), a.version.encode())
    with pytest.raises(DamagedVersionError, match="Promotion"):
        registry.champion("moods")
    registry.promote(b)
    assert registry.champion("moods") == b


def test_a_champion_that_was_deleted_is_told(registry, model_folder, tmp_path):
    model = registry.register("moods", model_folder, make_record())
    registry.promote(model)
    Path(model.uri).unlink()
    with pytest.raises(DamagedVersionError, match="its record is missing"):
        registry.champion("moods")


def test_damaged_digests_of_rows_are_refused(registry, model_folder, tmp_path):
    model = registry.register("moods", model_folder, make_record(), seen_rows=b"digests")
    _spoil(tmp_path, "rows/moods/*.bin", b"d", b"D")
    with pytest.raises(DamagedVersionError, match="digests of its rows"):
        registry.seen_rows(model)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pkl", "modeling.py", "x/.cache"])
def test_code_and_pickles_are_no_models(registry, model_folder, name):
    (model_folder / name).parent.mkdir(exist_ok=True)
    (model_folder / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"a file of a registered model\. Remove it"):
        registry.register("moods", model_folder, make_record())
    assert registry.versions("moods") == []


def test_a_folder_without_weights_is_no_model(registry, tmp_path):
    with pytest.raises(ConfigError, match="is not a folder"):
        registry.register("moods", tmp_path / "nowhere", make_record())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no weights"):
        registry.register("moods", tmp_path / "empty", make_record())


@pytest.mark.parametrize("version", ["", "..", "20260131T120000Z-0123456789abcdeg", "a/b"])
def test_what_is_no_version_never_becomes_a_key(registry, version):
    with pytest.raises(ConfigError, match="is not a version"):
        registry.version("moods", version)


def test_a_version_that_is_not_there(registry):
    with pytest.raises(ConfigError, match=r"has no version .* xautolm models list"):
        registry.version("moods", "20260131T120000Z-0123456789abcdef")


def test_the_record_has_no_room_for_other_fields(registry):
    with pytest.raises(ValidationError):
        make_record(texts=["a text"])
    with pytest.raises(ValidationError, match="counts other rows"):
        SplitScores(macro_f1=0.5, rows=3, confusion=((1, 0), (0, 1)))


def test_names_of_tasks_may_be_anything(registry, model_folder, tmp_path):
    names = ["owner/name", "owner-name", "../../etc", "Stimmungen älterer Leute", "a" * 300, "~"]
    for name in names:
        registry.register(name, model_folder, make_record())
    assert registry.tasks() == sorted(names)
    for name in names:
        assert [m.task_name for m in registry.versions(name)] == [name]
    assert {p.name for p in tmp_path.iterdir()} == {"model", "registry"}


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_every_name_has_a_key_of_its_own(a, b):
    assert check_key(task_key(a)) == task_key(a)
    assert "/" not in task_key(a)
    assert (task_key(a) == task_key(b)) == (a == b)


def test_records_are_plain_json(registry, model_folder):
    model = registry.register("moods", model_folder, make_record())
    document = json.loads(Path(model.uri).read_bytes())
    assert document["content"]["record"]["labels"] == ["bad", "good"]
    assert document["content"]["files"]["digest"] == model.digest


@pytest.mark.parametrize(
    ("address", "begin", "end"),
    [
        ("s3://b/p?endpoint=http://h:1&a=b", "s3://b/p/records/", ".json?endpoint=http://h:1&a=b"),
        ("s3://b/p/", "s3://b/p/records/", ".json"),
        ("/a/folder?/", "/a/folder?/records/", ".json"),
    ],
)
def test_addresses_keep_their_settings(registry, model_folder, address, begin, end):
    model = registry.register("moods", model_folder, make_record())
    uri = replace(model, registry=address).uri
    assert uri == f"{begin}moods/{model.version}{end}"
