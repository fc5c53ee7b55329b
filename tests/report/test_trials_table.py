from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from tests.report.samples import explained_trials
from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_core.report.trials_table import trials_table
from xautolm_core.report.trials_table import write_trials_table


def test_there_is_a_row_per_trial_with_what_it_tried_and_got(tmp_path: Path) -> None:
    write_trials_table(search_result(tmp_path), tmp_path / "trials.parquet")
    table = pq.read_table(tmp_path / "trials.parquet")
    rows = {row["trial"]: row for row in table.to_pylist()}
    assert len(rows) == 9
    assert rows[4]["chosen"] is True
    assert rows[4]["on_front"] is True
    assert rows[4]["score.macro_f1"] == 0.8877
    assert rows[4]["objective.f1"] == 0.8877
    assert rows[4]["parameter.epochs"] == 3
    assert rows[4]["parameter.lora_r"] is None
    assert rows[5]["pretrained"] is False
    assert rows[6]["outcome"] == "oom_host"
    assert rows[6]["score.macro_f1"] is None
    assert rows[6]["failure_message"] == "memory limit of 2.0 GiB reached"


def test_mixed_values_of_a_hyper_parameter_do_not_break_the_table(tmp_path: Path) -> None:
    records = [
        record(0, f1=0.5, train_seconds=1, extra={"init": True, "rate": 1, "none": None}),
        record(1, f1=0.5, train_seconds=1, extra={"init": "gaussian", "rate": 0.5, "none": None}),
    ]
    table = trials_table(search_result(tmp_path, records=records, best=0))
    assert table["parameter.init"].to_pylist() == ["true", '"gaussian"']
    assert table["parameter.rate"].to_pylist() == [1.0, 0.5]
    assert table["parameter.none"].to_pylist() == [None, None]
    assert str(table["parameter.none"].type) == "string"


def test_no_trial_makes_an_empty_table(tmp_path: Path) -> None:
    write_trials_table(search_result(tmp_path, records=[], best=None), tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 0


def test_what_was_expected_has_columns_of_its_own(tmp_path: Path) -> None:
    table = trials_table(search_result(tmp_path, records=explained_trials()))
    rows = {row["trial"]: row for row in table.to_pylist()}
    assert rows[4]["predicted.f1"] == 0.88
    assert rows[4]["predicted.time.high"] == 51.0
    assert rows[4]["predicted.failure_probability"] == 0.034
    assert rows[4]["predicted.failure_probability.timeout"] == 0.02
    assert rows[0]["predicted.f1"] is None
    plain = trials_table(search_result(tmp_path))
    assert not any(name.startswith("predicted") for name in plain.column_names)
