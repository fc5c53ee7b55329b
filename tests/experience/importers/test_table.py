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
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.records.outcome import Outcome

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
    assert len({e.id for e in grown}) == len(grown) == 2
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
        ("  epochs: epochs", "  'a b': epochs", "not a usable name"),
        (MAP, "- a\n", "this is not a column map"),
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


def test_a_row_that_comes_twice_is_one_experience(tmp_path: Path, column_map: Path) -> None:
    imported = _import(_table(tmp_path, GOOD, FAILED, GOOD), column_map)
    assert len(imported.experiences) == 2
    assert imported.account.duplicates == {("news", "copy of the same record"): 1}


def test_what_a_parameter_does_not_say_is_not_null(tmp_path: Path) -> None:
    column_map = tmp_path / "map.yaml"
    more = "  bias: remark\n  init: {column: error, values: {default: null}}\nscores:\n"
    text = MAP.replace("scores:\n", more).replace("failure_message: error\n", "")
    column_map.write_text(text, encoding="utf-8")
    none = GOOD.replace(",fine", ",none").replace(",3,", ",,")
    default = GOOD.replace("05,,2e-5", "05,default,2e-5").replace(",fine", ",NaN")
    found = _import(_table(tmp_path, none, default), column_map).experiences
    assert [e.configuration.parameters for e in found] == [
        {"learning_rate": 2e-5, "shuffle": True, "bias": "none"},
        {"learning_rate": 2e-5, "epochs": 3, "shuffle": True, "init": None},
    ]


def test_a_null_in_parquet_is_an_absent_parameter(tmp_path: Path, column_map: Path) -> None:
    names = HEADER.strip().split(",")
    row = dict(zip(names, GOOD.strip().split(","), strict=True))
    table = pa.table({name: [None if name == "epochs" else row[name]] for name in names})
    pq.write_table(table, tmp_path / "trials.parquet")
    (found,) = _import(tmp_path / "trials.parquet", column_map).experiences
    assert found.configuration.parameters == {"learning_rate": 2e-5, "shuffle": True}


def test_an_experience_that_no_sampler_can_compare_is_told(
    tmp_path: Path, column_map: Path
) -> None:
    imported = _import(_table(tmp_path, GOOD), column_map)
    (warning,) = imported.account.warnings
    assert "system_extractor" in warning
    column_map.write_text(
        MAP + "system_extractor: {constant: system}\nsystem_extractor_version: {constant: '1.0'}\n"
    )
    assert _import(_table(tmp_path, GOOD), column_map).account.warnings == []


def test_what_the_rules_replace_is_accounted_for(tmp_path: Path, column_map: Path) -> None:
    text = "what a wonderful movie it was for all of us"
    imported = _import(
        _table(tmp_path, GOOD.replace("news", text, 1).replace("org/a", "/home/me/a")), column_map
    )
    (found,) = imported.experiences
    assert text not in found.model_dump_json()
    assert "/home/me" not in found.model_dump_json()
    changed = {what.split(":")[0] for what in imported.account.changes}
    assert {"task_name", "configuration"} <= changed
    assert imported.account.imported == {(found.task_name, "ok"): 1}


def test_the_row_is_kept_as_provenance_however_far_down_it_is(
    tmp_path: Path, column_map: Path
) -> None:
    rows = [GOOD.replace(",500,", f",{number},") for number in range(1_200)]
    found = _import(_table(tmp_path, *rows), column_map).experiences
    assert [e.provenance["row"] for e in found] == [str(n) for n in range(2, 1_202)]


def test_scores_of_classes_as_far_as_the_tenant_allows_their_names(
    tmp_path: Path, column_map: Path
) -> None:
    column_map.write_text(
        MAP.replace("scores:\n", "scores:\n  f1/3: {constant: 0.5}\n  f1/refund: {constant: 0.5}\n")
    )
    table = _table(tmp_path, GOOD)
    assert set(_import(table, column_map).experiences[0].scores) == {"macro_f1", "f1/3"}
    allowing = _import(table, column_map, policy=TenantPolicy(allow_class_names=True))
    assert set(allowing.experiences[0].scores) == {"macro_f1", "f1/3", "f1/refund"}


def test_an_empty_table_with_a_map_of_constants(tmp_path: Path, column_map: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    lines = [f"{name}: {{constant: x}}" for name in REQUIRED]
    column_map.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"empty\.csv is empty"):
        import_table(tmp_path / "empty.csv", column_map)


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


def test_a_row_of_tfidf_needs_no_model(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAP.replace("{constant: full}", "{constant: tfidf}"), encoding="utf-8")
    with_model = "news,,done,2026-01-02T03:04:05,,2e-5,3,true,81.5,12.5,500,fine\n"
    (found,) = _import(_table(tmp_path, with_model), path).experiences
    assert found.configuration.model is None and found.configuration.branch == "tfidf"
    assert scrub_experience(found) == found
