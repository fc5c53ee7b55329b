from __future__ import annotations

import pytest

from tests.tasks.conversation_rows import conversation
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.generation_rows import read_prompts
from xautolm_core.tasks.json_table import read_json
from xautolm_core.tasks.spec import TaskSpec

USER = {"role": "user", "content": "Who?"}


def read(folder, *rows, first=1, **options):
    table = read_json(write_jsonl(folder / "a.jsonl", list(rows)))
    return read_prompts(table, TaskSpec(**options), first=first)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Who?"},
        {"prompt": "Who?", "completion": {"no": "matter"}},
        {"prompt": [USER]},
        {"messages": [USER]},
        {"messages": conversation("Who?", "Ada.")},
        {"conversations": [{"from": "human", "value": "Who?"}]},
        {"instruction": "Who?"},
        {"instruction": "Who?", "input": "", "output": 3},
        {"question": "Who?"},
        {"question": "Who?", "answers": []},
        {"input": "Who?"},
        {"text": "Who?"},
    ],
)
def test_prompts_are_found_without_answers(row, tmp_path):
    assert read(tmp_path, row) == [[USER]]


def test_named_columns_go_first(tmp_path):
    row = {"prompt": "a", "ask": "Who?", "said": "It was Ada.", "messages": [USER]}
    assert read(tmp_path, row, prompt="ask") == [[USER]]
    assert read(tmp_path, row, messages="messages") == [[USER]]
    asked = {"role": "user", "content": "Passage: It was Ada.\nQuestion: Who?\nAnswer:"}
    assert read(tmp_path, row, question="ask", context="said") == [[asked]]
    named = {"question": "Who?", "passage": "It was Ada."}
    assert read(tmp_path, named) == read(tmp_path, named, context="passage") == [[asked]]
    with pytest.raises(DataError, match="no column 'who'"):
        read(tmp_path, row, prompt="who")
    with pytest.raises(DataError, match="no column is named like a prompt"):
        read(tmp_path, {"said": "a"})


def test_earlier_turns_and_the_system_are_kept(tmp_path):
    messages = conversation("a", "b", "c", "d", system="s")
    assert read(tmp_path, {"messages": messages}) == [messages[:-1]]
    system = {"role": "system", "content": "s"}
    assert read(tmp_path, {"prompt": "Who?", "system": "s"}) == [[system, USER]]


def test_bad_prompts_are_refused_by_the_number_of_their_row(tmp_path):
    rows = [{"prompt": text} for text in ("a", "", "b", " ")]
    with pytest.raises(DataError, match=r"2 rows \(rows 102 and 104\) with an empty prompt"):
        read(tmp_path, *rows, first=101)
    with pytest.raises(DataError, match=r"1 row \(row 1\) with a first message of the assistant"):
        read(tmp_path, {"messages": conversation("a", "b", "c")[1:]})
