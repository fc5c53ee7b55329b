from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zipfile
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.running import Call
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.cli.prediction_input import RowBatch
from xautolm_core.cli.prediction_input import open_rows
from xautolm_core.cli.prediction_output import AnsweredBatch
from xautolm_core.cli.prediction_output import answer_columns
from xautolm_core.cli.prediction_output import print_answers
from xautolm_core.cli.prediction_output import write_answers
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial


def _read(file: Path | None, *, blank: bool = False, **options: Any) -> RowBatch:
    """Return all rows of what is small enough for one batch."""
    given = {"texts": (), "pairs": (), "run": Path("nowhere"), **options}
    rows = open_rows(file, **given)
    if not rows.file.is_stream:
        rows.check(answer_blank=blank)
    (batch,) = rows.batches(answer_blank=blank)
    return batch


def test_texts_of_the_command_line() -> None:
    assert _read(None, texts=("a", "b")).texts == ["a", "b"]
    batch = _read(None, texts=("a",), pairs=("b",))
    assert (batch.texts, batch.pairs) == (["a"], ["b"])


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
    rows = [{"text": "no", "body": "yes", "other": "and"}] * 2
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for run in (tmp_path, tmp_path / "model"):
        batch = _read(tmp_path / "a.jsonl", run=run)
        assert (batch.texts, batch.pairs) == (["yes"] * 2, ["and"] * 2)


def test_a_first_line_is_a_text_unless_something_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("The lamp was slow\nLovely chair\n")
    assert _read(path).texts == ["The lamp was slow", "Lovely chair"]
    assert "say so with --header" in capsys.readouterr().err
    assert _read(path, header=True).texts == ["Lovely chair"]
    assert _read(path, column="The lamp was slow").texts == ["Lovely chair"]
    assert _read(path, header=False, column="title").columns.keys() == {"title"}
    assert capsys.readouterr().err == ""


def test_what_names_a_first_line_is_the_task_if_it_says_its_columns(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(json.dumps({"task": {"text": "body", "label": "kind"}}))
    path = tmp_path / "a.csv"
    path.write_text("body\nLovely chair\n")
    assert _read(path, run=tmp_path).texts == ["Lovely chair"]
    path.write_text("review\nLovely chair\n")
    with pytest.raises(DataError, match=r"first line \(review\) may be .* the task's are body"):
        _read(path, run=tmp_path)
    path.write_text("what,kind\nLovely chair,x\nSlow lamp,x\n")
    assert _read(path, run=tmp_path).texts == ["Lovely chair", "Slow lamp"]


def test_columns_without_names_go_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("7,The lamp was slow\n9,Lovely chair\n")
    with pytest.raises(DataError, match="may be names of columns or a row"):
        _read(path)
    with pytest.raises(DataError, match="--no-header --column 2"):
        _read(path, header=False)
    batch = _read(path, header=False, column="2")
    assert batch.texts == ["The lamp was slow", "Lovely chair"]
    assert list(batch.columns) == ["1", "2"]


def test_nothing_above_a_first_text_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("#happy day\n#slow lamp\nLovely chair\n")
    assert _read(path, header=False).texts == ["#happy day", "#slow lamp", "Lovely chair"]
    assert _read(path).texts == ["#happy day", "#slow lamp", "Lovely chair"]
    path.write_text("# made by hand\ntext,id\nLovely chair,1\n")
    assert _read(path).texts == ["Lovely chair"]
    path.write_text("\n\nLovely chair\n")
    with pytest.raises(DataError, match=r"2 rows without a text \(rows 1, 2\)"):
        _read(path)
    assert _read(path, header=False, blank=True).texts == ["", "", "Lovely chair"]


def test_quotes_are_what_the_user_says(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"Lovely" chair\n2,"Slow lamp"\n')
    assert _read(path).texts == ['"Lovely" chair', '"Slow lamp"']
    path.write_text('id,text\n1,Lovely chair\n2,"Slow lamp"\n')
    assert _read(path).texts == ["Lovely chair", "Slow lamp"]
    assert _read(path, quoting=Quoting.NONE).texts == ["Lovely chair", '"Slow lamp"']


def test_a_file_is_what_it_begins_with(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a b"], "n": [[1]]}), tmp_path / "a.csv")
    assert _read(tmp_path / "a.csv").texts == ["a b"]
    packed = gzip.compress((tmp_path / "a.csv").read_bytes())
    (tmp_path / "b.parquet").write_bytes(packed)
    assert _read(tmp_path / "b.parquet").texts == ["a b"]
    (tmp_path / "c.txt").write_bytes(gzip.compress(b"a b\n"))
    assert _read(tmp_path / "c.txt").texts == ["a b"]
    with zipfile.ZipFile(tmp_path / "d.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(DataError, match="is an Excel workbook"):
        _read(tmp_path / "d.csv")


def test_texts_may_be_numbers_where_the_column_says_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,when\n12,monday\n13,tuesday\n")
    assert _read(tmp_path / "a.csv").texts == ["12", "13"]


def test_several_columns_without_a_name_have_their_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,,\nfine,a,b\n")
    assert list(_read(tmp_path / "a.csv").columns) == ["text", "column 2", "column 3"]
    (tmp_path / "a.csv").write_text("text,text\na,b\n")
    with pytest.raises(DataError, match="has the column 'text' twice"):
        _read(tmp_path / "a.csv")


def test_the_model_says_whether_pairs_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("premise,hypothesis,text\na b,c d,e f\n")
    assert _read(tmp_path / "a.csv", has_pairs=False).texts == ["e f"]
    (tmp_path / "a.csv").write_text("premise,hypothesis\na b,c d\n")
    assert _read(tmp_path / "a.csv", has_pairs=True).pairs == ["c d"]


@pytest.mark.parametrize(
    ("name", "content", "rows", "words"),
    [
        ("a.txt", "one\n\ntwo\n \n", 4, "2 lines without a text (lines 2, 4)"),
        ("a.txt", "\n", 1, "1 line without a text (line 1)"),
        ("a.txt", "one\n\x85\u2028\n", 2, "1 line without a text (line 2)"),
        ("a.txt", "x" + "\n" * 9, 9, "8 lines without a text (the first: 2, 3, 4, 5, 6)"),
        ("a.csv", "id,text\n1,a\n2,\n\n3,nan\n", 3, "2 rows without a text (rows 2, 3)"),
        ("a.csv", "text\na\n\nb\n", 3, "1 row without a text (row 2)"),
        ("a.jsonl", '{"text": "a"}\n\n{"id": 2}\n', 2, "1 row without a text (row 2)"),
    ],
)
def test_a_row_without_a_text_is_named_or_answered(
    tmp_path: Path, name: str, content: str, rows: int, words: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(words)):
        _read(path)
    assert len(_read(path, blank=True).texts) == rows


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ok\ncaf\xe9\n")
    (tmp_path / "wide.txt").write_bytes("text".encode("utf-16"))
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.csv").write_text("\n\n")
    (tmp_path / "names.csv").write_text("text,n\n")
    (tmp_path / "ragged.csv").write_text('text,n\n"a\nb",1\n\nc\n')
    (tmp_path / "open.csv").write_text('text,n\na,1\n"b\nc,3\n')
    (tmp_path / "two.csv").write_text("title,body\na b c,d e f\ng h i,j k l\n")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"some text\n" * 99)[:-9])
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n["b"]\n')
    (tmp_path / "b.jsonl").write_text('{"text": "a"}\n{"text": 1}\n')
    repeated = '{"text": "a"}\n{"text": "b", "text": "c"}\n'
    (tmp_path / "c.jsonl").write_text(repeated)
    (tmp_path / "c.json").write_text("\n".join(reversed(repeated.splitlines())))
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": [b"\xff"]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("no such thing")
    for file, words in (
        ("a.txt", "line 2 is not UTF-8: its byte 4 is 0xe9.* -f WINDOWS-1252"),
        ("wide.txt", "line 1 is not UTF-8: its byte 1 is 0xff.* -f UTF-16"),
        ("empty.txt", "is empty"),
        ("missing.txt", "does not exist"),
        ("blank.csv", "nothing but blank lines"),
        ("names.csv", "columns but no rows"),
        ("ragged.csv", r"row 2 \(line 5\) has 1 field"),
        ("open.csv", "line 3: the quote that opens a cell is never closed"),
        ("two.csv", r"any of title, body \(columns: title, body\).* --column COL"),
        ("cut.txt.gz", "cannot be read"),
        ("a.jsonl", "line 2 is not a JSON object"),
        ("b.jsonl", "int in row 2"),
        ("c.jsonl", "line 2 is not valid JSON .an object has the name 'text' twice"),
        ("c.json", "line 1 is not valid JSON .an object has the name 'text' twice"),
        ("a.parquet", "'text' holds other values than texts .int64"),
        ("b.parquet", "bytes that are not UTF-8"),
        ("c.parquet", "not a valid Parquet file"),
    ):
        with pytest.raises(DataError, match=words) as raised:
            _read(tmp_path / file)
        assert "\0" not in str(raised.value)
    with pytest.raises(DataError, match="no column 'x'"):
        _read(tmp_path / "two.csv", column="x")
    with pytest.raises(DataError, match="--text is not UTF-8"):
        _read(None, texts=("caf\udce9",))


def test_options_that_belong_to_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    with pytest.raises(ConfigError, match="no columns"):
        _read(tmp_path / "a.txt", column="text")
    with pytest.raises(ConfigError, match="--no-header is for files"):
        _read(tmp_path / "a.txt", header=False)
    with pytest.raises(ConfigError, match="--quoting is for files"):
        _read(tmp_path / "a.txt", quoting=Quoting.NONE)


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
        (tmp_path / "missing", "is not a folder"),
        (tmp_path, "neither a run nor a model"),
    ):
        ended = call("predict", folder, "--text", "x")
        assert ended.code == 2
        assert words in ended.err
        assert ended.err.count("\n") == 1
    (tmp_path / "search.json").write_text("{}")
    assert "has no model yet" in call("predict", tmp_path, "--text", "x").err


def _answered(texts: list[str], columns: dict[str, Any]) -> AnsweredBatch:
    rows = RowBatch(1, texts, None, columns)
    return AnsweredBatch(rows, ("neg", "pos"), np.array([[0.75, 0.25], [0.5, 0.5]]))


def test_predictions_are_lines_of_class_probability_and_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = [_answered(["a\nb " * 40, "\x00sh\u2028ort\x1b"], {})]
    print_answers(answers, as_json=False, with_classes=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("neg\t0.7500\ta b a b")
    assert first.endswith("…")
    assert second == r"neg	0.5000	\x00sh ort\x1b"
    print_answers(answers, as_json=False, with_classes=True)
    second = capsys.readouterr().out.splitlines()[1]
    assert second == r"neg	0.5000	neg=0.5000	pos=0.5000	\x00sh ort\x1b"
    print_answers(answers, as_json=True, with_classes=False)
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0]) == {"label": "neg", "probabilities": {"neg": 0.75, "pos": 0.25}}


def test_values_without_a_plain_form_are_written_as_json(tmp_path: Path) -> None:
    instant = datetime(2026, 3, 1, tzinfo=UTC)
    values = pa.table(
        {
            "text": ["a", "b"],
            "tags": [["x", "y"], None],
            "score": [math.nan, 0.5],
            "when": [instant, None],
            "raw": [b"\xff", b"c"],
            "span": pa.array([1, 2], pa.duration("s")),
        }
    )
    types = dict(zip(values.schema.names, values.schema.types, strict=True))
    answers = [_answered(["a", "b"], dict(zip(values.schema.names, values.columns, strict=True)))]
    names = answer_columns(types, ("neg", "pos"), with_classes=False)
    write_answers(answers, tmp_path / "out.csv", types, names)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == '"text","tags","score","when","raw","span","prediction","probability"'
    assert lines[1].startswith('"a","[""x"", ""y""]",nan,2026-03-01 00:00:00')
    assert lines[1].endswith(r'"\xff","0:00:01","neg",0.75')
    write_answers(answers, tmp_path / "out.jsonl", types, names)
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (first["tags"], first["score"], first["raw"]) == (["x", "y"], None, r"\xff")
    assert (second["tags"], second["score"], second["when"]) == (None, 0.5, None)
    write_answers(answers, tmp_path / "out.parquet", types, names)
    written = pq.read_table(tmp_path / "out.parquet")
    for name in set(values.schema.names) - {"score"}:
        assert written.column(name).equals(values.column(name)), name


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


def _train(folder: Path, method: str, architecture: str = "bert") -> Path:
    model = None if method == "tfidf" else tiny_model(architecture)
    parameters: dict[str, Any] = {} if model is None else {"max_length": 32}
    if method == "full":
        parameters |= {"batch_size": 16, "epochs": 1, "learning_rate": 1e-3}
    spec = TrialSpec(
        search_id="s",
        trial_number=0,
        task_folder=write_prepared(make_task(), folder),
        out_folder=folder / "run",
        cache_folder=folder / "cache",
        configuration=Configuration(
            branch=method, model=model and model.id, method=method, parameters=parameters
        ),
        model=model,
        seed=1,
    )
    assert run_trial(spec).outcome is Outcome.OK
    return folder / "run"


def _out(call: Call, run: Path, *arguments: str | Path) -> list[dict[str, str]]:
    ended = call("predict", run, *arguments, "--out", run / "out.csv", "--probabilities")
    assert ended.code == 0, ended.err
    with (run / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", ["tfidf", "linear_probe", "full"])
def test_every_row_has_an_answer_of_every_kind_of_model(
    call: Call, tmp_path: Path, method: str
) -> None:
    run = _train(tmp_path, method)
    texts = [
        "the goal of the team",
        "",
        "bank profit",
        "\u200b",
        "\x00",
        "goal\u2028goal",
        "a" * 999,
    ]
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *enumerate(texts)])
    found = _out(call, run, tmp_path / "in.csv", "--blank", "answer")
    assert [(int(row["id"]), row["text"]) for row in found] == list(enumerate(texts))
    classifier = load_classifier(run / "model")
    assert list(found[0])[2:4] == ["prediction", "probability"]
    for text, row in zip(texts, found, strict=True):
        (alone,) = classifier.predict([text])
        assert row["prediction"] == alone.label
        for label, probability in alone.probabilities.items():
            assert float(row[f"probability.{label}"]) == pytest.approx(probability, abs=1e-4)
    ended = call("predict", run, tmp_path / "in.csv")
    assert ended.code == 2
    assert "1 row without a text (row 2)" in ended.err
    assert ended.out == ""
    ended = call("predict", run, "--text", "the goal of the team", "--json")
    assert json.loads(ended.out)["label"] in ("sport", "money", "space")


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "t5"])
def test_models_without_special_tokens_answer_texts_without_tokens(
    call: Call, tmp_path: Path, architecture: str
) -> None:
    run = _train(tmp_path, "full", architecture)
    found = _out(call, run, "--text", "", "--text", "goal", "--text", "\x00", "--blank", "answer")
    assert len(found) == 3


def test_the_name_of_a_file_is_shown_as_its_bytes(call: Call, tmp_path: Path) -> None:
    (tmp_path / "xautolm.json").write_text("{}")
    for name in ("caf\udce9.txt", "caf\udce9.parquet", "a\x1bb.csv"):
        ended = call("predict", tmp_path, tmp_path / name)
        assert ended.code == 2
        assert name.replace("\udce9", r"\xe9").replace("\x1b", r"\x1b") in ended.err
        assert ended.err[:-1].isprintable()
