"""``predict`` with a model that writes texts: as many texts as prompts, in order."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import xautolm
from tests.cli.running import Call
from xautolm_core.cli import prediction_prompts
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.trial import predict as loading
from xautolm_core.trial.contract import MODEL_CARD_FILE

Conversation = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Written:
    text: str
    tokens: int
    is_cut: bool


class Echo:
    """Writes what it was asked, backwards; keeps how many prompts it got at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def generate(
        self, conversations: Sequence[Conversation], *, batch_size: int = 16
    ) -> list[Written]:
        self.sizes.append(len(conversations))
        asked = ["|".join(m["content"] for m in one) for one in conversations]
        return [Written(text[::-1], len(text), "long" in text) for text in asked]


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Echo:
    found = Echo()
    monkeypatch.setattr(loading, "load_generator", lambda folder, **more: found, raising=False)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    card = {"task": "t", "task_type": "text-generation", "fingerprint": "0", "labels": []}
    (folder / "model" / MODEL_CARD_FILE).write_text(json.dumps(card))
    (folder / SEARCH_FILE).write_text(json.dumps({"task": {"prompt": "ask", "completion": "say"}}))
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("out", [".jsonl", ".csv", ".parquet"])
def test_all_columns_and_the_texts_are_written(
    call: Call, echo: Echo, run: Path, tmp_path: Path, suffix: str, out: str
) -> None:
    rows = [{"id": f"n{n}", "ask": f"{'long' if n % 7 == 0 else 'short'} {n}"} for n in range(150)]
    file = write_rows(tmp_path / f"asked{suffix}", rows)
    target = tmp_path / f"said{out}"
    ended = call("predict", run, file, "--out", target)
    assert ended.code == 0, ended.err
    assert f"150 predictions written to {target} (column prediction)" in ended.out
    if out == ".parquet":
        found = pq.read_table(target).to_pylist()
    elif out == ".csv":
        found = list(csv.DictReader(io.StringIO(target.read_text())))
    else:
        found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert [row["prediction"] for row in found] == [row["ask"][::-1] for row in rows]
    assert [int(row["generated_tokens"]) for row in found] == [len(row["ask"]) for row in rows]
    cut = [str(row["is_cut"]).lower() == "true" for row in found]
    assert cut == [row["ask"].startswith("long") for row in rows]
    assert max(echo.sizes) == prediction_prompts.ROWS_AT_ONCE and sum(echo.sizes) == 150


def test_conversations_and_questions_are_read_as_in_training(
    call: Call, echo: Echo, run: Path, tmp_path: Path
) -> None:
    (run / SEARCH_FILE).unlink()
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "to be written"},
    ]
    file = write_rows(tmp_path / "a.jsonl", [{"messages": turns}] * 2)
    ended = call("predict", run, file, "--json")
    assert ended.code == 0, ended.err
    first = json.loads(ended.out.splitlines()[0])
    assert first == {"prediction": "olleH|.dnik eB", "generated_tokens": 14, "is_cut": False}
    file = write_rows(
        tmp_path / "b.jsonl", [{"instruction": "Add.", "input": "1 and 2", "n": i} for i in (1, 2)]
    )
    ended = call("predict", run, file, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out.splitlines()[0])["prediction"] == "Add.\n\n1 and 2"[::-1]


def test_a_column_that_is_taken_keeps_its_name(
    call: Call, echo: Echo, run: Path, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "a.jsonl", [{"ask": "hi", "is_cut": "no"}] * 2)
    assert call("predict", run, file, "--out", tmp_path / "b.jsonl").code == 0
    row = json.loads((tmp_path / "b.jsonl").read_text().splitlines()[0])
    assert row["is_cut"] == "no" and row["prediction_2"] == "ih" and row["is_cut_2"] is False


def test_prompts_of_the_command_line_and_lines(
    call: Call, echo: Echo, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = call("predict", run, "--prompt", "abc", "--prompt", "long\nx")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == "cba\t3 tokens\tabc"
    assert "\t6 tokens, cut\tlong" in ended.out.splitlines()[1]
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    ended = call("predict", run, tmp_path / "a.txt", "--json")
    assert [json.loads(line)["prediction"] for line in ended.out.splitlines()] == ["eno", "owt"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"xy\n")))
    assert "yx" in call("predict", run, "-").out


def test_a_named_column_holds_the_prompts(
    call: Call, echo: Echo, run: Path, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "a.csv", [{"other": "abc", "ask": "no"}])
    ended = call("predict", run, file, "--column", "other", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["prediction"] == "cba"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--text", "a"], "the model writes texts after prompts, but --text was given"),
        (["--question", "a", "--context", "b"], "Give --prompt"),
        ([], "give either --prompt or a FILE"),
        (["--prompt", "a", "--probabilities"], "--probabilities is for classes"),
        (["--prompt", "  "], "without a text"),
        (["a.jsonl", "--pair-column", "ask"], "single texts"),
        (["a.jsonl", "--column", "none"], "none"),
        (["b.jsonl"], "no column 'ask' (columns: what). Correct what is wrong, or name"),
        (["c.jsonl"], "row 2"),
    ],
)
def test_what_is_no_prompt_is_refused(
    call: Call, echo: Echo, run: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    write_rows(tmp_path / "a.jsonl", [{"ask": "x"}] * 2)
    write_rows(tmp_path / "b.jsonl", [{"what": "x"}] * 2)
    write_rows(tmp_path / "c.jsonl", [{"ask": "x"}, {"ask": " "}, {"ask": "y"}])
    given = [tmp_path / one if one.endswith(".jsonl") else one for one in arguments]
    ended = call("predict", run, *given)
    assert ended.code == 2 and said in ended.err and not echo.sizes


def test_the_python_interface(echo: Echo, run: Path) -> None:
    model = xautolm.load_model(run)
    assert model.writes_texts and not model.answers_questions
    assert (model.labels, model.has_pairs) == ((), False)
    found = model.generate(["abc", [{"role": "user", "content": "de"}]])
    assert [(one.text, one.tokens) for one in found] == [("cba", 3), ("ed", 2)]
    assert model.predict(["abc"]) == xautolm.predict(run, ["abc"]) == ["cba"]
    with pytest.raises(ConfigError, match="Second texts were given"):
        model.predict(["a"], ["b"])
    for wrong in ([3], [[]], [[{"role": "user"}]], [[{"role": "assistant", "content": "x"}]]):
        with pytest.raises(DataError, match="position 0 is no prompt"):
            model.generate(wrong)
    with pytest.raises(ConfigError, match=r"\[text\]"):
        model.generate("abc")
    with pytest.raises(ConfigError, match="batch_size"):
        model.generate(["abc"], batch_size=0)
