"""Folders of data files: shards, repositories of a hub, links."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.locate import read_splits
from xautolm_core.tasks.source import read_task_spec


def splits(folder: Path) -> dict[str, int]:
    """Return the rows of each split that a folder is read as."""
    found = read_splits(read_task_spec(str(folder)))
    return {split: table.rows for split, table in found.items()}


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        splits(folder)
    return str(caught.value)


def place(folder: Path, *names: str, count: int = 10) -> Path:
    """Write data files of so many rows each."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(rows(count)), folder / name)
        else:
            write_csv(folder / name, rows(count))
    return folder


class TestShards:
    @pytest.mark.parametrize(
        "names",
        [
            ["train-00000-of-00003.csv", "train-00001-of-00003.csv", "train-00002-of-00003.csv"],
            ["train-1-of-2.parquet", "train-2-of-2.parquet"],
            ["Train_0_of_2.csv", "Train_1_of_2.csv"],
            ["train-00000-of-00001-b42a775f407cee45.parquet"],
            ["train-00000-of-00002-0a1b2c3d.csv", "train-00001-of-00002-ffffffff.csv"],
        ],
    )
    def test_all_of_them_are_one_split(self, tmp_path: Path, names: list[str]) -> None:
        assert splits(place(tmp_path, *names)) == {"train": 10 * len(names)}

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (
                ["train-00000-of-00003.csv", "train-00002-of-00003.csv"],
                "lacks train-00001-of-00003.csv: of the 3 files of train only 2",
            ),
            (["train-2-of-2.csv"], "lacks train-1-of-2.csv"),
            (["train-0-of-2.csv.gz"], "lacks train-1-of-2.csv.gz"),
            (["train-00000-of-00002-0a1b2c3d.csv"], "lacks train-00001-of-00002-*.csv"),
            (
                ["train-0-of-9.csv"],
                "lacks train-1-of-9.csv, train-2-of-9.csv, train-3-of-9.csv and 5 more",
            ),
            (["train-0-of-99999999999.csv"], "and 99999999995 more"),
            (["train.csv", "test-0-of-2.csv"], "of the 2 files of test only 1 is there"),
            (["train-0-of-2.csv", "train-1-of-3.csv"], "two sets"),
            (["train-0-of-1.csv", "train-0-of-1.parquet"], "two files for part 0 of train"),
            (["train-00-of-1.csv", "train-0-of-1.csv"], "two files for part 0 of train"),
            (["train-0-of-2.csv", "train-5-of-2.csv"], "train-5-of-2.csv, which is none of 2"),
            (["train-0-of-1.csv", "train.csv"], "two files for train"),
        ],
    )
    def test_what_is_missing_or_too_much_is_named(
        self, tmp_path: Path, names: list[str], words: str
    ) -> None:
        message = refusal(place(tmp_path, *names))
        assert words in message
        assert str(tmp_path) in message

    def test_the_parts_of_a_table_are_joined(self, tmp_path: Path) -> None:
        place(tmp_path, "part-00000-4f1c.snappy.parquet", "part-00002-4f1c.snappy.parquet")
        (tmp_path / "_SUCCESS").touch()
        assert splits(tmp_path) == {"train": 20}


class TestRepositories:
    def test_the_folder_data_is_read(self, tmp_path: Path) -> None:
        place(tmp_path, "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet")
        (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
        (tmp_path / "dataset_infos.json").write_text("{}")
        (tmp_path / "label_names.json").write_text("{}")
        place(tmp_path, ".git/train.csv")
        assert splits(tmp_path) == {"train": 10, "test": 10}
        assert read_task_spec(str(tmp_path)).name == tmp_path.name

    def test_a_folder_for_each_split_is_read(self, tmp_path: Path) -> None:
        place(tmp_path, "train/0000.parquet", "train/0001.parquet", "validation/0000.parquet")
        assert splits(tmp_path) == {"train": 20, "validation": 10}

    @pytest.mark.parametrize("name", ["plain_text/train.csv", "default/train/0000.parquet"])
    def test_the_only_folder_with_data_is_read(self, tmp_path: Path, name: str) -> None:
        assert splits(place(tmp_path, name)) == {"train": 10}

    def test_several_data_sets_are_not_guessed_among(self, tmp_path: Path) -> None:
        place(tmp_path, "cola/train.csv", "sst2/train.csv")
        message = refusal(tmp_path)
        assert "in its folders cola, sst2" in message
        assert f"{tmp_path}/cola" in message

    def test_a_file_beside_the_folder_data_is_not_guessed_away(self, tmp_path: Path) -> None:
        place(tmp_path, "reviews.csv", "data/train.csv")
        assert "holds reviews.csv, but data in it holds data as well" in refusal(tmp_path)

    def test_other_folders_beside_a_file_are_left_alone(self, tmp_path: Path) -> None:
        assert splits(place(tmp_path, "reviews.csv", "old/train.csv", count=7)) == {"train": 7}

    def test_a_shard_that_is_missing_below_is_named(self, tmp_path: Path) -> None:
        place(tmp_path, "data/train-00001-of-00002.parquet")
        assert "lacks train-00000-of-00002.parquet" in refusal(tmp_path)

    def test_a_clone_without_its_content_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
        (tmp_path / "data" / "train-00000-of-00001.parquet").write_text(pointer)
        assert "git lfs pull" in refusal(tmp_path)


class TestOtherFormats:
    def test_what_is_there_instead_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "reviews.xlsx").write_bytes(b"PK\x03\x04")
        assert "no data files (files: reviews.xlsx)" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["test.xlsx", "test.csv.zip", "dev.zip"])
    def test_a_split_that_cannot_be_read_is_not_cut_from_train(
        self, tmp_path: Path, name: str
    ) -> None:
        place(tmp_path, "train.csv", count=40)
        (tmp_path / name).write_bytes(b"PK\x05\x06" + bytes(18))
        assert f"{name} is a ZIP archive" in refusal(tmp_path)

    def test_an_archive_beside_what_it_held_is_left_alone(self, tmp_path: Path) -> None:
        place(tmp_path, "train.csv")
        (tmp_path / "train.csv.gz").write_bytes(
            gzip.compress((tmp_path / "train.csv").read_bytes())
        )
        assert "two files for train" in refusal(tmp_path)
        (tmp_path / "train.csv.gz").unlink()
        (tmp_path / "train.zip").write_bytes(b"PK\x03\x04")
        assert splits(tmp_path) == {"train": 10}


class TestLinks:
    def test_a_link_names_its_task(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place(tmp_path, "of-june.csv", "sub/train.csv")
        (tmp_path / "latest.csv").symlink_to("of-june.csv")
        (tmp_path / "newest").symlink_to("sub")
        monkeypatch.chdir(tmp_path / "sub")
        for argument, name in (
            (tmp_path / "latest.csv", "latest"),
            ("../latest.csv", "latest"),
            (tmp_path / "newest", "newest"),
            (tmp_path / "newest" / "train.csv", "newest"),
            ("..", tmp_path.name),
            (".", "sub"),
        ):
            spec = read_task_spec(str(argument))
            assert spec.name == name
            assert spec.data is not None
            assert Path(spec.data).is_absolute()
            assert ".." not in spec.data

    def test_a_folder_above_a_link_is_the_one_that_it_points_to(self, tmp_path: Path) -> None:
        place(tmp_path, "deep/down/a.csv", "deep/b.csv")
        (tmp_path / "link").symlink_to("deep/down")
        assert read_task_spec(str(tmp_path / "link" / ".." / "b.csv")).data == str(
            tmp_path / "deep" / "b.csv"
        )

    @pytest.mark.parametrize("target", ["nowhere/r.csv", "l.csv"])
    def test_a_link_to_nowhere_says_so(self, tmp_path: Path, target: str) -> None:
        link = tmp_path / "l.csv"
        link.symlink_to(target)
        with pytest.raises(DataError) as caught:
            read_task_spec(str(link))
        assert f"{link} is a link to {target}, which does not exist" in str(caught.value)
        assert "Did you mean" not in str(caught.value)

    def test_a_split_that_is_a_link_to_nowhere_is_not_cut_from_train(self, tmp_path: Path) -> None:
        place(tmp_path, "train.csv", count=40)
        (tmp_path / "test.csv").symlink_to("gone.csv")
        assert "test.csv is a link to gone.csv" in refusal(tmp_path)

    def test_a_name_that_no_file_can_have_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match="cannot be checked"):
            read_task_spec("n" * 300)

    def test_what_is_gone_does_not_mean_itself(self, tmp_path: Path) -> None:
        place(tmp_path, "train.csv", "held-out.csv", count=30)
        (tmp_path / "t.yaml").write_text("train: train.csv\ntest: held-out.csv\n")
        spec = read_task_spec(str(tmp_path / "t.yaml"))
        (tmp_path / "held-out.csv").unlink()
        (tmp_path / "held-out.csv").symlink_to("held-out.csv.old")
        with pytest.raises(DataError) as caught:
            load_task(spec)
        assert "Did you mean" not in str(caught.value)


def test_a_repository_is_the_same_task_as_its_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    place(one, "data/train-00000-of-00001.parquet", count=60)
    other.mkdir()
    write_jsonl(other / "train.jsonl", rows(60))
    fingerprints = {load_task(read_task_spec(str(p))).fingerprint for p in (one, other)}
    assert len(fingerprints) == 1
    shutil.rmtree(one)
