from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.quality import text_numbers
from xautolm_core.tasks.quality import warnings_of
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task import SPLIT_NAMES


def load(path, **options):
    return load_task(read_task_spec(str(path), **options))


def findings(task, kind):
    found = [finding for finding in task.findings if finding.kind == kind]
    # They are in the log and on the first screen of the report.
    told = " ".join(task.warnings)
    assert all((f.name if len(found) > 1 and f.name else f.words) in told for f in found[:3])
    return found


def rows_of(finding):
    return {source.rsplit("/", 1)[-1]: n.tolist() for source, n in finding.rows.items()}


def strings(*values):
    return pa.chunked_array([pa.array(values, type=pa.large_string())])


def test_good_data_have_no_finding(tmp_path):
    task = load(write_csv(tmp_path / "a.csv", rows(300)))
    assert task.findings == ()
    assert task.warnings == ()


class TestRepeatedTexts:
    def test_they_stay_on_one_side_and_are_counted(self, tmp_path):
        """Ten texts, twelve times each: the kind of ``train_test_split`` on augmented rows."""
        path = write_csv(tmp_path / "a.csv", rows(10) * 12)
        task = load(path)
        texts = [set(task.splits[split].texts.to_pylist()) for split in SPLIT_NAMES]
        assert sum(map(len, texts)) == len(set.union(*texts)) == 10
        assert [len(task.splits[split]) for split in SPLIT_NAMES] == [72, 24, 24]
        for split in SPLIT_NAMES:
            assert (
                np.bincount(task.splits[split].labels).tolist()
                == [len(task.splits[split]) // 2] * 2
            )
        (found,) = findings(task, "repeated_texts")
        assert found.count == 120
        assert "120 of 120 rows" in found.words
        assert "(10 different texts)" in found.words
        assert rows_of(found) == {"a.csv": list(range(1, 121))}
        # One text of a class alone judges it.
        assert "1 in validation, 1 in test" in findings(task, "class_with_few_texts")[0].words

    def test_a_single_copy_is_counted_and_the_sizes_stay(self, tmp_path):
        records = rows(300)
        records[17]["text"] = f"  {records[255]['text'].replace(' ', chr(0xA0))}\n"
        records[17]["label"] = records[255]["label"]
        for seed in range(5):
            task = load(write_jsonl(tmp_path / "a.jsonl", records), seed=seed)
            sides = [
                {text.split()[-1] for text in task.splits[split].texts.to_pylist()}
                for split in SPLIT_NAMES
            ]
            assert sum("255" in side for side in sides) == 1
            assert [len(task.splits[split]) for split in SPLIT_NAMES] == [240, 30, 30]
        (found,) = findings(task, "repeated_texts")
        assert (found.count, rows_of(found)) == (2, {"a.jsonl": [18, 256]})

    def test_the_cut_depends_on_the_seed_alone(self, tmp_path):
        path = write_csv(tmp_path / "a.csv", rows(100) * 3)
        one, same, other = load(path, seed=1), load(path, seed=1), load(path, seed=2)
        for split in SPLIT_NAMES:
            assert one.splits[split].texts.to_pylist() == same.splits[split].texts.to_pylist()
        assert one.test.texts.to_pylist() != other.test.texts.to_pylist()
        assert one.fingerprint == other.fingerprint

    def test_too_few_different_texts_are_refused_by_their_number(self, tmp_path):
        with pytest.raises(DataError, match=r"8 different texts \(in 400 rows\) are too few"):
            load(write_csv(tmp_path / "a.csv", rows(8) * 50))

    def test_pairs_are_equal_if_both_texts_are(self, tmp_path):
        records = [
            {"premise": f"it rains {i % 30}", "hypothesis": f"wet {i}", "label": "ab"[i % 2]}
            for i in range(60)
        ]
        assert findings(load(write_jsonl(tmp_path / "a.jsonl", records)), "repeated_texts") == []

    def test_given_splits_are_only_counted(self, tmp_path):
        write_csv(tmp_path / "train.csv", rows(60))
        write_csv(tmp_path / "validation.csv", [*rows(3), *rows(20)[10:]])
        write_csv(tmp_path / "test.csv", [*rows(80)[70:], *rows(2)])
        task = load(tmp_path)
        assert [len(task.splits[split]) for split in SPLIT_NAMES] == [60, 13, 12]
        of_validation, of_test, both = findings(task, "texts_in_two_splits")
        assert "13 of 13 validation rows are also in train" in of_validation.words
        assert "2 of 12 test rows are also in train" in of_test.words
        assert "2 of 12 test rows are also in validation" in both.words
        assert rows_of(of_test) == {"train.csv": [1, 2], "test.csv": [11, 12]}
        assert findings(task, "repeated_texts") == []


def test_a_text_with_two_classes_is_counted(tmp_path):
    records = rows(300)
    for row, like in ((299, 10), (250, 10), (33, 20)):
        records[row] = {**records[like], "label": "pos"}
    (found,) = findings(load(write_csv(tmp_path / "a.csv", records)), "texts_with_two_classes")
    assert found.count == 2
    assert "2 texts occur with more than one class (5 rows)" in found.words
    assert rows_of(found) == {"a.csv": [11, 21, 34, 251, 300]}
    write_csv(tmp_path / "test.csv", [{**records[4], "label": "pos"}, *rows(340)[310:]])
    (tmp_path / "a.csv").rename(tmp_path / "train.csv")
    (found,) = findings(load(tmp_path), "texts_with_two_classes")
    assert found.count == 3
    assert rows_of(found)["test.csv"] == [1]


class TestFewTexts:
    def test_a_class_with_too_few_rows_after_the_cut_is_named(self, tmp_path):
        records = [*rows(400), *({"text": f"odd {i}", "label": "rare"} for i in range(3))]
        task = load(write_csv(tmp_path / "a.csv", records))
        (found,) = findings(task, "class_with_few_texts")
        assert (
            "'rare' has few different texts (1 in train, 1 in validation, 1 in test)" in found.words
        )
        assert "one test text moves its recall by 100 points" in found.words
        assert rows_of(found) == {"a.csv": [401, 402, 403]}

    def test_a_class_of_one_repeated_text_is_not_judged(self, tmp_path):
        records = [*rows(400), *([{"text": "the same", "label": "rare"}] * 50)]
        task = load(write_csv(tmp_path / "a.csv", records))
        (found,) = findings(task, "class_with_few_texts")
        assert (
            "(1 in train, 0 in validation, 0 in test): test scores are meaningless for it"
            in found.words
        )

    def test_many_are_told_in_one_line(self, tmp_path):
        classes = tuple(f"class {i:02}" for i in range(40))
        task = load(write_csv(tmp_path / "a.csv", rows(400, classes)))
        assert len(findings(task, "class_with_few_texts")) == 40
        assert len(task.warnings) == 1
        assert task.warnings[0].startswith("40 classes have few different texts in a split")
        assert "and 37 more ('xautolm features --quality' lists them)" in task.warnings[0]
        assert warnings_of(task.findings) == task.warnings

    def test_a_listed_class_without_rows_is_no_few(self, tmp_path):
        write_csv(tmp_path / "a.csv", rows(300))
        (tmp_path / "t.yaml").write_text("data: a.csv\nlabels: [neg, pos, none]\n")
        task = load(tmp_path / "t.yaml")
        assert task.findings == ()
        assert "no rows of the listed 'none'" in task.warnings[0]


def test_classes_that_look_the_same_are_counted(tmp_path):
    records = rows(600, ("caf\u00e9", "cafe\u0301", "bar", "caf\u00e9"))
    (found,) = findings(load(write_csv(tmp_path / "a.csv", records)), "look_alike_classes")
    assert found.count == 2
    assert (
        "the classes 'cafe\\u0301' (150 rows) and 'caf\\xe9' (300 rows) differ in Unicode form"
        in found.words
    )
    # Those of the rarer spelling are to be changed.
    assert rows_of(found) == {"a.csv": list(range(2, 601, 4))}


def test_an_unlabelled_split_is_a_finding(tmp_path):
    write_csv(tmp_path / "train.csv", rows(300))
    write_csv(tmp_path / "test.csv", rows(7, ("",)))
    (found,) = findings(load(tmp_path), "unlabelled_split")
    assert (found.count, rows_of(found)) == (7, {"test.csv": [1, 2, 3, 4, 5, 6, 7]})


def test_rows_are_counted_as_they_stand_in_the_file(tmp_path):
    """Rows that are left out keep their numbers, so that a number leads to its line."""
    records = rows(300)
    records[2]["text"] = "  "
    records[299] = {**records[10], "label": "pos"}
    task = load(write_jsonl(tmp_path / "a.jsonl", records), drop_invalid=True)
    (found,) = findings(task, "texts_with_two_classes")
    assert rows_of(found) == {"a.jsonl": [11, 300]}


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=5), min_size=1, max_size=9
    ),
    st.lists(st.integers(1, 4), min_size=2, max_size=2),
)
@settings(max_examples=50)
def test_equal_texts_have_equal_numbers_however_they_are_chunked(texts, cuts):
    column = strings(*texts)
    chunks = pa.chunked_array(
        [column.chunk(0)[: cuts[0]], column.chunk(0)[cuts[0] :]], type=pa.large_string()
    )
    numbers = text_numbers(column, None)
    assert text_numbers(chunks, None).tolist() == numbers.tolist()
    assert text_numbers(strings(*texts[::-1]), None)[::-1].tolist() == numbers.tolist()


def test_white_space_and_unicode_form_make_no_other_text():
    same = strings("caf\u00e9 a b", " cafe\u0301\u00a0a\n b ")
    other = strings("caf\u00e9 ab", "Caf\u00e9 a b")
    assert len(set(text_numbers(same, None).tolist())) == 1
    assert len({*text_numbers(same, None).tolist(), *text_numbers(other, None).tolist()}) == 3
    assert text_numbers(strings("a b"), strings("c")) != text_numbers(strings("a"), strings("b c"))
