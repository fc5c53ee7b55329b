"""Every compiled pipeline on the server that XAUTOLM_TEST_KFP_HOST names.

Runs are cancelled at once; schedules fire in years only, and are deleted in the end.
``XAUTOLM_TEST_KFP_PARAMS`` may name a folder of parameter files, ``<pipeline>.yaml``.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.client import connect
from xautolm_pipelines.connection import resolve
from xautolm_pipelines.package import Package
from xautolm_pipelines.package import find_package
from xautolm_pipelines.package import known_names
from xautolm_pipelines.parameters import gather
from xautolm_pipelines.schedule import Change
from xautolm_pipelines.schedule import Schedule
from xautolm_pipelines.schedule import apply
from xautolm_pipelines.schedule import delete
from xautolm_pipelines.schedule import marked
from xautolm_pipelines.when import parse_when

_HOST = os.environ.get("XAUTOLM_TEST_KFP_HOST", "")
_EXAMPLES: dict[str, str] = {
    "STRING": "test",
    "NUMBER_INTEGER": "1",
    "NUMBER_DOUBLE": "1.0",
    "BOOLEAN": "false",
    "LIST": "[]",
    "STRUCT": "{}",
}

pytestmark = [
    pytest.mark.kfp,
    pytest.mark.skipif(not _HOST, reason="XAUTOLM_TEST_KFP_HOST names no server"),
]


@pytest.fixture
def server() -> PipelinesClient:
    return connect(resolve(endpoint=_HOST, namespace=os.environ.get("XAUTOLM_TEST_KFP_NAMESPACE")))


@pytest.fixture(params=known_names() or [pytest.param("", marks=pytest.mark.skip("none compiled"))])
def package(request: pytest.FixtureRequest) -> Package:
    return find_package(request.param)


@pytest.fixture
def values(package: Package) -> dict[str, Any]:
    folder = os.environ.get("XAUTOLM_TEST_KFP_PARAMS", "")
    file = Path(folder) / f"{package.name}.yaml"
    if folder and file.is_file():
        return gather(package, [], file)
    required = [p for p in package.parameters.values() if p.required]
    return gather(package, [f"{p.name}={_EXAMPLES[p.kind]}" for p in required], None)


@pytest.fixture
def name(server: PipelinesClient) -> Iterator[str]:
    """Give a schedule's name, and delete what a test has left under it."""
    one = f"xautolm-test-{uuid.uuid4().hex[:8]}"
    yield one
    for left in marked(server.recurring_runs(one)):
        server.disable(left.run.id)
        server.delete(left.run.id)


def test_submit_and_cancel(
    server: PipelinesClient, package: Package, values: dict[str, Any]
) -> None:
    run = server.submit(package, values, name="xautolm test", experiment="xautolm-test")
    try:
        assert server.run(run.id).id == run.id
        assert run.id in [one.id for one in server.runs(limit=100)]
    finally:
        server.cancel(run.id)
    deadline = time.monotonic() + 120
    while not (seen := server.run(run.id)).has_ended:
        assert time.monotonic() < deadline, f"the run is still {seen.state}"
        time.sleep(2)
    assert seen.state != "SUCCEEDED"


def test_schedule_replace_and_delete(
    server: PipelinesClient, package: Package, values: dict[str, Any], name: str
) -> None:
    schedule = Schedule(
        name=name,
        package=package,
        parameters=values,
        when=parse_when(None, "3000d"),
        experiment="xautolm-test",
    )
    made = apply(server, schedule)
    assert made.change is Change.CREATED
    assert apply(server, schedule).change is Change.UNCHANGED
    replaced = apply(server, replace(schedule, when=parse_when("0 3 1 1 *", None)))
    assert (replaced.change, replaced.removed) == (Change.REPLACED, 1)
    (left,) = server.recurring_runs(name)
    assert left.id == replaced.current.id
    assert (left.when, left.max_concurrency, left.no_catchup) == ("cron 0 0 3 1 1 *", 1, True)
    server.disable(left.id)
    assert apply(server, replace(schedule, when=parse_when("0 3 1 1 *", None))).change is (
        Change.ENABLED
    )
    assert delete(server, name) == 1
    assert server.recurring_runs(name) == []
