"""What the chart renders: linted, as the golden files have it, rules and dashboards one copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.chart import lint

from tests.charts.rendering import CHART
from tests.charts.rendering import GOLDEN
from tests.charts.rendering import NAMESPACE
from tests.charts.rendering import VALUE_SETS
from tests.charts.rendering import chart
from tests.charts.rendering import golden_text
from tests.charts.rendering import name_of
from tests.charts.rendering import objects
from tests.charts.rendering import objects_in
from tests.charts.rendering import render
from tests.charts.rendering import rendered
from tests.charts.rendering import values_of
from xautolm_core import __version__

ROOT = CHART.parents[1]
IMAGES = values_of("minimal")


@pytest.mark.parametrize("value_set", VALUE_SETS)
@pytest.mark.parametrize("version", ["v1.29.0", "v1.32.0", "v1.36.0"])
def test_lint_finds_nothing(value_set: str, version: str) -> None:
    report = lint(CHART, values_of(value_set), strict=True, kube_version=version)
    assert report["errors"] == []
    assert [m for m in report["messages"] if m["error"] != "icon is recommended"] == []


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_what_is_rendered_is_as_the_golden_file_has_it(value_set: str) -> None:
    # `make chart-golden` writes them anew.
    assert golden_text(value_set) == (GOLDEN / f"{value_set}.txt").read_text("utf-8")


def test_the_chart_is_of_this_version() -> None:
    assert chart().metadata["appVersion"] == __version__


def test_every_default_is_in_the_schema_and_every_key_of_the_schema_has_a_default() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert not set(_undefaulted(schema, schema, chart().values)) - _WITHOUT_DEFAULT


_WITHOUT_DEFAULT = {
    "global",
    "search.cpuPlacement.node_selector",
    "search.cpuPlacement.tolerations",
    "search.cpuPlacement.queue",
    *(
        f"search.resources.{name}"
        for name in ("cpu_limit", "memory_request", "gpu_resource", "shared_memory", "work_storage")
    ),
}


def _undefaulted(schema: dict[str, Any], node: dict[str, Any], values: Any, at: str = "") -> Any:
    node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node
    for name, below in node.get("properties", {}).items():
        place = f"{at}.{name}".lstrip(".")
        if name == "ephemeral-storage" or place.endswith(("matchLabels", "matchExpressions")):
            continue
        if name not in values:
            yield place
        elif isinstance(values[name], dict):
            yield from _undefaulted(schema, below, values[name], place)


def test_every_object_that_is_not_open_ended_refuses_unknown_keys() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    found = []

    def look(node: Any, at: str) -> None:
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                found.append(at)
            for name, below in node.items():
                look(below, f"{at}/{name}")

    look(schema, "")
    assert found == ["/$defs/schedules/items/properties/parameters"]  # those of the pipeline


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_no_object_is_there_twice_and_each_lies_in_a_namespace_of_the_values(
    value_set: str,
) -> None:
    names = [name_of(one) for one in objects(value_set)]
    assert len(names) == len(set(names))
    tenants = values_of(value_set).get("tenants") or [{"name": NAMESPACE}]
    known = {NAMESPACE, *(one.get("namespace", one["name"]) for one in tenants)}
    assert {one["metadata"]["namespace"] for one in objects(value_set)} <= known


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_names_and_labels_are_what_kubernetes_takes(value_set: str) -> None:
    for one in objects(value_set):
        assert len(one["metadata"]["name"]) <= 52, name_of(one)  # of a CronJob; its Jobs add 11
        for key, value in one["metadata"]["labels"].items():
            assert len(value) <= 63, (key, value)


def test_a_long_release_name_stays_within_the_limits() -> None:
    values = {**values_of("everything"), "fullnameOverride": ""}
    texts = chart().render(values, name="r" * 53, namespace=NAMESPACE)
    found = [one for text in texts.values() for one in _documents(text)]
    assert found
    for one in found:
        longest = 52 if one["kind"] == "CronJob" else 63
        assert len(one["metadata"]["name"]) <= longest, name_of(one)


def _documents(text: str) -> list[dict[str, Any]]:
    try:
        return [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
    except yaml.YAMLError:
        return []  # the notes


def test_dashboards_are_the_one_copy_of_the_repository() -> None:
    folder = ROOT / "monitoring" / "dashboards"
    assert (CHART / "dashboards").is_symlink() and (CHART / "dashboards").resolve() == folder
    shown = {
        name: json.loads(text)
        for one in objects("minimal", "ConfigMap")
        if one["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in one["data"].items()
    }
    assert shown == {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert len(shown) == 2


def test_rules_are_the_one_copy_of_the_repository_but_for_budget_and_addresses() -> None:
    file = ROOT / "monitoring" / "rules" / "xautolm.yaml"
    assert (CHART / "rules.yaml").is_symlink() and (CHART / "rules.yaml").resolve() == file
    (rule,) = objects("everything", "PrometheusRule")
    text = file.read_text("utf-8").replace("vector(3.6e9)", "vector(9000000000)")  # 2,500 kWh
    text = text.replace("runbook_url: docs/", "runbook_url: https://wiki.internal/xautolm/docs/")
    assert rule["spec"] == yaml.safe_load(text)
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_objects_of_other_controllers_wait_for_their_kinds() -> None:
    kinds = {one["kind"] for one in objects("minimal")}
    assert not kinds & {"PrometheusRule", "ServiceMonitor", "PodMonitor"}
    assert {one["kind"] for one in objects("everything")} >= {"PrometheusRule", "ServiceMonitor"}


def test_what_is_switched_off_is_not_there() -> None:
    off = {
        **IMAGES,
        "exporter": {"enabled": False},
        "compaction": {"enabled": False},
        "rbac": {"create": False},
        "networkPolicy": {"enabled": False},
        "monitoring": {"dashboards": {"enabled": False}},
        "hooks": {"initialise": False, "tests": False},
        "s3": {"policies": False},
    }
    found = objects_in(render(off))
    assert sorted({one["kind"] for one in found}) == ["ConfigMap", "ServiceAccount"]


def test_values_say_what_the_pods_get() -> None:
    values = {**IMAGES, "exporter": {"replicas": 3}, "compaction": {"schedule": "@daily"}}
    found = objects_in(render(values))
    by_kind = {one["kind"]: one for one in found}
    assert by_kind["Deployment"]["spec"]["replicas"] == 3
    assert by_kind["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert by_kind["CronJob"]["spec"]["schedule"] == "@daily"
    assert "PodDisruptionBudget" not in {one["kind"] for one in objects("minimal")}


def test_the_notes_say_what_comes_next() -> None:
    notes = rendered("minimal")["NOTES.txt"]
    assert "helm test xautolm --namespace platform" in notes
    assert "compaction.secret" in notes
    assert "create secret generic xautolm-s3-server" in rendered("everything")["NOTES.txt"]


def test_a_packed_chart_has_the_files_that_are_links_here(tmp_path: Path) -> None:
    from helm_python.chart import Chart
    from helm_python.chart import package

    packed = Chart.load(package(CHART, destination=tmp_path))
    assert {"rules.yaml", "dashboards/xautolm-operations.json"} <= {f["name"] for f in packed.files}
    assert not [f["name"] for f in packed.files if f["name"].startswith("ci/")]
