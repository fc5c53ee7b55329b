from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.tasks.question_rows import articles
from tests.tasks.question_rows import flat_rows
from tests.tasks.question_rows import write_rows
from tests.tasks.question_rows import write_squad
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.tasks.accepted_answers import read_accepted
from xautolm_core.tasks.load import load_labelled_task
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.question_rows import place_of_answer
from xautolm_core.tasks.questions import NOT_FOUND
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task import SPLIT_NAMES


def load(path, **options):
    return load_task(read_task_spec(str(path), **options))


def all_rows(task):
    return {
        (question, context, tuple(answers))
        for split in task.splits.values()
        for question, context, answers in zip(
            split.questions.to_pylist(),
            split.contexts.to_pylist(),
            split.answers.to_pylist(),
            strict=True,
        )
    }


def write_csv(path, rows, forms):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(forms(rows[0])))
        writer.writeheader()
        writer.writerows(forms(row) for row in rows)
    return path


def texts(row):
    return {"question": row["question"], "context": row["context"]}


FORMS = {
    "squad.json": lambda path, rows: write_squad(path),
    "hub.jsonl": write_rows,
    "lists.jsonl": lambda path, rows: write_rows(
        path, [{**texts(r), "answers": r["answers"]["text"]} for r in rows]
    ),
    "dicts.json": lambda path, rows: path.write_text(
        json.dumps(
            [
                {
                    **texts(r),
                    "answers": [
                        {"text": t, "answer_start": s}
                        for t, s in zip(
                            r["answers"]["text"], r["answers"]["answer_start"], strict=True
                        )
                    ],
                }
                for r in rows
            ]
        )
    ),
    "hub.parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path),
    "lists.parquet": lambda path, rows: pq.write_table(
        pa.Table.from_pylist([{**texts(r), "answers": r["answers"]["text"]} for r in rows]), path
    ),
    "single.csv": lambda path, rows: write_csv(
        path,
        rows,
        lambda r: {
            **texts(r),
            "answer": r["answers"]["text"][0],
            "answer_start": r["answers"]["answer_start"][0],
        },
    ),
    "json.csv": lambda path, rows: write_csv(
        path, rows, lambda r: {**texts(r), "answers": json.dumps(r["answers"])}
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_questions(name, tmp_path):
    rows = flat_rows()
    FORMS[name](tmp_path / name, rows)
    task = load(tmp_path / name)
    assert (task.type, task.labels, task.warnings) == ("question-answering", (), ())
    assert "question answering" in task.notes[0] and "'question'" in task.notes[0]
    assert all_rows(task) == {
        (r["question"], r["context"], tuple(r["answers"]["text"])) for r in rows
    }
    assert task.fingerprint == load(write_squad(tmp_path / "other.json")).fingerprint
    for split in task.splits.values():
        columns = (split.contexts, split.answers, split.starts)
        for context, answers, starts in zip(*(c.to_pylist() for c in columns), strict=True):
            assert [context[s : s + len(a)] for a, s in zip(answers, starts, strict=True)] == (
                answers
            )


def test_no_passage_stands_in_two_splits(tmp_path):
    task = load(write_squad(tmp_path / "a.json", passages=50, impossible=True))
    passages = [set(task.splits[name].contexts.to_pylist()) for name in SPLIT_NAMES]
    assert sum(map(len, passages)) == len(set.union(*passages)) == 50
    assert [len(task.splits[name]) for name in SPLIT_NAMES] == [120, 15, 15]
    assert not task.findings
    again = load(tmp_path / "a.json")
    assert all_rows(again) == all_rows(task) and again.fingerprint == task.fingerprint
    other = load(tmp_path / "a.json", seed=3)
    assert other.fingerprint == task.fingerprint
    assert other.test.questions.to_pylist() != task.test.questions.to_pylist()


def test_a_question_without_an_answer_has_an_empty_list(tmp_path):
    task = load(write_squad(tmp_path / "a.json", impossible=True))
    empty = [q for q, _, answers in all_rows(task) if not answers]
    assert len(empty) == 30 and all(q.startswith("What did") for q in empty)


def test_several_accepted_answers_stand_once_each(tmp_path):
    rows = flat_rows()
    rows[0]["answers"] = {
        "text": ["stone", "of stone", " stone ", "granite"],
        "answer_start": [rows[0]["context"].index("stone")] * 4,
    }
    task = load(write_rows(tmp_path / "a.jsonl", rows))
    place = {q: (s, i) for s in SPLIT_NAMES for i, q in enumerate(task.splits[s].questions)}
    found = [
        (answers, starts)
        for split in task.splits.values()
        for answers, starts in zip(split.answers.to_pylist(), split.starts.to_pylist(), strict=True)
        if "granite" in answers
    ]
    assert place and found[0][0] == ["stone", "of stone", "granite"]
    assert found[0][1][2] == NOT_FOUND and found[0][1][1] == found[0][1][0] - len("of ")


def test_a_wrong_start_is_found_again(tmp_path):
    rows = flat_rows()
    rows[4]["answers"]["answer_start"] = [3]
    task = load(write_rows(tmp_path / "a.jsonl", rows))
    assert len(task.warnings) == 1
    assert "1 row (row 5) with an answer that does not begin where" in task.warnings[0]


@given(
    st.text(st.sampled_from("ab ,"), max_size=30),
    st.text(st.sampled_from("ab"), min_size=1, max_size=3),
    st.none() | st.integers(0, 40),
)
def test_an_answer_is_placed_where_it_stands(passage, answer, start):
    place = place_of_answer(answer, passage, start)
    if answer not in passage:
        assert place == NOT_FOUND
        return
    assert passage.startswith(answer, place)
    if start is not None:
        nearest = min(abs(i - start) for i in range(len(passage)) if passage.startswith(answer, i))
        assert abs(place - start) == nearest


def test_without_a_start_whole_words_go_first():
    assert place_of_answer("art", "The party had art.", None) == 14
    assert place_of_answer("art", "A party.", None) == 3


def test_broken_characters_are_replaced_wherever_they_stand(tmp_path):
    found = articles()
    paragraph = found[0]["paragraphs"][0]
    paragraph["context"] += " \ud800 end"
    paragraph["qas"].append(
        {"question": "Wh\udc00?", "id": "x", "answers": [{"text": "\ud800 end", "answer_start": 0}]}
    )
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": found}))
    task = load(path)
    assert ("Wh\ufffd?", ("\ufffd end",)) in {(q, answers) for q, _, answers in all_rows(task)}


BAD = {
    "not in the passage": ({"text": ["granite"], "answer_start": [3]}, "no answer that stands in"),
    "a number": ({"text": [1820], "answer_start": [3]}, "an answer that is no text"),
    "a word of another form": ([["x"]], "an answer that is no text"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_answers_are_refused_by_row(name, tmp_path):
    answers, words = BAD[name]
    rows = flat_rows()
    rows[6]["answers"] = rows[9]["answers"] = answers
    path = write_rows(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError) as caught:
        load(path)
    assert words in str(caught.value) and "rows 7 and 10" in str(caught.value)
    assert "--drop-invalid" in str(caught.value)
    task = load(path, drop_invalid=True)
    assert sum(map(len, task.splits.values())) == len(rows) - 2
    assert "dropped 2" in task.warnings[0] and words in task.warnings[0]


@pytest.mark.parametrize("column", ["question", "context"])
@pytest.mark.parametrize("value", ["", "  ", None])
def test_missing_texts_are_refused_by_row(column, value, tmp_path):
    rows = flat_rows()
    rows[2][column] = value
    with pytest.raises(DataError, match=r"row 3\) with no (question|passage)"):
        load(write_rows(tmp_path / "a.jsonl", rows))


def test_an_empty_answer_is_one_that_the_passage_does_not_give(tmp_path):
    rows = [{**texts(r), "answer": r["answers"]["text"][0]} for r in flat_rows()]
    rows[1]["answer"] = ""
    task = load(write_rows(tmp_path / "a.jsonl", rows))
    assert [w for w in task.warnings if "1 row (row 2) with an empty answer" in w]
    for row in rows:
        row["answer"] = None
    with pytest.raises(DataError):
        load(write_rows(tmp_path / "b.jsonl", rows), question="question")


def test_a_held_out_split_without_answers_is_cut_from_train(tmp_path):
    rows = flat_rows()
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", [{**texts(r), "answers": None} for r in rows[:8]])
    task = load(tmp_path)
    assert [f.kind for f in task.findings] == ["unlabelled_split"]
    assert len(task.test) and sum(map(len, task.splits.values())) == len(rows)


def hidden_squad(path, **options):
    found = articles(**options)
    for article in found:
        for entry in article["paragraphs"][0]["qas"]:
            del entry["answers"], entry["is_impossible"]
    path.write_text(json.dumps({"data": found}))


@pytest.mark.parametrize("impossible", [None, False])
def test_empty_lists_of_a_held_out_split_are_hidden_answers(impossible, tmp_path):
    rows = flat_rows()
    flags = {} if impossible is None else {"is_impossible": impossible}
    write_rows(tmp_path / "train.jsonl", [{**row, **flags} for row in rows])
    hidden = {"answers": {"text": [], "answer_start": []}, **flags}
    write_rows(tmp_path / "test.jsonl", [{**row, **hidden} for row in rows[:8]])
    task = load(tmp_path)
    assert [f.kind for f in task.findings] == ["unlabelled_split"]
    assert any("test.jsonl has no labels" in warning for warning in task.warnings)
    assert all(task.test.answers.to_pylist())


def test_squad_without_answers_is_a_held_out_split_without_labels(tmp_path):
    write_squad(tmp_path / "train.json", impossible=True)
    hidden_squad(tmp_path / "test.json", seed=3)
    task = load(tmp_path)
    assert [f.kind for f in task.findings] == ["unlabelled_split"]
    assert any(task.test.answers.to_pylist())


@pytest.mark.parametrize("flagged", [True, False])
def test_a_held_out_split_may_consist_of_unanswerable_questions(flagged, tmp_path):
    rows = flat_rows()
    empty = {"answers": {"text": [], "answer_start": []}}
    if flagged:
        train = [{**row, "is_impossible": False} for row in rows]
        test = [{**row, **empty, "is_impossible": True} for row in rows[:8]]
    else:
        train = [{**row, **(empty if i % 3 else {})} for i, row in enumerate(rows)]
        test = [{**row, **empty} for row in rows[:8]]
    write_rows(tmp_path / "train.jsonl", train)
    write_rows(tmp_path / "test.jsonl", test)
    task = load(tmp_path)
    assert "unlabelled_split" not in {f.kind for f in task.findings}
    assert task.test.answers.to_pylist() == [[]] * 8


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize(("yes", "no"), [(1, 0), (1.0, 0.0), ("yes", "no"), ("T", ""), ("1", "0")])
def test_a_flag_may_be_written_in_any_usual_way(yes, no, name, tmp_path):
    rows = [
        {**texts(r), "answer": r["answers"]["text"][0], "is_impossible": no if i % 3 else yes}
        for i, r in enumerate(flat_rows())
    ]
    path = tmp_path / name
    write_rows(path, rows) if name.endswith("l") else write_csv(path, rows, dict)
    found = all_rows(load(path))
    assert sum(not answers for _, _, answers in found) == 20


def test_a_flag_that_is_neither_true_nor_false_is_refused_by_row(tmp_path):
    rows = [{**row, "is_impossible": "no"} for row in flat_rows()]
    rows[4]["is_impossible"] = rows[7]["is_impossible"] = "perhaps"
    path = write_rows(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError, match=r"rows 5 and 8\) with a value of 'is_impossible'"):
        load(path)
    assert sum(map(len, load(path, drop_invalid=True).splits.values())) == len(rows) - 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.csv"])
def test_the_spans_of_drop_are_parts_of_one_answer(name, tmp_path):
    rows = [
        {**texts(r), "answers_spans": {"spans": r["answers"]["text"], "types": ["span"]}}
        for r in flat_rows()
    ]
    rows[0]["context"] += " Ada Brook and Tom Reed paid."
    rows[0]["answers_spans"] = {"spans": ["Ada Brook", "Tom Reed"], "types": ["span"] * 2}
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name == "a.csv":
        write_csv(path, rows, lambda r: {**r, "answers_spans": json.dumps(r["answers_spans"])})
    else:
        write_rows(path, rows)
    found = {(question, context): answers for question, context, answers in all_rows(load(path))}
    assert found[rows[0]["question"], rows[0]["context"]] == ("Ada Brook and Tom Reed",)
    rows[3]["answers_spans"] = {"spans": ["In", "stone"], "types": ["span"] * 2}
    with pytest.raises(DataError, match=r"row 4\) with no answer that stands in the passage"):
        load(write_rows(tmp_path / "b.jsonl", rows))


def test_brackets_in_csv_are_an_answer_where_they_hold_none(tmp_path):
    rows = [
        {**texts(r), "answer": f"[{i}]", "context": f"{r['context']} It is source [{i}]."}
        for i, r in enumerate(flat_rows())
    ]
    found = all_rows(load(write_csv(tmp_path / "a.csv", rows, dict)))
    assert {answers for _, _, answers in found} == {(row["answer"],) for row in rows}


@pytest.mark.parametrize("start", [float("inf"), float("nan"), 10**400, -3, "9" * 5000])
def test_a_start_that_is_no_place_is_not_used(start):
    accepted = read_accepted({"text": ["stone"], "answer_start": [start]})
    assert accepted is not None and accepted.starts == (None,)


@pytest.mark.parametrize("value", ["some text", ["a", "b"]])
def test_a_column_of_paragraphs_with_a_class_stays_a_classification(value, tmp_path):
    rows = [
        {"text": f"text {i}", "paragraphs": value, "label": ["a", "b"][i % 2]} for i in range(40)
    ]
    path = write_rows(tmp_path / "a.jsonl", rows)
    assert load(path, text="text").type == load(path).type == "text-classification"
    rows = [{"paragraphs": f"text {i}", "sort": ["a", "b"][i % 2]} for i in range(40)]
    assert load(write_rows(tmp_path / "b.jsonl", rows)).type == "text-classification"


def test_the_files_of_squad_are_known_by_their_names(tmp_path):
    write_squad(tmp_path / "train-v2.0.json", seed=1)
    write_squad(tmp_path / "dev-v2.0.json", seed=2, passages=5)
    task = load(tmp_path)
    assert len(task.validation) == 10 and len(task.train) + len(task.test) == 60


def test_what_stands_in_two_splits_is_found(tmp_path):
    rows = flat_rows()
    write_rows(tmp_path / "train.jsonl", rows[:40])
    write_rows(tmp_path / "validation.jsonl", [*rows[40:50], rows[0]])
    write_rows(tmp_path / "test.jsonl", [*rows[50:], {**rows[1], "question": "Which year?"}])
    kinds = {finding.kind: finding for finding in load(tmp_path).findings}
    assert set(kinds) == {"questions_in_two_splits", "passages_in_two_splits"}
    source = str(tmp_path / "validation.jsonl")
    assert kinds["questions_in_two_splits"].rows[source].tolist() == [11]


def test_one_question_with_two_answers_is_found(tmp_path):
    rows = flat_rows()
    rows.append({**rows[0], "answers": {"text": ["stone"], "answer_start": [0]}})
    found = load(write_rows(tmp_path / "a.jsonl", rows)).findings
    assert [f.kind for f in found] == ["questions_with_two_answers"] and found[0].count == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found[1].pop("paragraphs"),
        lambda found: found[1]["paragraphs"][0].pop("context"),
        lambda found: found[1]["paragraphs"][0].pop("qas"),
        lambda found: found[1].update(paragraphs=["text"]),
    ],
)
def test_broken_articles_are_refused_by_their_place(damage, tmp_path):
    found = articles()
    damage(found)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": found}))
    with pytest.raises(DataError, match="article 2"):
        load(path)


@pytest.mark.parametrize(
    "rows",
    [
        # A class beside them: a pair of texts, or a text.
        [
            {"question": f"q {i}?", "passage": f"text {i} yes no", "answer": "yes", "label": i % 2}
            for i in range(40)
        ],
        # Answers of a few kinds that do not stand in the passages.
        [
            {"question": f"q {i}?", "passage": f"text {i}", "answer": ["yes", "no"][i % 2]}
            for i in range(40)
        ],
    ],
)
def test_pairs_with_a_class_stay_a_classification(rows, tmp_path):
    task = load(write_rows(tmp_path / "a.jsonl", rows))
    assert task.type == "text-classification" and len(task.labels) == 2


def test_a_kind_can_be_named(tmp_path):
    path = write_rows(
        tmp_path / "a.jsonl",
        [{"q": r["question"], "c": r["context"], "a": r["answers"]["text"]} for r in flat_rows()],
    )
    assert load(path, question="q", context="c", answers="a").type == "question-answering"
    with pytest.raises(DataError, match="no column 'answer'"):
        load(path, question="q", context="c", answers="answer")
    with pytest.raises(DataError, match="named like the context"):
        load(path, question="q")
    with pytest.raises(ConfigError, match="no task type 'chess'"):
        load_task(read_task_spec(str(path)).model_copy(update={"type": "chess"}))


def test_what_knows_classes_alone_says_so(tmp_path):
    with pytest.raises(DataError, match="for text-classification alone"):
        load_labelled_task(read_task_spec(str(write_squad(tmp_path / "a.json"))))


def test_a_named_kind_goes_before_the_columns(tmp_path):
    rows = [
        {"question": f"q {i}?", "context": f"It says {['yes', 'no'][i % 2]} {i}", "answer": a}
        for i, a in enumerate(["yes", "no"] * 20)
    ]
    spec = read_task_spec(str(write_rows(tmp_path / "a.jsonl", rows)))
    assert load_task(spec).type == "question-answering"
    named = spec.model_copy(update={"type": "text-classification"})
    assert load_labelled_task(named).labels == load_task(named).labels == ("no", "yes")


def test_too_few_passages_are_refused(tmp_path):
    with pytest.raises(DataError, match="2 different passages are too few"):
        load(write_squad(tmp_path / "a.json", passages=2))


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 40), st.integers(0, 5), st.booleans())
def test_rows_are_all_there_once_whatever_the_size(tmp_path_factory, passages, seed, impossible):
    path = tmp_path_factory.mktemp("law") / "a.json"
    write_squad(path, passages=passages, seed=seed, impossible=impossible)
    task = load(path, seed=seed)
    assert sum(map(len, task.splits.values())) == passages * (3 if impossible else 2)
    assert all(len(split) for split in task.splits.values())
    contexts = [np.unique(split.contexts.to_pylist()) for split in task.splits.values()]
    assert len(np.unique(np.concatenate(contexts))) == sum(map(len, contexts))
