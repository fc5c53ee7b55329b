"""The dashboard *Green AI*: what trials use, emit and cost, and how good the readings are."""

from __future__ import annotations

from monitoring.panels import FAILED
from monitoring.panels import LIVE
from monitoring.panels import Panel
from monitoring.panels import increase
from monitoring.panels import largest


def _grams(labels: str) -> str:
    return f"sum({increase('xautolm_carbon_grams_total', f'{LIVE}, {labels}', 'tenant')})"


GREEN = (
    Panel(
        "Energy",
        "stat",
        [(f"sum({increase('xautolm_energy_joules_total', LIVE, 'tenant')})", "")],
        "joule",
        "Energy of the trials that ended within the time shown, as far as it was measured: a "
        "trial without a meter is absent, not zero.",
        6,
    ),
    Panel(
        "Wasted share",
        "stat",
        [
            (
                f"sum({increase('xautolm_energy_joules_total', f'{LIVE}, {FAILED}', 'tenant')})"
                f" / sum({increase('xautolm_energy_joules_total', LIVE, 'tenant')})",
                "",
            )
        ],
        "percentunit",
        "Share of the energy that failed trials used.",
        6,
    ),
    Panel(
        "Per successful trial",
        "stat",
        [
            (
                f"sum({increase('xautolm_energy_joules_total', LIVE, 'tenant')}) / "
                f"""sum({increase("xautolm_trials_total", f'{LIVE}, outcome="ok"', "tenant")})""",
                "",
            )
        ],
        "joule",
        "All energy, that of failed trials included, divided by the number of successful trials.",
        6,
    ),
    Panel(
        "GPU time",
        "stat",
        [(f"sum({increase('xautolm_trial_gpu_seconds_total', LIVE, 'tenant')})", "")],
        "s",
        "Time for which trials occupied a GPU, from the start of their process.",
        6,
    ),
    Panel(
        "CO2e by the grid",
        "stat",
        [(_grams('method="location", scope="operational"'), "")],
        "massg",
        "Location-based: that energy at the average intensity of the grid. Absent where the "
        "exporter was given no zone or intensity.",
        6,
    ),
    Panel(
        "CO2e by contract",
        "stat",
        [(_grams('method="market", scope="operational"'), "")],
        "massg",
        "Market-based: the same energy at the intensity of the contracted supply.",
        6,
    ),
    Panel(
        "CO2e of hardware",
        "stat",
        [(_grams('method="location", scope="embodied"'), "")],
        "massg",
        "Share of the manufacture of the GPUs, by the time trials occupied them.",
        6,
    ),
    Panel(
        "Cost",
        "stat",
        [(increase("xautolm_cost_total", LIVE, "currency"), "{{currency}}")],
        "short",
        "What that energy and GPU time cost, at the exporter's prices.",
        6,
    ),
    Panel(
        "Power by component",
        "timeseries",
        [
            (
                f"sum by (component) ("
                f"{largest(f'rate(xautolm_energy_joules_total{{{LIVE}}}[$__rate_interval])')})",
                "{{component}}",
            )
        ],
        "watt",
        "Mean power of trials. Energy is reported when a trial ends, so short windows show peaks.",
    ),
    Panel(
        "Energy by tenant",
        "timeseries",
        [
            (
                increase("xautolm_energy_joules_total", LIVE, "tenant", "$__rate_interval"),
                "{{tenant}}",
            )
        ],
        "joule",
        "Energy by the owner of the trials.",
    ),
    Panel(
        "Energy by outcome",
        "timeseries",
        [
            (
                increase("xautolm_energy_joules_total", LIVE, "outcome", "$__rate_interval"),
                "{{outcome}}",
            )
        ],
        "joule",
        "Trials that ran out of memory or time are experience for the next search; this is its "
        "price.",
    ),
    Panel(
        "Quality of energy readings",
        "bargauge",
        [
            (
                increase("xautolm_energy_joules_total", LIVE, "quality, source"),
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
                increase(
                    "xautolm_trial_gpu_seconds_total", LIVE, "accelerator", "$__rate_interval"
                ),
                "{{accelerator}}",
            )
        ],
        "s",
        "Seconds of GPUs by their type.",
    ),
    Panel(
        "CO2e by tenant",
        "timeseries",
        [
            (
                increase(
                    "xautolm_carbon_grams_total",
                    f'{LIVE}, method="location"',
                    "tenant",
                    "$__rate_interval",
                ),
                "{{tenant}}",
            )
        ],
        "massg",
        "Location-based, the share of the manufacture of the GPUs included.",
    ),
    Panel(
        "Cost by tenant",
        "timeseries",
        [
            (
                increase("xautolm_cost_total", LIVE, "tenant, currency", "$__rate_interval"),
                "{{tenant}} {{currency}}",
            )
        ],
        "short",
        "Cost by the owner of the trials.",
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
        "How many times too fast the energy budget of 30 days is being used up. Alerts fire "
        "where two windows are above 6, or above 1.",
    ),
)
