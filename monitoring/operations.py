"""The dashboard *operations*: whether searches, the store and the exporter do what they should."""

from __future__ import annotations

from monitoring.panels import FAILED
from monitoring.panels import LIVE
from monitoring.panels import TENANT
from monitoring.panels import Panel
from monitoring.panels import increase
from monitoring.panels import largest
from monitoring.panels import quantile

OPERATIONS = (
    Panel(
        "Running searches",
        "stat",
        [(f"sum({largest(f'xautolm_searches_active{{{TENANT}}}')})", "")],
        "short",
        "Searches of the workspace that have begun, have not ended, and wrote something within the "
        "last quarter of an hour.",
        4,
    ),
    Panel(
        "Trials ended",
        "stat",
        [(f"sum({increase('xautolm_trials_total', LIVE, 'outcome')})", "")],
        "short",
        "Attempts of trials that ended within the time shown.",
        4,
    ),
    Panel(
        "Failed trials",
        "stat",
        [
            (
                f"sum({increase('xautolm_trials_total', f'{LIVE}, {FAILED}', 'tenant')}) / "
                f"sum({increase('xautolm_trials_total', LIVE, 'tenant')})",
                "",
            )
        ],
        "percentunit",
        "Share of attempts that failed, by their own fault or by one of their machine.",
        4,
    ),
    Panel(
        "Experiences",
        "stat",
        [(f"sum({largest(f'xautolm_store_experiences{{{TENANT}}}')})", "")],
        "short",
        "Experiences that the next search can learn from.",
        4,
    ),
    Panel(
        "Store",
        "stat",
        [("min(xautolm_store_up)", "")],
        "bool_on_off",
        "Whether every exporter could read store and workspace at its last attempt.",
        4,
    ),
    Panel(
        "Age of totals",
        "stat",
        [("time() - min(xautolm_exporter_last_refresh_timestamp_seconds)", "")],
        "s",
        "Time since the store was last read.",
        4,
    ),
    Panel(
        "Trials by outcome",
        "timeseries",
        [(increase("xautolm_trials_total", LIVE, "outcome", "$__rate_interval"), "{{outcome}}")],
        "short",
        "Ended trials by outcome. Many of oom_gpu or oom_host: see the runbook "
        "XautolmOutOfMemoryRatioHigh.",
    ),
    Panel(
        "Failed within an hour",
        "timeseries",
        [(f"tenant:xautolm_trials_failed:ratio1h{{{TENANT}}}", "{{tenant}}")],
        "percentunit",
        "What the alert XautolmTrialFailureRatioHigh evaluates; it fires above 30 %.",
    ),
    Panel(
        "Time of training",
        "timeseries",
        [
            (quantile(0.5, "train"), "{{tenant}} half"),
            (quantile(0.95, "train"), "{{tenant}} 95 %"),
        ],
        "s",
        "Median and 95th percentile of the training time.",
    ),
    Panel(
        "Where the time goes",
        "timeseries",
        [
            (
                increase("xautolm_trial_duration_seconds_sum", LIVE, "phase", "$__rate_interval"),
                "{{phase}}",
            )
        ],
        "s",
        "Seconds of all trials by phase. Much startup: pods wait for a node or an image.",
    ),
    Panel(
        "Budget used",
        "bargauge",
        [(largest(f"xautolm_search_budget_used_ratio{{{TENANT}}}"), "{{tenant}}")],
        "percentunit",
        "For each tenant, the search that has used most of any of its limits.",
        instant=True,
    ),
    Panel(
        "Warm starts",
        "timeseries",
        [
            (
                increase("xautolm_warm_start_experiences_total", TENANT, "disposition", "$__range"),
                "{{disposition}}",
            )
        ],
        "short",
        "Experiences that searches started with: used as they are, used in part, not used.",
    ),
    Panel(
        "Experiences by tenant",
        "timeseries",
        [(largest(f"xautolm_store_experiences{{{TENANT}}}"), "{{tenant}}")],
        "short",
        "It falls when experiences are forgotten; counters do not.",
    ),
    Panel(
        "Not yet compacted",
        "timeseries",
        [
            (largest("xautolm_store_tail_experiences"), "experiences"),
            (largest("xautolm_store_faults"), "faults"),
        ],
        "short",
        "Experiences that the next compaction gathers, and errors of the store: a night without a "
        "compaction leaves a step.",
    ),
)
