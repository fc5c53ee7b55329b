from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        f"{'good words here' if n % 2 else 'bad things there'} {n},{'pos' if n % 2 else 'neg'}"
        for n in range(60)
    ]
    file = tmp_path / "reviews.csv"
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    return file


def test_features_of_task_and_machine(call: Call, data: Path) -> None:
    ended = call("features", data, "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["task"] == "reviews"
    assert document["labels"] == ["neg", "pos"]
    assert sum(document["rows"].values()) == 60
    assert [v["extractor"] for v in document["features"]][1] == "system"
    for vector in document["features"]:
        assert set(vector["units"]) == set(vector["values"])


def test_features_as_a_table(call: Call, data: Path) -> None:
    ended = call("features", data)
    assert ended.code == 0
    assert "feature" in ended.out
    assert "system" in ended.out


def test_a_wrong_column_is_one_line(call: Call, data: Path) -> None:
    ended = call("features", data, "--text", "txt")
    assert ended.code == 2
    assert "no column 'txt'" in ended.err
    assert ended.err.count("\n") == 1


def test_an_unknown_space_is_one_line(call: Call, data: Path) -> None:
    ended = call("features", data, "--space", "startr")
    assert ended.code == 2
    assert "starter" in ended.err


@pytest.fixture
def doubtful(tmp_path: Path) -> Path:
    """Data of each kind that makes scores hard to believe."""
    rows = [f"text {n},{'pos' if n % 2 else 'neg'}" for n in range(300)]
    rows += ["text 4,pos", "text 7,pos", *(f"odd {n},Neg" for n in range(3))]
    file = tmp_path / "reviews.csv"
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    return file


def test_quality_names_each_finding_with_its_rows(call: Call, doubtful: Path) -> None:
    ended = call("features", doubtful, "--quality", "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    source = str(doubtful)
    found = {item["kind"]: (item["count"], item["rows"]) for item in document["quality"]}
    assert found == {
        "texts_with_two_classes": (1, {source: [5, 301]}),
        "look_alike_classes": (2, {source: [303, 304, 305]}),
        "class_with_few_texts": (1, {source: [303, 304, 305]}),
        "repeated_texts": (4, {source: [5, 8, 301, 302]}),
    }
    assert [item["words"] for item in document["quality"]] == document["warnings"]
    assert ended.err.count("warning: ") == 4
    assert sum(document["rows"].values()) == 305


def test_quality_as_a_table(call: Call, doubtful: Path) -> None:
    ended = call("features", doubtful, "--quality")
    assert ended.code == 0
    assert "look alike classes" in ended.out
    assert "303-305" in ended.out
    assert "landmark" not in ended.out


def test_quality_of_good_data_is_said_in_a_sentence(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "good.csv"
    rows = [f"text {n},{'pos' if n % 2 else 'neg'}" for n in range(300)]
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    ended = call("features", file, "--quality")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Nothing was found")


def test_a_stray_quote_is_named_and_loses_no_row(call: Call, data: Path) -> None:
    data.write_text(data.read_text().replace("bad things there 8", '"bad things there 8'))
    ended = call("features", data, "--json")
    assert ended.code == 0
    assert sum(json.loads(ended.out)["rows"].values()) == 60
    assert "line 10: the quote that opens a cell is never closed" in ended.err
    confirmed = call("features", data, "--json", "--quoting", "none")
    assert confirmed.code == 0
    assert "quote" not in confirmed.err
    refused = call("features", data, "--quoting", "quoted")
    assert refused.code == 2
    assert "line 10" in refused.err


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Prompts with texts to be written, one of them with two."""
    rows = [{"ask": f"What is {n} and 1?", "say": f"{n + 1}"} for n in range(40)]
    rows.append({"ask": "What is 3 and 1?", "say": "four"})
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_columns_of_text_generation_may_be_named(call: Call, prompts: Path) -> None:
    ended = call("features", prompts, "--quality", "--prompt", "ask", "--completion", "say")
    assert ended.code == 0
    assert "Taken for text generation: prompts in column 'ask', texts to be written" in ended.err
    said = "2 rows have another answer than others to the same prompt (1 prompt): give all"
    assert said in ended.err and "prompts with two answers" in ended.out


def test_the_type_of_a_task_may_be_named(call: Call, tmp_path: Path) -> None:
    rows = [{"question": f"Who is {n}?", "answer": f"Ada {n}"} for n in range(40)]
    file = tmp_path / "people.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = call("features", file, "--type", "text-generation", "--quality", "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["type"] == "text-generation" and document["quality"] == []
    wrong = call("features", file, "--type", "text-generatoin")
    assert wrong.code == 2 and "text-generation" in wrong.err
