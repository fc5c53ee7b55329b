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
        "Searches that run",
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
        "Attempts of trials that ended within the time that is shown.",
        4,
    ),
    Panel(
        "Trials that failed",
        "stat",
        [
            (
                f"sum({increase('xautolm_trials_total', f'{LIVE}, {FAILED}', 'tenant')}) / "
                f"sum({increase('xautolm_trials_total', LIVE, 'tenant')})",
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
        [(f"sum({largest(f'xautolm_store_experiences{{{TENANT}}}')})", "")],
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
        [(increase("xautolm_trials_total", LIVE, "outcome", "$__rate_interval"), "{{outcome}}")],
        "short",
        "Trials that ended, by how they ended. Many of oom_gpu or oom_host: see the runbook "
        "XautolmOutOfMemoryRatioHigh.",
    ),
    Panel(
        "Failed within an hour",
        "timeseries",
        [(f"tenant:xautolm_trials_failed:ratio1h{{{TENANT}}}", "{{tenant}}")],
        "percentunit",
        "What the alert XautolmTrialFailureRatioHigh looks at; it fires above 30 %.",
    ),
    Panel(
        "Time of training",
        "timeseries",
        [
            (quantile(0.5, "train"), "{{tenant}} half"),
            (quantile(0.95, "train"), "{{tenant}} 95 %"),
        ],
        "s",
        "Half, and 95 of 100 trials, took no longer than that to train.",
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
        "Of the search of each tenant that is furthest, by whichever limit is closest to its end.",
        instant=True,
    ),
    Panel(
        "How searches began",
        "timeseries",
        [
            (
                increase("xautolm_warm_start_experiences_total", TENANT, "disposition", "$__range"),
                "{{disposition}}",
            )
        ],
        "short",
        "Experiences that searches began with: used as they are, used in part, not used.",
    ),
    Panel(
        "Experiences by tenant",
        "timeseries",
        [(largest(f"xautolm_store_experiences{{{TENANT}}}"), "{{tenant}}")],
        "short",
        "It falls where something is forgotten; counters do not.",
    ),
    Panel(
        "Not yet gathered",
        "timeseries",
        [
            (largest("xautolm_store_tail_experiences"), "experiences"),
            (largest("xautolm_store_faults"), "faults"),
        ],
        "short",
        "Experiences that the next compaction gathers, and faults of the store: a night without a "
        "compaction leaves a step.",
    ),
)
