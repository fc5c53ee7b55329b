"""The dashboard *Green AI*: what trials use, emit and cost, and how well that is known."""

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
        "Energy of the trials that ended within the time that is shown, as far as it was read: a "
        "trial without a meter is absent, not zero.",
        6,
    ),
    Panel(
        "Of it in vain",
        "stat",
        [
            (
                f"sum({increase('xautolm_energy_joules_total', f'{LIVE}, {FAILED}', 'tenant')})"
                f" / sum({increase('xautolm_energy_joules_total', LIVE, 'tenant')})",
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
                f"sum({increase('xautolm_energy_joules_total', LIVE, 'tenant')}) / "
                f"""sum({increase("xautolm_trials_total", f'{LIVE}, outcome="ok"', "tenant")})""",
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
        [(f"sum({increase('xautolm_trial_gpu_seconds_total', LIVE, 'tenant')})", "")],
        "s",
        "How long trials held a GPU, from the start of their process on.",
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
        "Market-based: the same energy at the intensity of what was contracted.",
        6,
    ),
    Panel(
        "CO2e of hardware",
        "stat",
        [(_grams('method="location", scope="embodied"'), "")],
        "massg",
        "Share of making the GPUs, by how long trials held them.",
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
        "Mean power of trials. Energy is told when a trial ends, so short windows show peaks.",
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
        "Whose trials used it.",
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
        "Energy of trials that ran out of memory or time taught the next search something, at this "
        "price.",
    ),
    Panel(
        "How well it was read",
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
        "Location-based, the share of making the GPUs included.",
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
        "Who would get the bill.",
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
