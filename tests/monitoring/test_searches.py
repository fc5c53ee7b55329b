"""What a workspace says of its searches."""

from __future__ import annotations

import json
import os
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

from xautolm_core.launch.run_mirror import RUN_FILES
from xautolm_core.monitoring.searches import SILENT_AFTER
from xautolm_core.monitoring.searches import SearchCount
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.folders import RunState
from xautolm_core.steps.notification import SUMMARY_KEY
from xautolm_core.tasks.spec import TaskSpec

START = {"applied": 5, "mapped": 2, "dropped": 1, "prior_shift": 0.5}


def _write(
    workspace: Path,
    name: str,
    *,
    tenant: str = "team-a",
    elapsed: float = 0.0,
    used: dict[str, float] | None = None,
    summary: dict[str, Any] | None = None,
    **limits: Any,
) -> Path:
    """Write a search as its own code does."""
    spec = SearchSpec(
        search_id=name, task=TaskSpec(data="x.csv"), store="memory", tenant=tenant, **limits
    )
    objects = FolderObjects(workspace / name)
    objects.put("run/search.json", spec.model_dump_json().encode())
    state = RunState(elapsed_seconds=elapsed, budget_used=used or {})
    objects.put("run/state.json", state.model_dump_json().encode())
    if summary is not None:
        objects.put(SUMMARY_KEY, json.dumps(summary).encode())
    return workspace / name


def test_the_names_are_those_that_searches_write() -> None:
    assert set(RUN_FILES) == {"search.json", "history.parquet", "state.json"}


def test_active_searches_and_the_furthest_budget(tmp_path: Path) -> None:
    _write(tmp_path, "a", elapsed=30.0, budget_seconds=100.0)
    _write(tmp_path, "b", elapsed=10.0, budget_seconds=100.0, used={"trials": 0.75})
    _write(tmp_path, "c", tenant="team-b")
    _write(tmp_path, "d", tenant="team-c", summary={"warm_start": START})
    found = SearchCount(FolderObjects(tmp_path)).totals()
    assert found.active == {"team-a": 2, "team-b": 1, "team-c": 0}
    # Without a limit there is no share; an absent one is not 0.
    assert found.budget_used == {"team-a": 0.75}
    assert found.warm_start == {
        ("team-c", "applied"): 5,
        ("team-c", "mapped"): 2,
        ("team-c", "dropped"): 1,
    }


def test_the_limit_that_is_closest_to_its_end_counts_whatever_it_is_of(tmp_path: Path) -> None:
    used = {"energy": 0.2, "carbon": 0.6}
    _write(tmp_path, "a", elapsed=30.0, budget_seconds=100.0, used={"trials": 0.25})
    folder = _write(tmp_path, "b", elapsed=30.0, budget_seconds=100.0)
    state = RunState(elapsed_seconds=30.0, budget_used=used)
    FolderObjects(folder).put("run/state.json", state.model_dump_json().encode())
    count = SearchCount(FolderObjects(tmp_path))
    assert count.totals().budget_used == {"team-a": 0.6}
    state.budget_used["carbon"] = 0.1
    FolderObjects(folder).put("run/state.json", state.model_dump_json().encode() + b" ")
    assert count.totals().budget_used == {"team-a": 0.3}


def test_a_search_that_was_broken_off_is_not_active(tmp_path: Path) -> None:
    folder = _write(tmp_path, "a", elapsed=30.0, budget_seconds=100.0)
    count = SearchCount(FolderObjects(tmp_path))
    later = datetime.now(UTC) + SILENT_AFTER + timedelta(seconds=5)
    assert count.totals().active == {"team-a": 1}
    assert count.totals(later).active == {"team-a": 0}
    # A heartbeat of a trial is a sign of life.
    FolderObjects(folder).put("trials/0000-0/heartbeat.json", b"{}")
    os.utime(folder / "trials" / "0000-0" / "heartbeat.json", (later.timestamp(),) * 2)
    assert count.totals(later).active == {"team-a": 1}


def test_warm_starts_do_not_fall_when_objects_are_deleted(tmp_path: Path) -> None:
    folder = _write(tmp_path, "a", summary={"warm_start": START})
    count = SearchCount(FolderObjects(tmp_path))
    before = count.totals().warm_start
    FolderObjects(tmp_path).delete_many([f"a/{SUMMARY_KEY}", "a/run/search.json"])
    assert folder.exists()
    assert count.totals().warm_start == before


def test_what_changes_is_read_again(tmp_path: Path) -> None:
    _write(tmp_path, "a", elapsed=1.0, budget_seconds=100.0)
    count = SearchCount(FolderObjects(tmp_path))
    assert count.totals().budget_used == {"team-a": 0.01}
    _write(tmp_path, "a", elapsed=50.5, budget_seconds=100.0)
    assert count.totals().budget_used == {"team-a": 0.505}


def test_strange_objects_are_passed_over(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path)
    for name, data in {
        "a/run/search.json": b"{",
        "b/run/search.json": b"[]",
        "c/run/search.json": b'{"search_id": "c", "tenant": "../x"}',
        "d/run/search.json": b'{"search_id": "d", "tenant": 5}',
        "e/run/search.json": b'{"search_id": "e", "tenant": "t", "budget_seconds": "much"}',
        "e/run/state.json": b"\xff\xfe",
        "f/run/search.json": b'{"search_id": "f", "tenant": "t"}',
        "f/run/state.json": b'{"budget_used": {"energy": "much", "cost": null}}',
        "probes/abc/answer.json": b"{}",
        "loose.json": b"{}",
    }.items():
        objects.put(name, data)
    found = SearchCount(objects).totals()
    assert (found.active, found.budget_used, found.warm_start) == ({"t": 2}, {}, {})


def test_a_workspace_in_which_nothing_was_written_has_no_searches(tmp_path: Path) -> None:
    assert SearchCount(FolderObjects(tmp_path / "none")).totals().active == {}
