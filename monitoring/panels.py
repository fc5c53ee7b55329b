"""Panels, their PromQL, and the JSON that Grafana reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
TENANT = 'tenant=~"$tenant"'
LIVE = f'{TENANT}, tenant!="(forgotten)"'
FAILED = 'outcome=~"oom_gpu|oom_host|timeout|diverged|invalid|infra"'


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Its title.
        kind: ``timeseries``, ``stat``, ``bargauge``, ``heatmap`` or ``table``.
        queries: PromQL and the legend of each of its series.
        unit: Grafana's name of the unit.
        description: What it shows, and how to read it.
        width: In columns of 24.
        instant: Whether only the last value is queried.
    """

    title: str
    kind: str
    queries: Sequence[tuple[str, str]]
    unit: str
    description: str
    width: int = 12
    instant: bool = False


def largest(expression: str) -> str:
    """Return the value of one of several exporters of a store: they agree, so never sum them."""
    return f"max without (instance, pod) ({expression})"


def increase(name: str, labels: str, by: str, window: str = "$__range") -> str:
    """Return how much a counter rose within a window, by some of its labels."""
    return f"sum by ({by}) ({largest(f'increase({name}{{{labels}}}[{window}])')})"


def quantile(share: float, phase: str) -> str:
    """Return a quantile of the duration of a phase, over the trials of each tenant."""
    labels = f'{LIVE}, phase="{phase}"'
    buckets = increase(
        "xautolm_trial_duration_seconds_bucket", labels, "tenant, le", "$__rate_interval"
    )
    return f"histogram_quantile({share}, {buckets})"


def document(uid: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["xautolm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [_data_source(), _tenants()]},
        "annotations": {"list": []},
        "panels": [
            _panel(number, panel, place)
            for number, (panel, place) in enumerate(zip(panels, _places(panels), strict=True), 1)
        ],
    }


def expressions(made: dict[str, Any]) -> list[str]:
    """Return all PromQL of a dashboard, that of its variables too."""
    found = [target["expr"] for panel in made["panels"] for target in panel["targets"]]
    for variable in made["templating"]["list"]:
        query = variable["query"]
        if isinstance(query, dict):
            found.append(query["query"].removeprefix("label_values(").partition(",")[0])
    return found


def _places(panels: Sequence[Panel]) -> list[dict[str, int]]:
    places, x, y = [], 0, 0
    height = 0
    for panel in panels:
        own = 4 if panel.kind == "stat" else 8
        if x + panel.width > _COLUMNS:
            x, y = 0, y + height
        places.append({"x": x, "y": y, "w": panel.width, "h": own})
        x, height = x + panel.width, own
    return places


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = []
    for letter, (expression, legend) in zip("ABCDEF", panel.queries, strict=False):
        target: dict[str, Any] = {
            "refId": letter,
            "datasource": _SOURCE,
            "expr": expression,
            "legendFormat": legend or "__auto",
        }
        if panel.instant or panel.kind == "stat":
            target |= {"instant": True, "range": False}
        targets.append(target)
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {},
        "targets": targets,
    }


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }


def _tenants() -> dict[str, Any]:
    return {
        "name": "tenant",
        "label": "Tenant",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(xautolm_trials_total, tenant)", "refId": "tenant"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
