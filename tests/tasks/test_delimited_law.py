from __future__ import annotations

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings

from tests.tasks.delimited_law import outcome_of
from tests.tasks.delimited_law import written_by_csv
from tests.tasks.delimited_law import written_by_pandas
from tests.tasks.delimited_law import written_by_polars

_QUIET = (HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow)


@settings(max_examples=500, deadline=None, suppress_health_check=_QUIET)
@given(written=written_by_csv())
def test_what_csv_writes_is_read_back_or_refused(tmp_path, written):
    outcome_of(written, tmp_path / "a.csv")


@settings(max_examples=150, deadline=None, suppress_health_check=_QUIET)
@given(written=written_by_pandas())
def test_what_pandas_writes_is_read_back_or_refused(tmp_path, written):
    outcome_of(written, tmp_path / "a.csv")


@settings(max_examples=150, deadline=None, suppress_health_check=_QUIET)
@given(written=written_by_polars())
def test_what_polars_writes_is_read_back_or_refused(tmp_path, written):
    outcome_of(written, tmp_path / "a.csv")
