from __future__ import annotations

import csv
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tasks.conversation_rows import conversation
from tests.tasks.conversation_rows import message_rows
from tests.tasks.conversation_rows import prompt_rows
from tests.tasks.data import write_jsonl
from tests.tasks.question_rows import flat_rows
from tests.tasks.question_rows import write_squad
from xautolm_core.errors import DataError
from xautolm_core.tasks import texts
from xautolm_core.tasks.conversations import first_answers
from xautolm_core.tasks.conversations import prompts
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import open_prepared_conversations
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import TaskType

ASKED = "text-generation"


def load(path, **options):
    return load_task(read_task_spec(str(path), **options))


def load_rows(folder, rows, **options):
    return load(write_jsonl(folder / "rows.jsonl", rows), **options)


def all_rows(task):
    """Every row of a task: its messages and its answers."""
    return {
        (tuple((one["role"], one["content"]) for one in messages), tuple(answers))
        for split in task.splits.values()
        for messages, answers in zip(
            split.messages.to_pylist(), split.answers.to_pylist(), strict=True
        )
    }


def as_prompts(rows):
    return {((("user", row["prompt"]),), (row["completion"],)) for row in rows}


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            cells = {n: v if isinstance(v, str) else json.dumps(v) for n, v in row.items()}
            writer.writerow(cells)
    return path


def write_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


WRITERS = {"rows.jsonl": write_jsonl, "rows.csv": write_csv, "rows.parquet": write_parquet}

FORMS = {
    "prompts": lambda row: row,
    "prompts as messages": lambda row: {
        "prompt": conversation(row["prompt"]),
        "completion": [{"role": "assistant", "content": row["completion"]}],
    },
    "responses": lambda row: {"prompt": row["prompt"], "response": row["completion"]},
    "alpaca": lambda row: {
        "instruction": row["prompt"],
        "input": "",
        "output": row["completion"],
    },
    "messages": lambda row: {"messages": conversation(row["prompt"], row["completion"])},
    "sharegpt": lambda row: {
        "conversations": [
            {"from": "human", "value": row["prompt"]},
            {"from": "gpt", "value": row["completion"]},
        ]
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", WRITERS)
def test_every_form_is_found_and_gives_the_same_rows(name, form, tmp_path):
    rows = prompt_rows()
    path = WRITERS[name](tmp_path / name, [FORMS[form](row) for row in rows])
    task = load(path)
    assert task.type == TaskType.TEXT_GENERATION
    assert all_rows(task) == as_prompts(rows)
    assert task.warnings == () and task.labels == ()
    assert {split: len(part) for split, part in task.splits.items()} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }


def test_what_the_data_are_taken_for_is_said_without_their_texts(tmp_path):
    (note,) = load_rows(tmp_path, message_rows(system="Be brief.")).notes
    assert note == (
        "Taken for text generation: conversations in column 'messages', whose last message is"
        " learnt; the first row: system 9, user 21 characters, to be answered in 13"
    )
    (note,) = load_rows(tmp_path, [FORMS["alpaca"](row) for row in prompt_rows()]).notes
    assert "instructions in column 'instruction' with 'input'" in note
    long = [
        {"messages": conversation(*"abcdef", f"g {number}", "h", system="i")}
        for number in range(30)
    ]
    (note,) = load_rows(tmp_path, long).notes
    assert "the first row: system 1, user 1, ..., user 3 characters, to be answered in 1" in note


@pytest.mark.parametrize(
    "row",
    [
        {"text": "{prompt}", "label": "a b"},
        {"prompt": "{prompt}", "completion": "{completion}", "label": "a b"},
        {"messages": "{prompt}", "sort": "a b"},
        {"prompt": "{prompt}", "category": "a b"},
    ],
)
def test_texts_with_classes_stay_a_classification(row, tmp_path):
    rows = [
        {
            name: value.format(**one) if "{" in value else value.split()[number % 2]
            for name, value in row.items()
        }
        for number, one in enumerate(prompt_rows())
    ]
    options = {"text": "prompt"} if "completion" in row else {}
    assert load_rows(tmp_path, rows, **options).type == TaskType.TEXT_CLASSIFICATION


def test_questions_on_passages_are_generated_only_where_the_type_says_so(tmp_path):
    rows = flat_rows()
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    assert load(path).type == TaskType.QUESTION_ANSWERING
    task = load(path, type=ASKED)
    assert task.type == TaskType.TEXT_GENERATION
    prompt = f"Passage: {rows[0]['context']}\nQuestion: {rows[0]['question']}\nAnswer:"
    assert ((("user", prompt),), tuple(rows[0]["answers"]["text"])) in all_rows(task)
    passages = {
        split: {prompt.split("\n")[0] for prompt in prompts(part).to_pylist()}
        for split, part in task.splits.items()
    }
    assert not passages["train"] & (passages["validation"] | passages["test"])
    assert not passages["validation"] & passages["test"]
    squad = load(write_squad(tmp_path / "b.json"), type=ASKED)
    assert all_rows(squad) == all_rows(task)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_questions_may_have_several_answers_and_no_passage(name, tmp_path):
    rows = [{"question": f"What is {i}?", "answers": [f"a {i}", f"b {i}"]} for i in range(30)]
    task = load(WRITERS[name](tmp_path / name, rows), type=ASKED)
    expected = {((("user", row["question"]),), tuple(row["answers"])) for row in rows}
    assert all_rows(task) == expected
    assert set(first_answers(task.train).to_pylist()) < {f"a {i}" for i in range(30)}


def test_answers_of_several_spans_are_joined(tmp_path):
    rows = [
        {"question": f"Who are {i}?", "answers_spans": {"spans": [f"A {i}", "B"]}}
        for i in range(30)
    ]
    found = all_rows(load_rows(tmp_path, rows, type=ASKED))
    assert {answers for _, answers in found} == {(f"A {i} and B",) for i in range(30)}


def test_columns_may_be_named(tmp_path):
    rows = [{"ask": r["prompt"], "label": i, "say": r["completion"], "note": f"n {i}"}
            for i, r in enumerate(prompt_rows())]  # fmt: skip
    found = load_rows(tmp_path, rows, prompt="ask", completion="say")
    assert all_rows(found) == as_prompts(prompt_rows())
    rows = [{"chat": row["messages"], "label": 1} for row in message_rows()]
    assert all_rows(load_rows(tmp_path, rows, messages="chat")) == as_prompts(prompt_rows())
    rows = [{"q": r["prompt"], "a": r["completion"]} for r in prompt_rows()]
    found = load_rows(tmp_path, rows, question="q", answers="a", type=ASKED)
    assert all_rows(found) == as_prompts(prompt_rows())


def test_one_named_column_is_enough(tmp_path):
    rows = [{"ask": r["prompt"], "output": r["completion"]} for r in prompt_rows()]
    assert all_rows(load_rows(tmp_path, rows, prompt="ask")) == as_prompts(prompt_rows())
    rows = [{"input": r["prompt"], "say": r["completion"]} for r in prompt_rows()]
    assert all_rows(load_rows(tmp_path, rows, completion="say")) == as_prompts(prompt_rows())


def test_a_task_file_names_the_columns(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"ask": r["prompt"], "say": r["completion"]}
                                       for r in prompt_rows()])  # fmt: skip
    (tmp_path / "task.yaml").write_text("data: a.jsonl\nprompt: ask\ncompletion: say\n")
    assert all_rows(load(tmp_path / "task.yaml")) == as_prompts(prompt_rows())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "ask"}, "no column 'ask'"),
        ({"messages": "chat"}, "no column 'chat'"),
        ({"prompt": "text", "messages": "text"}, "several forms"),
        ({"prompt": "text", "question": "text"}, "several forms"),
        ({"prompt": "text", "completion": "text"}, "taken twice"),
        ({"prompt": "text"}, "no column is named like a completion"),
        ({"type": ASKED}, "no columns are named like prompts"),
        ({"type": ASKED, "question": "text"}, "no column is named like the answers"),
    ],
)
def test_columns_that_are_not_there_are_refused(options, message, tmp_path):
    rows = [{"text": f"text {i}", "other": f"other {i}"} for i in range(30)]
    with pytest.raises(DataError, match=message):
        load_rows(tmp_path, rows, **options)


def test_classes_may_be_written_by_a_model(tmp_path):
    rows = [{"text": f"text {i}", "label": ["bad", "good"][i % 2]} for i in range(30)]
    found = load_rows(tmp_path, rows, type=ASKED)
    assert {answers for _, answers in all_rows(found)} == {("bad",), ("good",)}


def test_instructions_have_their_input_below_them(tmp_path):
    rows = [
        {"instruction": "Add.", "input": f"1 and {i}", "output": f"{1 + i}", "system": "Count."}
        for i in range(30)
    ]
    expected = ((("system", "Count."), ("user", "Add.\n\n1 and 3")), ("4",))
    assert expected in all_rows(load_rows(tmp_path, rows))


def test_a_conversation_is_answered_by_its_last_message(tmp_path):
    rows = [{"messages": conversation("a", "b", f"c {i}", f"d {i}")} for i in range(30)]
    expected = ((("user", "a"), ("assistant", "b"), ("user", "c 5")), ("d 5",))
    assert expected in all_rows(load_rows(tmp_path, rows))


def test_neighbours_of_one_role_are_joined_with_a_warning(tmp_path):
    rows = message_rows()
    rows[3]["messages"].insert(0, {"role": "user", "content": "Hello."})
    rows[5]["messages"].append({"role": "assistant", "content": "Done."})
    task = load_rows(tmp_path, rows)
    assert task.warnings == (
        f"{tmp_path / 'rows.jsonl'}: 2 rows (rows 4 and 6) with neighbouring messages of one role,"
        " which were joined",
    )
    assert ((("user", "Hello.\n\nSay the word 3 twice."),), ("word 3 word 3",)) in all_rows(task)
    last = "word 5 word 5\n\nDone."
    assert ((("user", "Say the word 5 twice."),), (last,)) in all_rows(task)


def test_numbers_and_truth_values_become_texts_with_a_warning(tmp_path):
    rows = prompt_rows()
    rows[2]["completion"], rows[4]["completion"], rows[6]["completion"] = 12, True, 1.0
    rows[8]["completion"] = [3.5, "three and a half"]
    task = load_rows(tmp_path, rows)
    assert "4 rows (rows 3, 5, 7 and 9) with numbers or truth values for texts" in task.warnings[0]
    answers = {answers for _, answers in all_rows(task)}
    assert {("12",), ("true",), ("1",), ("3.5", "three and a half")} <= answers
    numbers = [{"question": f"What is {i} and 1?", "answer": i + 1} for i in range(30)]
    path = write_parquet(tmp_path / "a.parquet", numbers)
    assert {answers for _, answers in all_rows(load(path, type=ASKED))} == {
        (str(i + 1),) for i in range(30)
    }


def with_content(**changed):
    """Conversations whose fourth row's last message is another one."""
    rows = message_rows()
    rows[3]["messages"][-1] = rows[3]["messages"][-1] | changed
    return rows


def with_messages(messages):
    rows = message_rows()
    rows[3] = {"messages": messages}
    return rows


def with_cell(column, value):
    rows = prompt_rows()
    rows[3][column] = value
    return rows


USER = {"role": "user", "content": "Hello."}
PARTS = [{"type": "image", "url": "a.png"}]
BAD = {
    "an unknown role": (with_content(role="narrator"), "a role other than system, user"),
    "a tool's answer": (with_content(role="tool"), "tool calls, which cannot be learnt here"),
    "a tool call": (
        with_content(tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]),
        "tool calls, which cannot be learnt here",
    ),
    "no role": (with_messages([{"content": "a"}]), "no list of messages with roles"),
    "no messages": (with_messages([]), "no list of messages with roles"),
    "a text": (with_messages("Hello."), "no list of messages with roles"),
    "the assistant first": (
        with_messages(conversation("a", "b", "c")[1:] + conversation("a", "b")[1:]),
        "a first message of the assistant",
    ),
    "no answer": (with_messages([USER]), "no answer: the last message"),
    "an empty answer": (with_content(content=" \n"), "an empty message"),
    "a missing answer": (with_content(content=None), "an empty message"),
    "an image": (with_content(content=PARTS), "a message that is no text"),
    "an object": (with_content(content={"a": "b"}), "a message that is no text"),
    "the system late": (
        with_messages([USER, {"role": "system", "content": "s"}, *conversation("a", "b")]),
        "a message of the system after others",
    ),
    "no user": (
        with_messages([{"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}]),
        "no message of the user",
    ),
    "an empty prompt": (with_cell("prompt", "  "), "an empty prompt"),
    "a missing prompt": (with_cell("prompt", None), "an empty prompt"),
    "an empty completion": (with_cell("completion", ""), "an empty answer"),
    "no completions": (with_cell("completion", []), "an empty answer"),
    "a nested completion": (with_cell("completion", [["a"], ["b"]]), "an answer that is no text"),
    "an object as completion": (with_cell("completion", {"a": "b"}), "an answer that is no text"),
    "an object as prompt": (with_cell("prompt", {"a": "b"}), "a prompt that is no text"),
    "a prompt of the assistant": (
        with_cell("prompt", conversation("a", "b")),
        "a prompt that ends with a message of the assistant",
    ),
    "a completion of the user": (
        with_cell("completion", [USER]),
        "a completion that is not one message of the assistant",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_is_no_conversation_is_refused_by_row_or_left_out(fault, tmp_path):
    rows, message = BAD[fault]
    with pytest.raises(DataError, match=rf"1 row \(row 4\) with {message}") as caught:
        load_rows(tmp_path, rows)
    assert "--drop-invalid" in str(caught.value.hint)
    task = load_rows(tmp_path, rows, drop_invalid=True)
    assert sum(map(len, task.splits.values())) == len(rows) - 1
    assert any(f"dropped 1: 1 row (row 4) with {message}" in one for one in task.warnings)


def test_nothing_but_bad_rows_is_refused(tmp_path):
    rows = [{"messages": [{"role": "tool", "content": f"t {i}"}]} for i in range(30)]
    with pytest.raises(DataError, match="no row has a prompt and an answer"):
        load_rows(tmp_path, rows, drop_invalid=True)


def test_messages_in_parts_and_without_a_system_are_read(tmp_path):
    rows = message_rows(system=" ")
    rows[3]["messages"][1]["content"] = [{"type": "text", "text": t} for t in ("a", "b")]
    found = all_rows(load_rows(tmp_path, rows))
    assert ((("user", "a\n\nb"),), ("word 3 word 3",)) in found
    assert all(role == "user" for messages, _ in found for role, _ in messages)


def test_what_else_stands_in_a_message_is_left_alone(tmp_path):
    rows = message_rows()
    for row in rows:
        row["messages"][1] |= {"weight": 0.5, "is_good": True, "tool_calls": None, "name": "a"}
    for name, write in WRITERS.items():
        assert all_rows(load(write(tmp_path / name, rows))) == as_prompts(prompt_rows())


def test_conversations_may_be_stored_as_columns(tmp_path):
    rows = [
        {"messages": {"role": ["user", "assistant"], "content": [r["prompt"], r["completion"]]}}
        for r in prompt_rows()
    ]
    path = write_parquet(tmp_path / "a.parquet", rows)
    assert all_rows(load(path)) == as_prompts(prompt_rows())


def test_long_messages_keep_their_end_and_long_answers_are_refused(tmp_path, monkeypatch):
    for module in ("generation_rows", "texts"):
        monkeypatch.setattr(f"xautolm_core.tasks.{module}.MAX_CHARACTERS", 50)
    rows = prompt_rows()
    rows[3]["prompt"] = "x" * 60 + "?"
    task = load_rows(tmp_path, rows)
    assert "1 row (row 4) with messages longer than" in task.warnings[0]
    assert "x" * 49 + "?" in {messages[0][1] for messages, _ in all_rows(task)}
    rows[5]["completion"] = "y" * 51
    with pytest.raises(DataError, match=r"\(row 6\) with an answer of more than 50 characters"):
        load_rows(tmp_path, rows)
    assert texts.MAX_CHARACTERS == 50


def test_equal_prompts_stay_on_one_side_of_the_cut(tmp_path):
    rows = [{"prompt": f"p  {i // 4}", "completion": f"c {i}"} for i in range(120)]
    task = load_rows(tmp_path, rows)
    sides = {split: set(prompts(part).to_pylist()) for split, part in task.splits.items()}
    assert sum(map(len, sides.values())) == 30 == len(set().union(*sides.values()))
    assert [len(task.splits[s]) for s in ("train", "validation", "test")] == [96, 12, 12]
    with pytest.raises(DataError, match="2 different prompts are too few to cut"):
        load_rows(tmp_path, [{"prompt": f"p {i % 2}", "completion": "c"} for i in range(30)])


def test_the_fingerprint_depends_on_content_alone(tmp_path):
    rows = message_rows()
    first = load_rows(tmp_path, rows).fingerprint
    shuffled = random.Random(0).sample(rows, len(rows))
    assert load_rows(tmp_path, shuffled, seed=3).fingerprint == first
    assert load_rows(tmp_path, prompt_rows()).fingerprint == first
    for changed in (with_content(content="other"), message_rows(system="s"), rows[1:]):
        assert load_rows(tmp_path, changed).fingerprint != first
    answered = prompt_rows()
    answered[0]["completion"] = [answered[0]["completion"], "other"]
    assert load_rows(tmp_path, answered).fingerprint != first


def test_prepared_tasks_hold_the_same(tmp_path):
    task = load_rows(tmp_path, message_rows(system="Be brief."))
    folder = write_prepared(task, tmp_path / "cache")
    found = open_prepared_conversations(folder)
    assert all_rows(found) == all_rows(task) and found.fingerprint == task.fingerprint
    for split, part in task.splits.items():
        assert prompts(found.splits[split]).to_pylist() == prompts(part).to_pylist()
    assert load(write_jsonl(tmp_path / "b.jsonl", flat_rows())).type == "question-answering"
    with pytest.raises(DataError, match="prepared task of question-answering"):
        questions = load(tmp_path / "b.jsonl")
        open_prepared_conversations(write_prepared(questions, tmp_path / "cache"))


def split_folder(folder, train, validation, test):
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        write_jsonl(folder / f"{name}.jsonl", rows)
    return folder


def test_what_makes_scores_hard_to_believe_is_found(tmp_path):
    rows = prompt_rows(60)
    leaked = {**rows[0], "prompt": f"{rows[0]['prompt']} "}
    torn = {**rows[1], "completion": "another"}
    path = split_folder(tmp_path, [*rows[:40], torn], [*rows[40:50], leaked], rows[50:])
    found = {finding.kind: finding for finding in load(path).findings}
    assert set(found) == {"prompts_in_two_splits", "prompts_with_two_answers"}
    assert found["prompts_in_two_splits"].count == 1
    leaks = found["prompts_in_two_splits"].rows
    assert {name.rpartition("/")[2]: rows.tolist() for name, rows in leaks.items()} == {
        "train.jsonl": [1],
        "validation.jsonl": [11],
    }
    assert found["prompts_with_two_answers"].rows[str(tmp_path / "train.jsonl")].tolist() == [2, 41]
    assert "give all accepted answers of a prompt in one row" in load(path).warnings[-1]


def test_passages_in_two_splits_are_found(tmp_path):
    rows = flat_rows()
    path = split_folder(tmp_path, rows[:41], rows[41:50], rows[50:])
    found = load(path, type=ASKED).findings
    assert [finding.kind for finding in found] == ["passages_in_two_splits"]


@pytest.mark.parametrize("form", ["no column", "empty"])
def test_a_held_out_split_without_answers_is_cut_from_train(form, tmp_path):
    rows = prompt_rows(60)
    kept = {"completion": ""} if form == "empty" else {}
    hidden = [{"prompt": row["prompt"], **kept} for row in rows[50:]]
    task = load(split_folder(tmp_path, rows[:40], rows[40:50], hidden))
    assert [finding.kind for finding in task.findings] == ["unlabelled_split"]
    assert len(task.test) == 4 and len(task.validation) == 10


def test_prompts_are_joined_in_slices_too(tmp_path):
    split = load_rows(tmp_path, message_rows(system="s")).train
    expected = prompts(split).to_pylist()
    halves = type(split)(split.messages.slice(7, 9), split.answers.slice(7, 9))
    assert prompts(halves).to_pylist() == expected[7:16]
    assert expected[0].startswith("s\n\nSay the word")
