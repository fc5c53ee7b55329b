"""Writes the Grafana dashboards beside this file: ``make dashboards``.

A dashboard is a list of panels here, and a thousand lines of JSON in Grafana: the latter is made of
the former, and a test makes sure that it is. Names of metrics are in ``docs/monitoring.md``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
_TENANT = 'tenant=~"$tenant"'
_LIVE = f'{_TENANT}, tenant!="(forgotten)"'


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Its title.
        kind: ``timeseries``, ``stat``, ``bargauge``, ``heatmap`` or ``table``.
        queries: PromQL and the legend of each of its series.
        unit: Grafana's name of the unit.
        description: What it shows, and what to make of it.
        width: In columns of 24.
        instant: Whether only the last value is asked for.
    """

    title: str
    kind: str
    queries: Sequence[tuple[str, str]]
    unit: str
    description: str
    width: int = 12
    instant: bool = False


def _largest(expression: str) -> str:
    """Return what one of several exporters of a store says: they agree, so never add them up."""
    return f"max without (instance, pod) ({expression})"


def _increase(name: str, labels: str, by: str, window: str = "$__range") -> str:
    return f"sum by ({by}) ({_largest(f'increase({name}{{{labels}}}[{window}])')})"


def _quantile(share: float, phase: str) -> str:
    labels = f'{_LIVE}, phase="{phase}"'
    buckets = _increase(
        "xautolm_trial_duration_seconds_bucket", labels, "tenant, le", "$__rate_interval"
    )
    return f"histogram_quantile({share}, {buckets})"


_FAILED = 'outcome=~"oom_gpu|oom_host|timeout|diverged|invalid|infra"'

OPERATIONS = (
    Panel(
        "Searches that run",
        "stat",
        [(f"sum({_largest(f'xautolm_searches_active{{{_TENANT}}}')})", "")],
        "short",
        "Searches of the workspace that have begun, have not ended, and wrote something within the "
        "last quarter of an hour.",
        4,
    ),
    Panel(
        "Trials ended",
        "stat",
        [(f"sum({_increase('xautolm_trials_total', _LIVE, 'outcome')})", "")],
        "short",
        "Attempts of trials that ended within the time that is shown.",
        4,
    ),
    Panel(
        "Trials that failed",
        "stat",
        [
            (
                f"sum({_increase('xautolm_trials_total', f'{_LIVE}, {_FAILED}', 'tenant')}) / "
                f"sum({_increase('xautolm_trials_total', _LIVE, 'tenant')})",
                "",
            )
        ],
        "percentunit",
        "Share of them that failed by themselves or by a fault of their machine.",
        4,
    ),
    Panel(
        "Experiences",
        "stat",
        [(f"sum({_largest(f'xautolm_store_experiences{{{_TENANT}}}')})", "")],
        "short",
        "What the next search can learn from.",
        4,
    ),
    Panel(
        "Store",
        "stat",
        [("min(xautolm_store_up)", "")],
        "bool_on_off",
        "Whether every exporter could read store and workspace at its last try.",
        4,
    ),
    Panel(
        "Totals are old by",
        "stat",
        [("time() - min(xautolm_exporter_last_refresh_timestamp_seconds)", "")],
        "s",
        "How long ago the store was last read.",
        4,
    ),
    Panel(
        "Trials by outcome",
        "timeseries",
        [(_increase("xautolm_trials_total", _LIVE, "outcome", "$__rate_interval"), "{{outcome}}")],
        "short",
        "Trials that ended, by how they ended. Many of oom_gpu or oom_host: see the runbook "
        "XautolmOutOfMemoryRatioHigh.",
    ),
    Panel(
        "Failed within an hour",
        "timeseries",
        [(f"tenant:xautolm_trials_failed:ratio1h{{{_TENANT}}}", "{{tenant}}")],
        "percentunit",
        "What the alert XautolmTrialFailureRatioHigh looks at; it fires above 30 %.",
    ),
    Panel(
        "Time of training",
        "timeseries",
        [
            (_quantile(0.5, "train"), "{{tenant}} half"),
            (_quantile(0.95, "train"), "{{tenant}} 95 %"),
        ],
        "s",
        "Half, and 95 of 100 trials, took no longer than that to train.",
    ),
    Panel(
        "Where the time goes",
        "timeseries",
        [
            (
                _increase("xautolm_trial_duration_seconds_sum", _LIVE, "phase", "$__rate_interval"),
                "{{phase}}",
            )
        ],
        "s",
        "Seconds of all trials by phase. Much startup: pods wait for a node or an image.",
    ),
    Panel(
        "Budget used",
        "bargauge",
        [(_largest(f"xautolm_search_budget_used_ratio{{{_TENANT}}}"), "{{tenant}}")],
        "percentunit",
        "Of the search of each tenant that is furthest, in time or in trials.",
        instant=True,
    ),
    Panel(
        "How searches began",
        "timeseries",
        [
            (
                _increase(
                    "xautolm_warm_start_experiences_total", _TENANT, "disposition", "$__range"
                ),
                "{{disposition}}",
            )
        ],
        "short",
        "Experiences that searches began with: used as they are, used in part, not used.",
    ),
    Panel(
        "Experiences by tenant",
        "timeseries",
        [(_largest(f"xautolm_store_experiences{{{_TENANT}}}"), "{{tenant}}")],
        "short",
        "It falls where something is forgotten; counters do not.",
    ),
    Panel(
        "Not yet gathered",
        "timeseries",
        [
            (_largest("xautolm_store_tail_experiences"), "experiences"),
            (_largest("xautolm_store_faults"), "faults"),
        ],
        "short",
        "Experiences that the next compaction gathers, and faults of the store: a night without a "
        "compaction leaves a step.",
    ),
)

GREEN = (
    Panel(
        "Energy",
        "stat",
        [(f"sum({_increase('xautolm_energy_joules_total', _LIVE, 'tenant')})", "")],
        "joule",
        "Energy of the trials that ended within the time that is shown, as far as it was read: a "
        "trial without a meter is absent, not zero.",
        6,
    ),
    Panel(
        "Of it in vain",
        "stat",
        [
            (
                f"sum({_increase('xautolm_energy_joules_total', f'{_LIVE}, {_FAILED}', 'tenant')})"
                f" / sum({_increase('xautolm_energy_joules_total', _LIVE, 'tenant')})",
                "",
            )
        ],
        "percentunit",
        "Share of the energy of trials that failed.",
        6,
    ),
    Panel(
        "A trial that ended well",
        "stat",
        [
            (
                f"sum({_increase('xautolm_energy_joules_total', _LIVE, 'tenant')}) / "
                f"""sum({_increase("xautolm_trials_total", f'{_LIVE}, outcome="ok"', "tenant")})""",
                "",
            )
        ],
        "joule",
        "All energy, that of failed trials too, for each trial that ended well.",
        6,
    ),
    Panel(
        "GPU time",
        "stat",
        [(f"sum({_increase('xautolm_trial_gpu_seconds_total', _LIVE, 'tenant')})", "")],
        "s",
        "How long trials held a GPU, from the start of their process on.",
        6,
    ),
    Panel(
        "Power by component",
        "timeseries",
        [
            (
                f"sum by (component) ("
                f"{_largest(f'rate(xautolm_energy_joules_total{{{_LIVE}}}[$__rate_interval])')})",
                "{{component}}",
            )
        ],
        "watt",
        "Mean power of trials. Energy is told when a trial ends, so short windows show peaks.",
    ),
    Panel(
        "Energy by tenant",
        "timeseries",
        [
            (
                _increase("xautolm_energy_joules_total", _LIVE, "tenant", "$__rate_interval"),
                "{{tenant}}",
            )
        ],
        "joule",
        "Whose trials used it.",
    ),
    Panel(
        "Energy by outcome",
        "timeseries",
        [
            (
                _increase("xautolm_energy_joules_total", _LIVE, "outcome", "$__rate_interval"),
                "{{outcome}}",
            )
        ],
        "joule",
        "Energy of trials that ran out of memory or time taught the next search something, at this "
        "price.",
    ),
    Panel(
        "How well it was read",
        "bargauge",
        [
            (
                _increase("xautolm_energy_joules_total", _LIVE, "quality, source"),
                "{{quality}} {{source}}",
            )
        ],
        "joule",
        "A: an energy counter. B: sampled power. C: a model of it, of which nothing should be "
        "concluded.",
        instant=True,
    ),
    Panel(
        "GPU time by accelerator",
        "timeseries",
        [
            (
                _increase(
                    "xautolm_trial_gpu_seconds_total", _LIVE, "accelerator", "$__rate_interval"
                ),
                "{{accelerator}}",
            )
        ],
        "s",
        "Seconds of GPUs by their type.",
    ),
    Panel(
        "Budget burn",
        "timeseries",
        [
            ("global:xautolm_energy_budget:burn1h", "1 hour"),
            ("global:xautolm_energy_budget:burn6h", "6 hours"),
            ("global:xautolm_energy_budget:burn3d", "3 days"),
        ],
        "short",
        "How many times faster the energy budget of 30 days is used up than it lasts. Alerts fire "
        "where two windows are above 6, or above 1.",
    ),
)

DASHBOARDS = {
    "xautolm-operations": ("xautolm: operations", OPERATIONS),
    "xautolm-green-ai": ("xautolm: Green AI", GREEN),
}


def dashboard(uid: str) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    title, panels = DASHBOARDS[uid]
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


def expressions(document: dict[str, Any]) -> list[str]:
    """Return all PromQL of a dashboard, that of its variables too."""
    found = [target["expr"] for panel in document["panels"] for target in panel["targets"]]
    for variable in document["templating"]["list"]:
        query = variable["query"]
        if isinstance(query, dict):
            found.append(query["query"].removeprefix("label_values(").partition(",")[0])
    return found


def text(uid: str) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard(uid), indent=2) + "\n"


def main() -> None:
    """Write the dashboards."""
    FOLDER.mkdir(exist_ok=True)
    for uid in DASHBOARDS:
        (FOLDER / f"{uid}.json").write_text(text(uid), "utf-8")


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


if __name__ == "__main__":
    main()
