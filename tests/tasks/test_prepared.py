from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import open_any_prepared
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.prepared import open_prepared_questions
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Task


@pytest.fixture(params=[False, True], ids=["single", "pairs"])
def task(request, tmp_path):
    records = rows(60)
    if request.param:
        records = [{**r, "text_pair": f"second {i}"} for i, r in enumerate(records)]
    return load_task(read_task_spec(str(write_jsonl(tmp_path / "films.jsonl", records))))


def test_what_is_opened_is_what_was_written(task, tmp_path):
    opened = open_prepared(write_prepared(task, tmp_path / "cache"))
    for field in ("name", "type", "fingerprint", "labels", "languages", "warnings"):
        assert getattr(opened, field) == getattr(task, field)
    for split in SPLIT_NAMES:
        one, other = task.splits[split], opened.splits[split]
        assert one.texts.to_pylist() == other.texts.to_pylist()
        assert np.array_equal(one.labels, other.labels)
        assert other.labels.dtype == np.int32
        if task.has_pairs:
            assert one.text_pairs.to_pylist() == other.text_pairs.to_pylist()


def test_the_same_task_is_written_once(task, tmp_path):
    folder = write_prepared(task, tmp_path)
    before = (folder / "task.json").stat()
    assert write_prepared(open_prepared(folder), tmp_path) == folder
    assert (folder / "task.json").stat().st_ino == before.st_ino
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_another_split_of_the_same_data_goes_elsewhere(tmp_path):
    path = str(write_jsonl(tmp_path / "a.jsonl", rows(60)))
    one, two = (load_task(read_task_spec(path, seed=seed)) for seed in (1, 2))
    assert one.fingerprint == two.fingerprint
    assert write_prepared(one, tmp_path) != write_prepared(two, tmp_path)


def test_writers_at_the_same_time_agree(task, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: write_prepared(task, tmp_path), range(24)))
    assert len(folders) == 1
    folder = folders.pop()
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert open_prepared(folder).fingerprint == task.fingerprint


def test_a_writer_that_fails_leaves_nothing(task, tmp_path):
    broken = dataclasses.replace(task, splits={"train": task.train})
    with pytest.raises(KeyError):
        write_prepared(broken, tmp_path)
    assert list((tmp_path / "tasks").iterdir()) == []


@pytest.mark.parametrize("damage", ["no folder", "no file", "half a file", "no json"])
def test_a_damaged_folder_is_refused(task, tmp_path, damage):
    folder = write_prepared(task, tmp_path)
    if damage == "no folder":
        folder = tmp_path / "nowhere"
    elif damage == "no file":
        (folder / "test.arrow").unlink()
    elif damage == "half a file":
        data = (folder / "train.arrow").read_bytes()
        (folder / "train.arrow").write_bytes(data[: len(data) // 2])
    else:
        (folder / "task.json").write_text("{")
    with pytest.raises(DataError) as caught:
        open_prepared(folder)
    assert "prepare the task again" in str(caught.value)


def questions(seed: str) -> QuestionSplit:
    return QuestionSplit(
        questions=pa.chunked_array([["Who?"], [f"Where {seed}?"]], pa.large_string()),
        contexts=pa.chunked_array([["Ada wrote it."], ["In Paris."]], pa.large_string()),
        answers=pa.chunked_array([[["Ada", "Byron"]], [[]]], pa.list_(pa.large_string())),
        starts=pa.chunked_array([[[0, -1]], [[]]], pa.list_(pa.int64())),
    )


def test_questions_are_opened_as_they_were_written(tmp_path):
    task: QuestionTask = Task(
        name="q",
        type="question-answering",
        fingerprint="f" * 64,
        labels=(),
        splits={split: questions(split) for split in SPLIT_NAMES},
    )
    folder = write_prepared(task, tmp_path)
    opened = open_prepared_questions(folder)
    assert (opened.name, opened.type, opened.labels) == ("q", "question-answering", ())
    for split in SPLIT_NAMES:
        one, other = task.splits[split], opened.splits[split]
        assert len(other) == 2 and vars(one).keys() == vars(other).keys()
        for column, values in vars(one).items():
            assert vars(other)[column].type == values.type
            assert vars(other)[column].to_pylist() == values.to_pylist()
    assert len(open_any_prepared(folder).test) == 2
    with pytest.raises(DataError, match="question-answering, not of text-classification"):
        open_prepared(folder)
