"""Delimited files as people have them: what is read, what is refused, and what is said of it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from xautolm_core.errors import DataError
from xautolm_core.tasks import text_files
from xautolm_core.tasks.csv_table import open_delimited
from xautolm_core.tasks.csv_table import read_csv
from xautolm_core.tasks.data_files import read_table
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.source import read_task_spec

ROWS = [(f"text number {n}", "neg" if n % 2 else "pos") for n in range(40)]


def file_of(folder: Path, lines: list[str], name: str = "a.csv", end: str = "\n") -> Path:
    path = folder / name
    path.write_text("".join(line + end for line in lines), encoding="utf-8", newline="")
    return path


def rows_of(table):
    names = [name for name in table.columns if name in ("text", "label")]
    return list(zip(*(table.columns[name].to_pylist() for name in names), strict=True))


def refusal(path: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_csv(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tsv(rows) -> list[str]:
    return ["text\tlabel", *("\t".join(row) for row in rows)]


class TestQuotes:
    @pytest.mark.parametrize("line", [0, 17, 39])
    def test_a_stray_quote_loses_no_row(self, tmp_path, line):
        rows = [(('"' if n == line else "") + t, c) for n, (t, c) in enumerate(ROWS)]
        table = read_csv(file_of(tmp_path, tsv(rows), "a.tsv"), tabs=True)
        assert rows_of(table) == rows
        assert len(table.warnings) == 1
        assert f"line {line + 2}: the quote that opens a cell is never closed" in table.warnings[0]
        assert "--quoting none" in table.warnings[0]

    def test_stray_quotes_in_every_third_text_lose_no_row(self, tmp_path):
        rows = [((t if n % 3 else f'"{t}'), c) for n, (t, c) in enumerate(ROWS)]
        path = file_of(tmp_path, tsv(rows), "a.tsv")
        table = read_csv(path, tabs=True)
        assert rows_of(table) == rows
        assert table.warnings
        confirmed = read_csv(path, tabs=True, quoting=Quoting.NONE)
        assert (rows_of(confirmed), confirmed.warnings) == (rows, ())
        message = refusal(path, tabs=True, quoting=Quoting.QUOTED)
        assert "line 2: a quote opens a cell" in message
        assert "--quoting none" in message

    def test_a_quoted_word_at_the_beginning_keeps_its_quotes(self, tmp_path):
        rows = [('"Well" said: fine', "pos"), *ROWS]
        table = read_csv(file_of(tmp_path, [f"{c},{t}" for t, c in [("text", "label"), *rows]]))
        assert rows_of(table) == [(c, t) for t, c in rows]
        assert "line 2: a quote opens a cell, but after" in table.warnings[0]

    def test_a_stray_quote_in_a_quoted_file_is_refused_with_its_line(self, tmp_path):
        lines = ["text,label", *(f'"{t}, and more",{c}' for t, c in ROWS)]
        lines[7] = '"an open one,pos'
        message = refusal(file_of(tmp_path, lines))
        assert "line 8" in message
        assert "without quoting, row 1 (line 2) has 3 fields, the header has 2" in message

    def test_texts_that_span_rows_of_the_file_are_refused(self, tmp_path):
        lines = ["text,label", *(f"{t},{c}" for t, c in ROWS)]
        lines[5] = '"an open one,pos'
        lines[9] = 'closed here",neg'
        path = file_of(tmp_path, lines)
        message = refusal(path)
        assert "line 6: a quote opens a text that ends in line 10" in message
        assert "as quoted the file has 36 rows, as unquoted 40" in message
        assert read_csv(path, quoting=Quoting.NONE).rows == 40
        table = read_csv(path, quoting=Quoting.QUOTED)
        assert table.rows == 36
        assert "line 6" in table.warnings[0]

    def test_rows_hidden_in_a_quoted_file_are_refused(self, tmp_path):
        lines = ["text,label", *(f"{t},{c}" for t, c in ROWS)]
        lines[3] = '"quoted, with a comma",pos'
        lines[5] = '"an open one,pos'
        lines[9] = 'closed here",neg'
        path = file_of(tmp_path, lines)
        message = refusal(path)
        assert "line 6: a quote opens a text that ends in line 10" in message
        assert "looks like 5 rows" in message
        assert "--quoting quoted" in message
        assert read_csv(path, quoting=Quoting.QUOTED).rows == 36

    def test_texts_of_several_lines_are_read_in_silence(self, tmp_path):
        texts = [f"Dear {t},\nhello and\r\nso on" for t, _ in ROWS]
        texts[0] = "Dear all, so it is:\nthat, and no more\nin three lines"
        lines = ["text,label", *(f'"{t}",{c}' for t, (_, c) in zip(texts, ROWS, strict=True))]
        table = read_csv(file_of(tmp_path, lines))
        assert [text for text, _ in rows_of(table)] == texts
        assert table.warnings == ()

    def test_quotes_that_may_be_text_are_warned_of(self, tmp_path):
        rows = [('"all of it"', "pos"), *ROWS]
        path = file_of(tmp_path, tsv(rows), "a.tsv")
        table = read_csv(path, tabs=True)
        assert rows_of(table)[0] == ("all of it", "pos")
        assert "1 row would be different (the first in line 2)" in table.warnings[0]
        assert rows_of(read_csv(path, tabs=True, quoting=Quoting.NONE)) == rows

    @pytest.mark.parametrize("header", ["text,label", '"text","label"'])
    def test_a_file_all_in_quotes_is_read_in_silence(self, tmp_path, header):
        table = read_csv(file_of(tmp_path, [header, *(f'"{t}","{c}"' for t, c in ROWS)]))
        assert (rows_of(table), table.warnings) == (ROWS, ())

    def test_a_text_of_two_lines_in_such_a_file_is_one(self, tmp_path):
        rows = [('Dear all, so it is:\nthat "is" it', "pos"), *ROWS]
        lines = [",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in row) for row in rows]
        table = read_csv(file_of(tmp_path, ["text,label", *lines]))
        assert (rows_of(table), table.warnings) == (rows, ())

    def test_quotes_within_cells_are_text(self, tmp_path):
        rows = [('a 5" nail', "pos"), *ROWS]
        table = read_csv(file_of(tmp_path, ["text,label", *(f"{t},{c}" for t, c in rows)]))
        assert (rows_of(table), table.warnings) == (rows, ())

    def test_backslashes_escape_quotes(self, tmp_path):
        lines = ["text,label", '"he said \\"hi\\", and \\\\ left",pos', '"b, c",neg']
        table = read_csv(file_of(tmp_path, lines))
        assert rows_of(table)[0] == ('he said "hi", and \\ left', "pos")
        assert table.warnings == ()

    def test_backslashes_before_letters_are_text(self, tmp_path):
        lines = ["text,label", '"he said \\"hi\\" in C:\\new, twice",pos', '"b, c",neg']
        table = read_csv(file_of(tmp_path, lines))
        assert rows_of(table)[0] == ('he said "hi" in C:\\new, twice', "pos")


class TestLines:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_every_line_end_and_a_byte_order_mark(self, tmp_path, end, mark):
        lines = ["text;label", *(f"{t};{c}" for t, c in ROWS)]
        lines[0] = mark + lines[0]
        table = read_csv(file_of(tmp_path, lines, end=end))
        assert (rows_of(table), table.warnings) == (ROWS, ())

    def test_a_lone_carriage_return_is_text(self, tmp_path):
        rows = [("one\rtwo", "pos"), *ROWS]
        table = read_csv(file_of(tmp_path, ["text,label", *(f"{t},{c}" for t, c in rows)]))
        assert rows_of(table) == rows

    def test_mixed_line_ends_are_read_with_a_warning(self, tmp_path):
        path = file_of(tmp_path, ["text,label", *(f"{t},{c}" for t, c in ROWS)])
        path.write_bytes(path.read_bytes() + b"one more,pos\r\n")
        table = read_csv(path)
        assert rows_of(table) == [*ROWS, ("one more", "pos")]
        assert "LF alone" in table.warnings[0]

    @pytest.mark.parametrize(
        "above", [["sep=;"], ["", " "], ["# export of March"], ["# a", "", "# b; c; d"], [";"]]
    )
    def test_what_stands_above_the_names_is_left_out(self, tmp_path, above):
        lines = [*above, "text;label", *(f"{t};{c}" for t, c in ROWS)]
        table = read_csv(file_of(tmp_path, lines))
        assert rows_of(table) == ROWS
        assert bool(table.warnings) == any("#" in line for line in above)

    def test_names_that_begin_with_a_hash_are_names(self, tmp_path):
        lines = ["#text,label", *(f"{t},{c}" for t, c in ROWS)]
        assert list(read_csv(file_of(tmp_path, lines)).columns) == ["#text", "label"]
        commented = ["# by us, March", "text,label", *lines[1:]]
        assert rows_of(read_csv(file_of(tmp_path, commented))) == ROWS

    def test_a_title_is_refused_as_such(self, tmp_path):
        message = refusal(file_of(tmp_path, ["Export of March", "text,label", "a,b"]))
        assert "line 1 has 1 field and was taken for the column names" in message
        assert "begin it with #" in message

    def test_blank_lines_are_left_out(self, tmp_path):
        lines = ["text,label", "a,b", "", "  ", "c,d", ""]
        assert rows_of(read_csv(file_of(tmp_path, lines))) == [("a", "b"), ("c", "d")]

    def test_a_blank_line_of_one_column_is_a_row(self, tmp_path):
        table = read_csv(file_of(tmp_path, ["text", "a", "", "b"]))
        assert table.columns["text"].to_pylist() == ["a", "", "b"]

    def test_a_wrong_number_of_cells_is_named_by_row_and_line(self, tmp_path):
        lines = ["text,label", '"one\ntwo",pos', "", "fine,neg", "not, fine,neg"]
        assert "row 3 (line 6) has 3 fields, the header has 2" in refusal(file_of(tmp_path, lines))

    def test_a_quote_after_a_space_is_told_as_the_reason(self, tmp_path):
        message = refusal(file_of(tmp_path, ["label,text", 'pos, "good, fine"', "neg,bad"]))
        assert "row 1 (line 2) has 3 fields, the header has 2" in message
        assert "In line 2 a quote follows a space and opens no text: remove the space" in message
        assert "into double quotes" not in message

    def test_a_comment_between_rows_is_told_as_the_reason(self, tmp_path):
        message = refusal(file_of(tmp_path, ["text,label", "good,pos", "# from here by hand"]))
        assert "row 2 (line 3) has 1 field" in message
        assert "Remove line 3 if it is a comment" in message

    def test_nothing_but_blank_lines(self, tmp_path):
        assert "nothing but blank lines" in refusal(file_of(tmp_path, ["", " "]))


class TestColumns:
    def test_a_line_break_in_a_name(self, tmp_path):
        lines = ['text,label,"note\n(free)"', *(f'"{t}, too",{c},x' for t, c in ROWS)]
        path = file_of(tmp_path, lines)
        assert list(read_csv(path).columns) == ["text", "label", "note\n(free)"]
        assert sum(len(part) for part in load(path).splits.values()) == 40

    def test_empty_columns_without_a_name_are_left_out(self, tmp_path):
        path = file_of(tmp_path, ["v1,v2,,,", *(f"{c},{t},,," for t, c in ROWS)])
        table = read_csv(path)
        assert (list(table.columns), table.warnings) == (["v1", "v2"], ())
        assert load(path).labels == ("neg", "pos")

    def test_values_without_a_name_are_warned_of(self, tmp_path):
        lines = ["v1,v2,,", *(f"{c},{t},," for t, c in ROWS)]
        lines[4] = "pos,a text, that goes on,"
        path = file_of(tmp_path, lines)
        table = read_csv(path)
        assert list(table.columns) == ["v1", "v2", "column 3"]
        assert "'column 3' has no name, but a value in 1 row" in table.warnings[0]
        assert load(path).labels == ("neg", "pos")

    def test_the_index_of_a_data_frame_is_no_matter(self, tmp_path):
        path = file_of(
            tmp_path, [",text,label", *(f"{n},{t},{c}" for n, (t, c) in enumerate(ROWS))]
        )
        table = read_csv(path)
        assert (rows_of(table), table.warnings) == (ROWS, ())
        assert load(path).labels == ("neg", "pos")

    def test_one_name_twice(self, tmp_path):
        assert "column 'text' twice" in refusal(file_of(tmp_path, ["text,text", "a,b"]))

    def test_commas_in_a_tsv_file(self, tmp_path):
        path = file_of(tmp_path, ["text,label", *(f"{t},{c}" for t, c in ROWS)], "a.tsv")
        assert rows_of(read_table(path)) == ROWS

    def test_delimiters_in_quoted_names_do_not_count(self, tmp_path):
        path = file_of(tmp_path, ['"text, in full";label;"a, b, c"', "a;b;c"])
        assert list(read_csv(path).columns) == ["text, in full", "label", "a, b, c"]


def load(path: Path, **options):
    return load_task(read_task_spec(str(path), **options))


def test_a_task_file_and_an_option_say_the_quoting(tmp_path):
    rows = [(f'"{t}"', c) for t, c in ROWS]
    file_of(tmp_path, tsv(rows), "a.tsv")
    (tmp_path / "t.yaml").write_text("data: a.tsv\nquoting: none\n")
    for task in (load(tmp_path / "t.yaml"), load(tmp_path / "a.tsv", quoting=Quoting.NONE)):
        assert task.train.texts[0].as_py().startswith('"')
        assert not any("quot" in warning for warning in task.warnings)
    loose = load(tmp_path / "t.yaml", quoting=Quoting.AUTO)
    assert loose.train.texts[0].as_py().startswith("text")
    assert any("--quoting none" in warning for warning in loose.warnings)


def test_rows_come_in_batches_with_or_without_names(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("".join(f"{t},{c}\n" for t, c in ROWS).encode()))
    file = open_delimited(path)
    assert file.first == ROWS[0]
    batches = list(file.batches(header=False, batch_rows=16))
    assert [len(batch) for batch in batches] == [16, 16, 8]
    assert [tuple(row) for batch in batches for row in batch] == ROWS
    assert sum(map(len, file.batches())) == 39


def test_line_ends_are_counted_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 2)
    path = tmp_path / "a.csv"
    path.write_bytes(b'a\r\nb\\"\rc\nd\r\n')
    counts = text_files.check_utf8(path)
    assert counts == text_files.ByteCounts(quotes=1, backslashes=1, lf=3, cr=3, crlf=2)


def test_cells_are_as_long_as_they_are(tmp_path):
    long = "word " * 100_000
    table = read_csv(file_of(tmp_path, ["text,label", f'"{long}, end",a', "b,c"]))
    assert table.columns["text"][0].as_py() == f"{long}, end"
