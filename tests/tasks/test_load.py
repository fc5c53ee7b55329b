from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import SplitFractions
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.texts import MAX_CHARACTERS


def load(path: Path, **options):
    return load_task(read_task_spec(str(path), **options))


def refusal(path: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


def contents(task, split):
    part = task.splits[split]
    return sorted(zip(part.texts.to_pylist(), [task.labels[i] for i in part.labels], strict=True))


@pytest.mark.parametrize("format", ["csv", "tsv", "csv.gz", "jsonl", "json", "parquet"])
def test_every_format_gives_the_same_task(tmp_path, format):
    records = rows()
    records[3]["text"] = 'a, "quoted"\ttext\nof two lines – ünïcode'
    path = tmp_path / f"films.{format}"
    if format == "csv":
        write_csv(path, records)
    elif format == "tsv":
        lines = ['"text"\t"label"'] + [
            '"' + r["text"].replace('"', '""') + '"\t' + r["label"] for r in records
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
    elif format == "csv.gz":
        plain = write_csv(tmp_path / "plain.csv", records).read_bytes()
        path.write_bytes(gzip.compress(plain))
    elif format == "jsonl":
        write_jsonl(path, records)
    elif format == "json":
        path.write_text(json.dumps(records), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(records), path)

    task = load(path)

    assert task.name == "films"
    assert task.labels == ("neg", "pos")
    everything = sorted(c for split in SPLIT_NAMES for c in contents(task, split))
    assert everything == sorted((r["text"], r["label"]) for r in records)
    reference = load(write_jsonl(tmp_path / "reference.jsonl", records))
    assert task.fingerprint == reference.fingerprint


def test_splits_are_stratified_and_depend_on_the_seed_alone(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", rows(200, ("x", "y", "z", "x")))
    one, same, other = load(path, seed=1), load(path, seed=1), load(path, seed=2)
    for split in SPLIT_NAMES:
        assert contents(one, split) == contents(same, split)
    assert contents(one, "test") != contents(other, "test")
    assert one.fingerprint == other.fingerprint
    assert [len(one.splits[s]) for s in SPLIT_NAMES] == [160, 20, 20]
    assert np.bincount(one.test.labels).tolist() == [10, 5, 5]


def test_held_out_splits_are_capped(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", rows(200))
    spec = TaskSpec(data=str(path), splits=SplitFractions(validation=0.2, test=0.3, max_rows=25))
    task = load_task(spec)
    assert [len(task.splits[s]) for s in SPLIT_NAMES] == [150, 25, 25]


def test_given_splits_are_kept_and_only_missing_ones_cut(tmp_path):
    write_csv(tmp_path / "train.csv", rows(60))
    write_jsonl(
        tmp_path / "dev.jsonl",
        [{"text": "held out " + r["text"], **{"label": r["label"]}} for r in rows(12)],
    )
    task = load(tmp_path)
    assert len(task.validation) == 12
    assert len(task.train) + len(task.test) == 60
    assert all(t.startswith("held out") for t in task.validation.texts.to_pylist())
    assert task.name == tmp_path.name


def test_fingerprint_ignores_the_order_and_nothing_else(tmp_path):
    records = rows(30)
    same = load(write_jsonl(tmp_path / "a.jsonl", records)).fingerprint
    assert load(write_jsonl(tmp_path / "b.jsonl", records[::-1])).fingerprint == same
    changed_text = [{**r, "text": r["text"] + "!"} if i == 7 else r for i, r in enumerate(records)]
    flipped = [{**r, "label": "pos"} if i == 0 else r for i, r in enumerate(records)]
    for number, other in enumerate([changed_text, flipped, records + records[:1], records[:-1]]):
        path = write_jsonl(tmp_path / f"other{number}.jsonl", other)
        assert load(path).fingerprint != same


def test_fingerprint_tells_given_splits_apart(tmp_path):
    for folder, (a, b) in {"one": (30, 10), "two": (10, 30)}.items():
        (tmp_path / folder).mkdir()
        records = rows(40)
        write_jsonl(tmp_path / folder / "train.jsonl", records[:a])
        write_jsonl(tmp_path / folder / "test.jsonl", records[a : a + b])
    assert load(tmp_path / "one").fingerprint != load(tmp_path / "two").fingerprint


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0, 1, 10, 2], ("0", "1", "2", "10")),
        (["0", "1", "10", "2"], ("0", "1", "2", "10")),
        ([1.0, 2.0, 3.0], ("1", "2", "3")),
        ([-1, 0, 1], ("-1", "0", "1")),
        ([0.5, 1.0, 1.5], ("0.5", "1.0", "1.5")),
        ([True, False], ("false", "true")),
        (["b", "a", "C"], ("C", "a", "b")),
        ([" a", "b ", "b"], ("a", "b")),
        (["01", "02"], ("01", "02")),
    ],
)
def test_labels_have_names_in_order(tmp_path, values, names):
    records = [{"text": f"text {i}", "label": values[i % len(values)]} for i in range(40)]
    assert load(write_jsonl(tmp_path / "a.jsonl", records)).labels == names


def test_numbers_in_csv_and_json_are_the_same_classes(tmp_path):
    records = [{"text": f"text {i}", "label": i % 3} for i in range(40)]
    from_csv = load(write_csv(tmp_path / "a.csv", records))
    assert from_csv.labels == ("0", "1", "2")
    assert from_csv.fingerprint == load(write_jsonl(tmp_path / "b.jsonl", records)).fingerprint


def test_class_names_of_the_datasets_library_are_used(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "aye"])}
    )
    data = datasets.Dataset.from_dict(
        {"sentence": [f"text {i}" for i in range(40)], "label": [i % 2 for i in range(40)]},
        features=features,
    )
    hidden = datasets.Dataset.from_dict(
        {"sentence": ["a", "b"], "label": [-1, -1]}, features=features
    )
    datasets.DatasetDict({"train": data, "test": hidden}).save_to_disk(str(tmp_path / "saved"))
    data.to_parquet(str(tmp_path / "one.parquet"))

    for path in (tmp_path / "saved", tmp_path / "one.parquet"):
        task = load(path)
        assert task.labels == ("no", "aye")
        assert sum(len(task.splits[s]) for s in SPLIT_NAMES) == 40
        text = task.train.texts[0].as_py()
        assert task.labels[task.train.labels[0]] == ("aye" if int(text[5:]) % 2 else "no")
    assert any("no labels" in w for w in load(tmp_path / "saved").warnings)


def test_columns_are_found_by_content(tmp_path):
    records = [
        {"id": i, "what": f"words number {i}", "kind": "ab"[i % 2], "weight": i / 7}
        for i in range(40)
    ]
    task = load(write_csv(tmp_path / "a.csv", records))
    assert task.labels == ("a", "b")
    assert task.train.texts[0].as_py().startswith("words")


def test_pairs_are_found_by_name(tmp_path):
    records = [
        {"premise": f"it rains {i}", "hypothesis": f"it is wet {i}", "label": i % 3}
        for i in range(40)
    ]
    task = load(write_jsonl(tmp_path / "nli.jsonl", records))
    assert task.has_pairs
    assert task.train.text_pairs[0].as_py().startswith("it is wet")
    moved = [
        {**r, "premise": r["premise"] + r["hypothesis"][:2], "hypothesis": r["hypothesis"][2:]}
        for r in records
    ]
    assert load(write_jsonl(tmp_path / "m.jsonl", moved)).fingerprint != task.fingerprint


class TestBadInput:
    def test_missing_file(self, tmp_path):
        write_csv(tmp_path / "reviews.csv", rows())
        message = refusal(tmp_path / "review.csv")
        assert "does not exist" in message
        assert "reviews.csv" in message

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.json"])
    def test_empty_file(self, tmp_path, name):
        (tmp_path / name).touch()
        assert "is empty (0 bytes)" in refusal(tmp_path / name)

    @pytest.mark.parametrize(
        ("name", "text"), [("a.csv", "text,label\n"), ("a.jsonl", "\n\n"), ("a.json", "[]")]
    )
    def test_file_without_rows(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        message = refusal(tmp_path / name)
        assert "no rows" in message or "white space" in message

    def test_wrong_column(self, tmp_path):
        path = write_csv(tmp_path / "a.csv", rows())
        message = refusal(path, label="lable")
        assert "no column 'lable'" in message
        assert "Did you mean 'label'" in message

    def test_column_missing_in_one_split(self, tmp_path):
        write_csv(tmp_path / "train.csv", rows())
        write_csv(tmp_path / "test.csv", [{"txt": "a", "label": "pos"}] * 3)
        assert "test.csv has no column 'text'" in refusal(tmp_path)

    def test_ambiguous_columns(self, tmp_path):
        records = [{"title": f"t{i}", "body": f"b{i}", "label": "ab"[i % 2]} for i in range(20)]
        message = refusal(write_csv(tmp_path / "a.csv", records))
        assert "title, body" in message
        assert "--text COL" in message

    def test_one_class(self, tmp_path):
        assert "only one class, 'neg'" in refusal(
            write_csv(tmp_path / "a.csv", rows(20, ("neg",))), label="label"
        )

    def test_class_with_one_row(self, tmp_path):
        records = [*rows(30), {"text": "lonely", "label": "odd"}]
        assert "one row only: 'odd'" in refusal(write_csv(tmp_path / "a.csv", records))

    def test_class_with_two_rows_is_warned_of(self, tmp_path):
        records = [*rows(30), *({"text": f"lonely {i}", "label": "odd"} for i in range(2))]
        task = load(write_csv(tmp_path / "a.csv", records))
        assert any("'odd'" in w for w in task.warnings)

    @pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
    def test_missing_and_empty_texts(self, tmp_path, name):
        records = rows(30)
        records[4]["text"] = None
        records[5]["text"] = "  "
        records[6]["label"] = None
        path = tmp_path / name
        if name == "a.jsonl":
            write_jsonl(path, records)
        elif name == "a.csv":
            text = write_csv(path, records).read_text()
            path.write_text(text.replace('"None","neg"', "nan,neg").replace('"None"', ""))
        else:
            pq.write_table(pa.Table.from_pylist(records), path)
        message = refusal(path)
        assert "1 row (row 5) with a missing text" in message
        assert "1 row (row 6) with an empty text" in message
        assert "1 row (row 7) with no label" in message
        assert "--drop-invalid" in message
        task = load(path, drop_invalid=True)
        assert sum(len(task.splits[s]) for s in SPLIT_NAMES) == 27
        assert any("dropped 3" in w for w in task.warnings)

    def test_mixed_label_types(self, tmp_path):
        records = rows(20)
        records[2]["label"] = 1
        records[9]["label"] = 0
        message = refusal(write_jsonl(tmp_path / "a.jsonl", records))
        assert "mixes label types" in message
        assert "rows 3 and 10" in message

    def test_mixed_labels_are_taken_when_listed(self, tmp_path):
        records = [{**r, "label": (1, 2, "3+")[i % 3]} for i, r in enumerate(rows(30))]
        path = write_jsonl(tmp_path / "a.jsonl", records)
        (tmp_path / "t.yaml").write_text("data: a.jsonl\nlabels: ['1', '2', '3+']\n")
        assert "mixes label types" in refusal(path)
        assert load(tmp_path / "t.yaml").labels == ("1", "2", "3+")

    def test_unlisted_label(self, tmp_path):
        write_csv(tmp_path / "a.csv", rows(30))
        (tmp_path / "t.yaml").write_text("data: a.csv\nlabels: [pos, other]\n")
        assert "'neg'" in refusal(tmp_path / "t.yaml")

    def test_not_utf8(self, tmp_path):
        path = write_csv(tmp_path / "a.csv", rows())
        data = path.read_bytes().replace(b"number 7", b"n\xfcmber 7")
        path.write_bytes(data)
        message = refusal(path)
        assert f"byte {data.index(0xFC)} is 0xfc" in message
        assert "iconv -f WINDOWS-1252" in message

    def test_not_utf8_behind_the_first_chunk(self, tmp_path):
        path = tmp_path / "a.jsonl"
        filler = json.dumps({"text": "é" * 1000, "label": "a"}, ensure_ascii=False) + "\n"
        data = filler.encode() * 9000 + b'{"text": "\xe9", "label": "b"}\n'
        assert len(data) > 1 << 24
        path.write_bytes(data)
        assert f"byte {len(filler.encode()) * 9000 + 10} is 0xe9" in refusal(path)

    def test_ragged_csv(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("text,label\nfine,a\nnot, fine,b\n")
        message = refusal(path)
        assert "row 2 (line 3)" in message
        assert "has 3 fields, the header has 2" in message

    def test_broken_json_line(self, tmp_path):
        path = write_jsonl(tmp_path / "a.jsonl", rows(5))
        path.write_text(path.read_text() + '{"text": "cut of')
        assert "line 6 is not valid JSON" in refusal(path)
        path.write_text('{"text": "a", "label": "b"}\n[1]\n')
        assert "line 2 is a JSON array" in refusal(path)

    def test_csv_without_a_header(self, tmp_path):
        path = write_csv(tmp_path / "a.csv", rows())
        path.write_text(path.read_text().split("\n", 1)[1])
        assert "the first line looks like a row" in refusal(path)

    @pytest.mark.parametrize("other", ["inf", "1.5e400", "NaNa"])
    def test_infinite_numbers_are_names(self, tmp_path, other):
        records = [{"text": f"text {i}", "label": ("x", other)[i % 2]} for i in range(40)]
        path = write_jsonl(tmp_path / "a.jsonl", records)
        assert set(load(path).labels) == {"x", other}

    def test_half_a_surrogate_pair_is_replaced(self, tmp_path):
        records = rows(40)
        records[0]["text"] = "half \ud83d of it"
        task = load(write_jsonl(tmp_path / "a.jsonl", records))
        texts = [t for s in SPLIT_NAMES for t in task.splits[s].texts.to_pylist()]
        assert "half \ufffd of it" in texts
        assert any("half a surrogate pair" in w and "in row 1" in w for w in task.warnings)

    def test_broken_parquet(self, tmp_path):
        (tmp_path / "a.parquet").write_bytes(b"PAR1 this is none")
        assert "not a valid Parquet" in refusal(tmp_path / "a.parquet")

    def test_numbers_as_texts(self, tmp_path):
        records = [{"text": i, "label": "ab"[i % 2]} for i in range(20)]
        assert "int64 values, not texts" in refusal(
            write_jsonl(tmp_path / "a.jsonl", records), text="text"
        )

    def test_quantities_are_no_classes(self, tmp_path):
        records = [{"text": f"text {i}", "label": i * 0.37} for i in range(50)]
        assert "a quantity or an id" in refusal(write_jsonl(tmp_path / "a.jsonl", records))

    def test_unknown_class_in_a_held_out_split(self, tmp_path):
        write_csv(tmp_path / "train.csv", rows(40))
        write_csv(tmp_path / "test.csv", rows(12, ("neg", "pos", "new")))
        message = refusal(tmp_path)
        assert "4 rows (rows 3, 6, 9 and 12)" in message
        assert "'new'" in message
        assert len(load(tmp_path, drop_invalid=True).test) == 8

    def test_duplicates_across_splits_are_counted(self, tmp_path):
        write_csv(tmp_path / "train.csv", rows(40))
        write_csv(tmp_path / "test.csv", [*rows(5), {"text": "new", "label": "pos"}])
        assert any("5 of 6 test rows are also in train" in w for w in load(tmp_path).warnings)

    def test_long_texts_are_truncated(self, tmp_path):
        records = rows(40)
        records[0]["text"] = "é" * (1 << 20)
        task = load(write_jsonl(tmp_path / "a.jsonl", records))
        lengths = [len(t) for s in SPLIT_NAMES for t in task.splits[s].texts.to_pylist()]
        assert max(lengths) == MAX_CHARACTERS
        assert any(
            "longer than 100,000 characters were truncated to that: 1" in w for w in task.warnings
        )

    def test_too_few_rows(self, tmp_path):
        assert "too few" in refusal(write_csv(tmp_path / "a.csv", rows(6)))

    def test_folder_without_data(self, tmp_path):
        assert "no data files" in refusal(tmp_path)
        write_csv(tmp_path / "test.csv", rows(4))
        write_csv(tmp_path / "more.csv", rows(4))
        assert "no train file" in refusal(tmp_path)

    def test_two_files_for_one_split(self, tmp_path):
        write_csv(tmp_path / "train.csv", rows(20))
        write_jsonl(tmp_path / "train.jsonl", rows(20))
        assert "two files for train" in refusal(tmp_path)


def test_shards_of_a_split_are_joined(tmp_path):
    records = rows(60)
    for number in range(2):
        part = records[number * 30 : number * 30 + 30]
        pq.write_table(
            pa.Table.from_pylist(part), tmp_path / f"train-0000{number}-of-00002.parquet"
        )
    assert sum(len(load(tmp_path).splits[s]) for s in SPLIT_NAMES) == 60


@pytest.mark.skipif("XAUTOLM_DATA_DIR" not in os.environ, reason="needs XAUTOLM_DATA_DIR")
def test_real_data_sets():
    root = Path(os.environ["XAUTOLM_DATA_DIR"])
    expected = {"liar": (10_000, 1284, 1283), "sst2": (6920, 872, 1821)}
    for name, sizes in expected.items():
        task = load(root / name)
        assert task.name == name
        assert tuple(len(task.splits[s]) for s in SPLIT_NAMES) == sizes
