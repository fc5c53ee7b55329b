from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.cli.running import Call
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.cli.prediction_input import TextRows
from xautolm_core.cli.prediction_input import read_texts
from xautolm_core.cli.prediction_output import print_predictions
from xautolm_core.cli.prediction_output import write_predictions
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.outcomes import Outcome
from xautolm_core.space.configuration import Configuration
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.run import run_trial


@dataclass(frozen=True)
class _Prediction:
    label: str
    probabilities: dict[str, float]


ANSWERS = [
    _Prediction("neg", {"neg": 0.75, "pos": 0.25}),
    _Prediction("pos", {"neg": 0.5, "pos": 0.5}),
]


def _read(
    file: Path | None,
    *,
    texts: tuple[str, ...] = (),
    pairs: tuple[str, ...] = (),
    column: str | None = None,
    pair_column: str | None = None,
    run: Path = Path("nowhere"),
) -> TextRows:
    return read_texts(file, texts, pairs, column=column, pair_column=pair_column, run=run)


def test_texts_of_the_command_line() -> None:
    assert _read(None, texts=("a", "b")) == TextRows(["a", "b"], None)
    assert _read(None, texts=("a",), pairs=("b",)) == TextRows(["a"], ["b"])


def test_a_file_with_the_label_still_in_it_or_without(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,review,label\n1,fine thing,x\n2,bad thing,y\n")
    (tmp_path / "b.csv").write_text("review\nfine thing\nbad thing\n")
    for name in ("a.csv", "b.csv"):
        assert _read(tmp_path / name).texts == ["fine thing", "bad thing"]


def test_a_named_column_wins(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["no"], "body": ["yes"]}), tmp_path / "a.parquet")
    assert _read(tmp_path / "a.parquet", column="body").texts == ["yes"]


def test_the_columns_of_the_task_are_remembered(tmp_path: Path) -> None:
    task = {"task": {"text": "body", "text_pair": "other"}}
    (tmp_path / "search.json").write_text(json.dumps(task))
    rows = [{"text": "no", "body": "yes", "other": "and"}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert _read(tmp_path / "a.jsonl", run=tmp_path) == TextRows(["yes"], ["and"])
    assert _read(tmp_path / "a.jsonl", run=tmp_path / "model") == TextRows(["yes"], ["and"])


def test_lines_of_a_text_file_and_of_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("one\n\n two\n", encoding="utf-8")
    assert _read(tmp_path / "a.txt").texts == ["one", " two"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("é\n".encode())))
    assert _read(Path("-")).texts == ["é"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "gap.csv").write_text("text,n\nx y z,1\n,2\n")
    (tmp_path / "two.csv").write_text("first,second\nsome words,other words\n")
    for file, words in (
        ("a.txt", "not UTF-8"),
        ("empty.txt", "has no text"),
        ("missing.txt", "does not exist"),
        ("gap.csv", "1 of 2 rows have no text"),
        ("two.csv", "--column COL"),
    ):
        with pytest.raises(DataError, match=words):
            _read(tmp_path / file)
    with pytest.raises(DataError, match="no column 'x'"):
        _read(tmp_path / "gap.csv", column="x")


def test_either_texts_or_a_file() -> None:
    with pytest.raises(ConfigError, match="either --text or a FILE"):
        _read(None)
    with pytest.raises(ConfigError, match="not both"):
        _read(Path("a.csv"), texts=("a",))
    with pytest.raises(ConfigError, match="2 times --text but 1 times"):
        _read(None, texts=("a", "b"), pairs=("c",))
    with pytest.raises(ConfigError, match="--pair-column"):
        _read(Path("a.csv"), pairs=("c",))


def test_a_folder_without_a_model_is_one_line(call: Call, tmp_path: Path) -> None:
    for folder, words in (
        (tmp_path / "missing", "is no folder"),
        (tmp_path, "neither a run nor a model"),
    ):
        ended = call("predict", folder, "--text", "x")
        assert ended.code == 2
        assert words in ended.err
        assert ended.err.count("\n") == 1
    (tmp_path / "search.json").write_text("{}")
    assert "has no model yet" in call("predict", tmp_path, "--text", "x").err


def test_predictions_are_lines_of_class_probability_and_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = TextRows(["a\nb " * 40, "short"])
    print_predictions(rows, ANSWERS, as_json=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("neg\t0.7500\ta b a b")
    assert first.endswith("…")
    assert second == "pos\t0.5000\tshort"
    print_predictions(rows, ANSWERS, as_json=True)
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0]) == {"label": "neg", "probabilities": {"neg": 0.75, "pos": 0.25}}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predictions_are_written_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    rows = TextRows(['a, "b"', "c"], ["p", "q"])
    write_predictions(rows, ANSWERS, path)
    if suffix == ".csv":
        read = pyarrow.csv.read_csv(path).to_pylist()
    elif suffix == ".parquet":
        read = pq.read_table(path).to_pylist()
    else:
        read = [json.loads(line) for line in path.read_text().splitlines()]
    assert read[0] == {
        "text": 'a, "b"',
        "text_pair": "p",
        "label": "neg",
        "probability": 0.75,
        "probability.neg": 0.75,
        "probability.pos": 0.25,
    }
    assert [row["label"] for row in read] == ["neg", "pos"]


@pytest.mark.parametrize("out", ["x.pdf", "nowhere/x.csv"])
def test_an_impossible_output_is_refused_before_the_model_is_loaded(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "xautolm.json").write_text("{}")
    ended = call("predict", tmp_path, "--text", "x", "--out", out)
    assert ended.code == 2
    assert "--out" in ended.err


@pytest.mark.parametrize("method", ["tfidf", "linear_probe"])
def test_models_of_cheap_methods_answer(call: Call, tmp_path: Path, method: str) -> None:
    model = None if method == "tfidf" else tiny_model()
    parameters: dict[str, int] = {} if model is None else {"max_length": 32}
    spec = TrialSpec(
        search_id="s",
        trial_number=0,
        task_folder=write_prepared(make_task(), tmp_path),
        out_folder=tmp_path / "run",
        cache_folder=tmp_path / "cache",
        configuration=Configuration(
            branch=method, model=model and model.id, method=method, parameters=parameters
        ),
        model=model,
        seed=1,
    )
    assert run_trial(spec).outcome is Outcome.OK
    ended = call("predict", tmp_path / "run", "--text", "the goal of the team", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["label"] in ("sport", "money", "space")
