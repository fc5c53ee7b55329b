from __future__ import annotations

import json

import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.labels import read_labels
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.tables import Table


def load(path, **options):
    return load_task(read_task_spec(str(path), **options))


@pytest.mark.parametrize("spelling", [("False", "True"), ("FALSE", "TRUE"), ("false", "true")])
def test_booleans_are_one_class_in_every_format(tmp_path, spelling):
    """What a data frame writes to CSV and to JSON is the same column."""
    (tmp_path / "d").mkdir()
    write_csv(tmp_path / "d" / "train.csv", rows(120, spelling))
    write_jsonl(tmp_path / "d" / "test.jsonl", rows(120, (False, True)))
    task = load(tmp_path / "d")
    assert task.labels == ("false", "true")
    assert task.test.labels.tolist() == [i % 2 for i in range(120)]
    from_csv = load(write_csv(tmp_path / "a.csv", rows(120, spelling)))
    from_json = load(write_jsonl(tmp_path / "b.jsonl", rows(120, (False, True))))
    assert from_csv.fingerprint == from_json.fingerprint


def test_booleans_are_named_as_the_task_file_lists_them(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", rows(60, (False, True)))
    write_csv(tmp_path / "a.csv", rows(60, ("FALSE", "TRUE")))
    for file in ("a.jsonl", "a.csv"):
        (tmp_path / "t.yaml").write_text(f"data: {file}\nlabels: ['True', 'False']\n")
        task = load(tmp_path / "t.yaml")
        assert task.labels == ("True", "False")
        assert sum(int(split.labels.sum()) for split in task.splits.values()) == 30


def test_words_beside_booleans_are_names(tmp_path):
    path = write_csv(tmp_path / "a.csv", rows(60, ("True", "False", "unknown")))
    assert load(path).labels == ("False", "True", "unknown")


def test_numbers_beside_words_are_names_in_a_file_without_types(tmp_path):
    task = load(write_csv(tmp_path / "a.csv", rows(60, ("1", "2", "other"))))
    assert task.labels == ("1", "2", "other")
    (told,) = (w for w in task.warnings if "each value is the name of a class" in w)
    assert "numbers such as '1' in 40 rows" in told
    assert "strings such as 'other' in 20 rows" in told


def test_classes_that_the_names_of_another_split_lack_come_last():
    train = Table("a", 4, {"label": [0, 1, 0, 1]}, {"label": ["no", "aye"]})
    test = Table("b", 3, {"label": ["aye", "no", "new"]})
    labels = read_labels({"train": _typed(train), "test": test}, "label", None)
    assert labels.names == ("no", "aye", "new")
    assert labels.indices["test"].tolist() == [1, 0, 2]


def _typed(table: Table) -> Table:
    import pyarrow as pa

    values = pa.chunked_array([pa.array(table.columns["label"])])
    return Table(table.source, table.rows, {"label": values}, table.class_names)


def test_a_long_class_name_is_cut_in_messages(tmp_path):
    name = "x" * 300
    records = [*rows(30), {"text": "lonely", "label": name}]
    with pytest.raises(DataError) as caught:
        load(write_jsonl(tmp_path / "a.jsonl", records))
    assert "one row only: 'xxx" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("hidden", [-1, "-1", -1.0, None, ""])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_held_out_split_of_hidden_labels_is_unlabelled(tmp_path, hidden, split):
    write_jsonl(tmp_path / "train.jsonl", rows(200, (0, 1)))
    records = [{"text": f"hidden {i}", "label": hidden} for i in range(20)]
    if hidden == "":
        records[3]["label"] = -1
    write_jsonl(tmp_path / f"{split}.jsonl", records)
    task = load(tmp_path)
    assert task.labels == ("0", "1")
    assert sum(len(part) for part in task.splits.values()) == 200
    assert f"{split} is cut from train" in task.warnings[0]
    assert (
        "has no labels (column 'label' is empty or -1 in each of its 20 rows)" in task.warnings[0]
    )


def test_a_listed_minus_one_is_a_class(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", rows(100, (-1, 1)))
    write_jsonl(tmp_path / "test.jsonl", [{"text": f"t {i}", "label": -1} for i in range(20)])
    (tmp_path / "t.yaml").write_text("train: train.jsonl\ntest: test.jsonl\nlabels: ['-1', '1']\n")
    assert len(load(tmp_path / "t.yaml").test) == 20


@pytest.mark.parametrize("hidden", ["-1", ""])
def test_unlabelled_training_rows_are_called_that(tmp_path, hidden):
    path = write_csv(tmp_path / "a.csv", rows(40, (hidden,)))
    with pytest.raises(DataError) as caught:
        load(path, label="label")
    assert "a.csv has no labels: column 'label' is empty or -1 in each of its 40 rows" in str(
        caught.value
    )


def test_a_class_in_another_spelling_is_told_as_the_reason(tmp_path):
    write_csv(tmp_path / "train.csv", rows(60))
    (tmp_path / "test.jsonl").write_text(json.dumps({"text": "a", "label": "Pos"}))
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "'Pos' and 'pos' differ in upper and lower case alone" in str(caught.value)
