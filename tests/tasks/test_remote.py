"""Data on a real S3 server."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.running import run_process
from tests.servers.fixtures import S3Server
from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.objects.s3 import S3Objects
from xautolm_core.tasks import remote
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task import Task

pytest.importorskip("minio")
pytestmark = pytest.mark.s3


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what is fetched is kept; it has to be empty again after the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def objects(
    s3_server: S3Server, bucket: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> S3Objects:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.objects(bucket)


def _put(objects: S3Objects, key: str, file: Path) -> str:
    objects.put(key, file.read_bytes())
    return f"s3://{objects.bucket}/{key}"


def _content(task: Task) -> dict[str, object]:
    """Return what a task is, but for where it came from."""
    return {
        "fingerprint": task.fingerprint,
        "labels": task.labels,
        **{split: part.texts.to_pylist() for split, part in task.splits.items()},
    }


def _write(suffix: str, file: Path) -> Path:
    if suffix == ".csv":
        return write_csv(file, rows(60))
    if suffix == ".jsonl":
        return write_jsonl(file, rows(60))
    pq.write_table(pa.Table.from_pylist(rows(60)), file)
    return file


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_file_there_is_the_same_task_as_here(
    objects: S3Objects, tmp_path: Path, temporary: Path, suffix: str
) -> None:
    file = _write(suffix, tmp_path / f"film reviews{suffix}")
    spec = read_task_spec(_put(objects, f"team/film reviews{suffix}", file), seed=3)
    here = read_task_spec(str(file), seed=3)
    assert spec.name == here.name == "film-reviews"
    assert _content(load_task(spec)) == _content(load_task(here))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("ending", ["/", ""])
def test_a_folder_there_has_its_splits(
    objects: S3Objects, tmp_path: Path, temporary: Path, ending: str
) -> None:
    for split, count in (("train", 40), ("validation", 10), ("test", 20)):
        file = write_csv(tmp_path / f"{split}.csv", rows(count))
        _put(objects, f"tickets/{split}.csv", file)
    # What lies deeper, or is no table, is left where it is.
    objects.put("tickets/old/train.csv", b"not,read\n")
    objects.put("tickets/README.md", b"x")
    objects.put("tickets-2/train.csv", b"of,another\n")
    spec = read_task_spec(f"s3://{objects.bucket}/tickets{ending}")
    assert spec.name == "tickets"
    task = load_task(spec)
    assert [len(task.splits[split]) for split in ("train", "validation", "test")] == [40, 10, 20]
    assert list(temporary.iterdir()) == []


def test_a_repository_there_has_its_data_in_a_folder(
    objects: S3Objects, tmp_path: Path, temporary: Path
) -> None:
    file = write_csv(tmp_path / "a.csv", rows(60))
    _put(objects, "repository/data/train-00000-of-00001.csv", file)
    objects.put("repository/README.md", b"x")
    objects.put("repository/dataset_infos.json", b"{}")
    objects.put("repository/data/old/train.csv", b"not,read\n")
    address = f"s3://{objects.bucket}/repository/"
    assert _content(load_task(read_task_spec(address))) == _content(
        load_task(read_task_spec(str(file)))
    )
    objects.put("repository/data/test-00001-of-00002.csv", b"text,label\n")
    with pytest.raises(DataError, match=rf"{address}data lacks test-00000-of-00002\.csv"):
        load_task(read_task_spec(address))
    assert list(temporary.iterdir()) == []


def test_a_file_of_a_generic_name_is_named_after_its_folder(objects: S3Objects) -> None:
    assert read_task_spec(f"s3://{objects.bucket}/tickets/train.csv").name == "tickets"
    assert read_task_spec(f"s3://{objects.bucket}/train.csv").name == objects.bucket
    assert read_task_spec(f"s3://{objects.bucket}").name == objects.bucket


def test_an_address_may_carry_settings_and_stand_in_a_task_file(
    objects: S3Objects, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XAUTOLM_S3_ENDPOINT")
    address = _put(objects, "a.csv", write_csv(tmp_path / "a.csv", rows()))
    file = tmp_path / "mood.yaml"
    file.write_text(f"data: {address}?endpoint={s3_server.endpoint}&region=us-east-1\nseed: 4\n")
    task = load_task(read_task_spec(str(file)))
    assert (task.name, len(task.labels)) == ("mood", 2)


def test_what_was_fetched_is_private(objects: S3Objects, tmp_path: Path, temporary: Path) -> None:
    address = _put(objects, "a.csv", write_csv(tmp_path / "a.csv", rows()))
    with remote.fetched(address) as file:
        assert file.name == "a.csv"
        assert file.parent.parent == temporary
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("data/trian.csv", ("data/trian.csv does not exist", "Did you mean 'train.csv'?")),
        ("nowhere/", ("/nowhere does not exist", "Check the address")),
        ("pictures/", ("/pictures has no data files", "train.csv")),
        ("data/broken.parquet", ("/data/broken.parquet",)),
        ("data/empty.csv", ("/data/empty.csv is empty (0 bytes)",)),
        ("twice/", ("/twice has two files for train",)),
        ("data/single.csv", ("/data/single.csv", "only one class")),
    ],
)
def test_what_cannot_be_used_is_told_with_its_address(
    objects: S3Objects, tmp_path: Path, temporary: Path, name: str, parts: tuple[str, ...]
) -> None:
    _put(objects, "data/train.csv", write_csv(tmp_path / "a.csv", rows()))
    _put(objects, "data/single.csv", write_csv(tmp_path / "s.csv", rows(20, ("only",))))
    objects.put("data/broken.parquet", b"PAR1 and no more")
    objects.put("data/empty.csv", b"")
    objects.put("pictures/a.png", b"x")
    for split in ("train", "training"):
        _put(objects, f"twice/{split}.csv", tmp_path / "a.csv")
    with pytest.raises(DataError) as caught:
        load_task(read_task_spec(f"s3://{objects.bucket}/{name}"))
    for part in (f"s3://{objects.bucket}", *parts):
        assert part in str(caught.value)
    assert str(temporary) not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(temporary.iterdir()) == []


def test_too_many_objects_are_no_folder_of_data(
    objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_LISTED", 2)
    for number in range(3):
        objects.put(f"deep/{number}/train.csv", b"")
    with pytest.raises(DataError, match="more than 2 objects"):
        load_task(read_task_spec(f"s3://{objects.bucket}/deep/"))


def test_an_absent_bucket_is_bad_data(objects: S3Objects) -> None:
    with pytest.raises(DataError, match="NoSuchBucket"):
        load_task(read_task_spec(f"s3://{objects.bucket}-absent/a.csv"))


def test_a_full_disk_is_told(
    objects: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = _put(objects, "a.csv", write_csv(tmp_path / "a.csv", rows()))

    def full(file: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"No space left.*TMPDIR"):
        load_task(read_task_spec(address))


def test_mistakes_are_told_before_anything_is_asked(
    objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTOLM_S3_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DataError, match="task file on a server"):
        read_task_spec("s3://bucket/task.yaml")
    with pytest.raises(ConfigError, match="'regoin'"):
        read_task_spec("s3://bucket/a.csv?regoin=x")
    with pytest.raises(DataError, match="plain relative path"):
        read_task_spec("s3://bucket/a/../b.csv")
    monkeypatch.delenv("XAUTOLM_S3_ACCESS_KEY")
    with pytest.raises(ConfigError, match="XAUTOLM_S3_ACCESS_KEY"):
        read_task_spec("s3://bucket/a.csv")


def test_the_command_line_takes_an_address(objects: S3Objects, tmp_path: Path) -> None:
    address = _put(objects, "a.csv", write_csv(tmp_path / "a.csv", rows(60)))
    ended = run_process("features", address, "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["task"] == "a"
    absent = run_process("features", address.replace("a.csv", "b.csv"), folder=tmp_path)
    assert absent.code == 2
    assert f"{address.replace('a.csv', 'b.csv')} does not exist" in absent.err
    assert len(absent.err.strip().splitlines()) == 1
