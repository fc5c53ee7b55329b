from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.samples import search_result
from xautolm_core.errors import StoreError
from xautolm_core.report.folder import write_result_folder


def test_everything_is_written(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_result_folder(search_result(tmp_path))
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        "summary.json",
        "pareto.json",
        "trials.parquet",
        "search-result.json",
        "report.html",
        "model/README.md",
    }
    pareto = json.loads((tmp_path / "pareto.json").read_text())
    assert [entry["trial"] for entry in pareto] == [0, 1, 8, 2, 4]
    assert pareto == json.loads((tmp_path / "summary.json").read_text())["pareto"]


def test_writing_again_replaces(tmp_path: Path) -> None:
    write_result_folder(search_result(tmp_path))
    write_result_folder(search_result(tmp_path, records=[], best=None))
    assert json.loads((tmp_path / "summary.json").read_text())["trials"] == 0


def test_a_folder_that_cannot_be_written_is_an_error_on_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="cannot write the results") as caught:
        write_result_folder(search_result(blocked / "run"))
    assert "\n" not in str(caught.value)
