"""What the report step logs in the pipeline's own views."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_core.search.result_file import write_result
from xautolm_core.steps.report import write_report


def _metrics(folder: Path, *, other_f1: float | None) -> dict[str, float]:
    records = [
        record(0, f1=0.81, train_seconds=2.0, method="linear_probe"),
        record(1, f1=0.88, train_seconds=9.0),
    ]
    write_result(search_result(folder, records=records, best=1, other_f1=other_f1), folder)
    found: dict[str, float] = {}
    write_report(
        str(folder),
        "",
        str(folder / "out" / "page.html"),
        found.__setitem__,
        lambda names, counts: None,
    )
    return found


def test_both_kinds_and_the_gain_are_logged(tmp_path: Path) -> None:
    found = _metrics(tmp_path, other_f1=0.8004)
    assert found["cheap_validation_macro_f1"] == 0.81
    assert found["cheap_test_macro_f1"] == 0.8004
    assert found["language_model_test_macro_f1"] == found["test_macro_f1"] == 0.8790
    assert found["language_model_gain"] == pytest.approx(0.0786)
    assert found["language_model_gain_low"] < found["language_model_gain"]
    assert found["language_model_gain"] < found["language_model_gain_high"]


def test_what_is_not_known_is_not_logged(tmp_path: Path) -> None:
    found = _metrics(tmp_path, other_f1=None)
    assert "cheap_validation_macro_f1" in found
    assert not any("gain" in name or name.startswith("cheap_test") for name in found)
