"""Tables with a column map."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.experience.importers.column_map import REQUIRED
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.table import MAX_LINE_BYTES
from xautolm_core.experience.importers.table import import_table
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.outcomes import Outcome

MAP = """\
task_name: data
task_type: {constant: text-classification}
model: model
method: {constant: full}
outcome: {column: state, values: {done: ok, memory: oom_gpu}}
ended_at: when
failure_message: error
parameters:
  learning_rate: lr
  epochs: epochs
  shuffle: shuffle
scores:
  macro_f1: {column: f1, low: 0, high: 100}
seconds:
  train: seconds
task_features:
  n_instances: rows
task_extractor: {constant: text-classification}
task_extractor_version: {constant: "1.0"}
"""
HEADER = "data,model,state,when,error,lr,epochs,shuffle,f1,seconds,rows,remark\n"
GOOD = "news,org/a,done,2026-01-02T03:04:05,,2e-5,3,true,81.5,12.5,500,fine\n"
FAILED = "news,org/b,memory,2026-01-02T04:00:00+01:00,CUDA out of memory,2e-5,3,false,,,500,\n"


@pytest.fixture
def column_map(tmp_path: Path) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(MAP, encoding="utf-8")
    return path


def _table(tmp_path: Path, *rows: str, name: str = "trials.csv") -> Path:
    path = tmp_path / name
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def _import(table: Path, column_map: Path, **options: object) -> Imported:
    imported = import_table(table, column_map, **options)  # type: ignore[arg-type]
    assert imported.account.is_balanced
    return imported


def test_rows_become_experiences(tmp_path: Path, column_map: Path) -> None:
    imported = _import(_table(tmp_path, GOOD, FAILED), column_map)
    good, failed = imported.experiences
    assert good.scores["macro_f1"].value == pytest.approx(0.815)
    assert good.configuration.parameters == {"learning_rate": 2e-5, "epochs": 3, "shuffle": True}
    assert good.configuration.branch == "full"
    assert good.time_seconds == 12.5
    assert good.task_features.values == {"n_instances": 500.0}
    assert good.ended_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert failed.outcome is Outcome.OOM_GPU
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.message) == (
        "OutOfMemoryError",
        "CUDA out of memory",
    )
    assert failed.ended_at.isoformat() == "2026-01-02T03:00:00+00:00"
    assert imported.account.fields["remark", "column not in the map"] == 2
    assert imported.account.changes["macro_f1 of 0..100 brought to 0..1"] == 1


def test_parquet_is_the_same(tmp_path: Path, column_map: Path) -> None:
    table = _table(tmp_path, GOOD, FAILED)
    cells = [line.split(",") for line in (GOOD + FAILED).splitlines()]
    columns = dict(zip(HEADER.strip().split(","), map(list, zip(*cells, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "trials.parquet")
    found = _import(tmp_path / "trials.parquet", column_map).experiences
    expected = _import(table, column_map).experiences
    assert [e.configuration for e in found] == [e.configuration for e in expected]
    assert [e.scores for e in found] == [e.scores for e in expected]


def test_a_table_that_grew_has_the_same_ids_and_another_one_has_others(
    tmp_path: Path, column_map: Path
) -> None:
    (one,) = _import(_table(tmp_path, GOOD), column_map).experiences
    grown = _import(_table(tmp_path, FAILED, GOOD, GOOD), column_map).experiences
    assert grown[1].id == one.id
    assert len({e.id for e in grown}) == 3
    (other,) = _import(_table(tmp_path, GOOD.replace("81.5", "82")), column_map).experiences
    assert other.id != one.id


def test_without_a_map_the_fields_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        import_table(_table(tmp_path, GOOD), None)
    for name in (*REQUIRED, "parameters", "scores", "--map", "remark"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: model\n", "", "No column or constant is given for model"),
        ("model: model\n", "model: modell\n", "has no column 'modell'.*columns are: data"),
        ("model: model\n", "modle: model\n", r"map.yaml:3: .*no field.*Did you mean 'model'"),
        ("lr\n", "{column: lr, factor: 2}\n", r"map.yaml:9: .*neither a column nor a constant"),
        ("lr\n", "{column: lr, constant: 2}\n", "either a column or a constant"),
        ("low: 0", "low: 100", "low is not below high"),
        ("high: 100", "high: much", "no number"),
        ("  epochs: epochs", "  'a b': epochs", "no usable name"),
        (MAP, "- a\n", "this is no column map"),
        (MAP, "model: [\n", "map.yaml"),
    ],
)
def test_a_wrong_map_is_one_error(
    tmp_path: Path, column_map: Path, old: str, new: str, message: str
) -> None:
    assert old in MAP
    column_map.write_text(MAP.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        import_table(_table(tmp_path, GOOD), column_map)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("81.5", "101", "score macro_f1 is not within 0..100"),
        ("81.5", "good", "macro_f1: no number"),
        ("done", "odd", "outcome: 'odd' is none of ok"),
        ("done", "", "outcome: empty"),
        ("org/a", "", "model: empty"),
        ("2026-01-02T03:04:05", "noon", "ended_at: no date and time"),
        ("12.5", "-1", "a time is negative"),
        ("2e-5", "inf", "learning_rate: not finite"),
        ("2e-5", "x" * 201, "learning_rate: too long a text"),
        (",fine", "", "11 cells instead of 12"),
        (",fine", ",fine,more", "13 cells instead of 12"),
    ],
)
def test_a_wrong_row_among_good_ones(
    tmp_path: Path, column_map: Path, old: str, new: str, reason: str
) -> None:
    assert old in GOOD
    imported = _import(_table(tmp_path, GOOD.replace(old, new, 1), GOOD, FAILED), column_map)
    assert len(imported.experiences) == 2
    (found,) = imported.account.records
    assert found.startswith(reason)
    assert imported.account.places[found] == ["trials.csv:2"]


@pytest.mark.parametrize(
    "tail",
    [b"\xff\xff\n", b'"open', b"x" * (MAX_LINE_BYTES + 2), b'a"b"c,"d"e\n'],
)
def test_a_broken_rest_is_told_and_what_came_before_is_kept(
    tmp_path: Path, column_map: Path, tail: bytes
) -> None:
    table = _table(tmp_path, GOOD)
    table.write_bytes(table.read_bytes() + tail)
    imported = _import(table, column_map)
    assert len(imported.experiences) == 1
    assert imported.account.records.total() == 1


def test_scores_of_failures_are_no_scores(tmp_path: Path, column_map: Path) -> None:
    row = FAILED.replace("false,,", "false,50,")
    imported = _import(_table(tmp_path, row), column_map)
    assert imported.experiences[0].scores == {}
    assert imported.account.fields["scores: macro_f1", "of a trial that ended oom_gpu"] == 1


def test_files_that_are_no_tables(tmp_path: Path, column_map: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "bad.csv").write_bytes(b"\xff\n")
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n", encoding="utf-8")
    for name in ("x.parquet", "bad.csv", "twice.csv", "absent.csv"):
        with pytest.raises(ConfigError):
            import_table(tmp_path / name, column_map)


def test_only_the_tasks_that_are_asked_for(tmp_path: Path, column_map: Path) -> None:
    table = _table(tmp_path, GOOD, GOOD.replace("news", "mail", 1))
    imported = _import(table, column_map, tasks=["mail"])
    assert [e.task_name for e in imported.experiences] == ["mail"]


def test_a_tenant_of_its_own(tmp_path: Path, column_map: Path) -> None:
    (found,) = _import(_table(tmp_path, GOOD), column_map, tenant="team-b").experiences
    assert found.tenant == "team-b"
    assert found.search_id == "csv+team-b+trials.csv"


def test_what_comes_in_is_what_the_store_would_write(tmp_path: Path, column_map: Path) -> None:
    experiences = _import(_table(tmp_path, GOOD, FAILED), column_map).experiences
    assert [scrub_experience(e) for e in experiences] == list(experiences)
