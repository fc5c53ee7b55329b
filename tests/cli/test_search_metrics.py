"""``--metrics-port``: what is told while a search runs."""

from __future__ import annotations

import threading
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.servers import free_port
from tests.monitoring.sums import made_up
from tests.report.samples import search_result
from xautolm_core.cli import search_metrics
from xautolm_core.cli.search_metrics import LiveSearch
from xautolm_core.cli.search_metrics import metrics_of
from xautolm_core.errors import ConfigError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.request.search_request import SearchRequest
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.folders import RunState


def _request(folder: Path, **changes: object) -> SearchRequest:
    spec = search_result(folder).spec
    fields = {"store": str(folder / "store"), "tenant": "team-a", **changes}
    return SearchRequest(SearchSpec(**(spec.model_dump() | fields)), folder / "run")


def _scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_the_search_and_its_store_are_told_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_metrics, "INTERVAL_SECONDS", 0.05)
    port = free_port()
    request = _request(tmp_path, max_trials=4, budget_seconds=None)
    with metrics_of(request, str(port)):
        told = _scrape(port)
        while "xautolm_searches_active" not in told:
            told = _scrape(port)
        # The search has not made its store yet, and this must not.
        assert (told["xautolm_searches_active"], told["xautolm_store_up"]) == (1, 0)
        assert not (tmp_path / "store").exists()
        FolderStore(tmp_path / "store").append(made_up(0))
        deadline = time.monotonic() + 60
        while told.get("xautolm_store_experiences") != 1:
            assert time.monotonic() < deadline
            told = _scrape(port)
        assert told["xautolm_search_budget_used_ratio"] == 0
    with pytest.raises(OSError, match="refused"):
        _scrape(port)
    names = {thread.name for thread in threading.enumerate()}
    assert "reading" not in names


def test_the_budget_goes_on_where_an_earlier_process_left_it(tmp_path: Path) -> None:
    request = _request(tmp_path, max_trials=4, budget_seconds=1000.0)
    run = request.out_folder
    run.mkdir()
    (run / "state.json").write_text(RunState(elapsed_seconds=100.0).model_dump_json())
    live = LiveSearch(request.spec, run)
    assert live.totals().budget_used == {"team-a": pytest.approx(0.1, abs=0.02)}
    state = RunState(elapsed_seconds=100.0, budget_used={"carbon": 0.75, "trials": 0.25})
    (run / "state.json").write_text(state.model_dump_json())
    assert live.totals().budget_used == {"team-a": 0.75}


def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--metrics-port"), metrics_of(_request(tmp_path), "x"):
        pass


def test_without_the_option_nothing_is_told(tmp_path: Path) -> None:
    before = threading.active_count()
    with metrics_of(_request(tmp_path), None):
        assert threading.active_count() == before
