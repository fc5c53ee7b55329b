"""Totals as families of Prometheus metrics. ``docs/monitoring.md`` lists them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.core import InfoMetricFamily
from prometheus_client.samples import Exemplar

from xautolm_core import __version__
from xautolm_core.monitoring.rates import Rates
from xautolm_core.monitoring.rates import carbon_grams
from xautolm_core.monitoring.rates import costs
from xautolm_core.monitoring.tally import BUCKETS_SECONDS
from xautolm_core.monitoring.tally import FORGOTTEN_TENANT
from xautolm_core.monitoring.tally import MILLION
from xautolm_core.monitoring.tally import Durations
from xautolm_core.monitoring.tally import Tally
from xautolm_core.records.outcome import Outcome

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from xautolm_core.monitoring.reading import StoreReading
    from xautolm_core.monitoring.searches import SearchTotals
    from xautolm_core.monitoring.store_totals import StoreTotals


REVISION_VARIABLE = "XAUTOLM_REVISION"
"""Commit that an image was built from; images set it."""


def build_info() -> dict[str, str]:
    """Return version and revision; the latter is ``unknown`` where it is not set."""
    return {"version": __version__, "revision": os.environ.get(REVISION_VARIABLE) or "unknown"}


def families_of(reading: StoreReading) -> Iterator[Metric]:
    """Yield the metric families of a reading; what was not read is absent."""
    yield InfoMetricFamily("xautolm_build", "What answers.", value=build_info())
    yield from _of_exporter(reading)
    if reading.store is not None:
        yield from _of_tally(reading.store.tally, reading.store.latest)
        yield from _of_rates(reading.store.tally, reading.rates)
        yield from _of_store(reading.store)
    if reading.searches is not None:
        yield from _of_searches(reading.searches)


def _of_exporter(reading: StoreReading) -> Iterator[Metric]:
    if reading.attempts:
        yield GaugeMetricFamily(
            "xautolm_store_up",
            "Whether store and workspace could be read at the last try.",
            value=0 if reading.problem else 1,
        )
    yield CounterMetricFamily(
        "xautolm_exporter_refresh_failures",
        "How often they could not be read since the exporter was started.",
        value=reading.failures,
    )
    if reading.read_at is not None:
        yield GaugeMetricFamily(
            "xautolm_exporter_last_refresh_timestamp_seconds",
            "When the store was last read: the totals are of then.",
            value=reading.read_at,
        )
        yield GaugeMetricFamily(
            "xautolm_exporter_last_refresh_duration_seconds",
            "How long that took.",
            value=reading.seconds,
        )


def _of_tally(tally: Tally, latest: Mapping[tuple[str, str], str]) -> Iterator[Metric]:
    trials = CounterMetricFamily(
        "xautolm_trials", "Attempts of trials that have ended.", labels=("tenant", "outcome")
    )
    for (tenant, outcome), count in sorted(_with_zeros(tally).items()):
        # From a count to one of those behind it: `xautolm store show ID`.
        identity = latest.get((tenant, outcome))
        exemplar = None if identity is None else Exemplar({"experience_id": identity}, 1.0)
        trials.add_metric((tenant, outcome), count, exemplar=exemplar)
    yield trials

    durations = HistogramMetricFamily(
        "xautolm_trial_duration_seconds",
        "Seconds of a trial, by phase.",
        labels=("tenant", "phase"),
    )
    for label, found in sorted(tally.durations.items()):
        durations.add_metric(label, _buckets(found), found.micros / MILLION)
    yield durations

    gpu = CounterMetricFamily(
        "xautolm_trial_gpu_seconds",
        "Seconds that trials held a GPU.",
        labels=("tenant", "accelerator"),
    )
    for label, micros in sorted(tally.gpu_micros.items()):
        gpu.add_metric(label, micros / MILLION)
    yield gpu

    energy = CounterMetricFamily(
        "xautolm_energy_joules",
        "Energy of trials, as far as it was read.",
        labels=("tenant", "component", "outcome", "source", "quality"),
    )
    for joules, micros in sorted(tally.microjoules.items()):
        energy.add_metric(tuple(joules), micros / MILLION)
    yield energy


def _of_rates(tally: Tally, rates: Rates) -> Iterator[Metric]:
    """Yield the families of carbon and cost; without its factor a family is absent."""
    if rates.methods:
        carbon = CounterMetricFamily(
            "xautolm_carbon_grams",
            f"CO2e of trials, from their energy and GPU time: {rates.carbon_in_words()}.",
            labels=("tenant", "method", "scope"),
        )
        for scope, grams in sorted(carbon_grams(tally, rates).items()):
            carbon.add_metric(scope, grams)
        yield carbon
    if rates.prices is not None:
        money = CounterMetricFamily(
            "xautolm_cost",
            f"What energy and GPU time of trials cost: {rates.prices.per_kwh:g} a kWh, "
            f"{rates.prices.per_gpu_hour:g} a GPU hour.",
            labels=("tenant", "currency"),
        )
        for label, amount in sorted(costs(tally, rates).items()):
            money.add_metric(label, amount)
        yield money


def _with_zeros(tally: Tally) -> dict[tuple[str, str], int]:
    """Return the trials with every outcome of each tenant, so that the first one is an increase."""
    tenants = {tenant for tenant, _ in tally.trials}
    zeros = {(t, o.value): 0 for t in tenants if t != FORGOTTEN_TENANT for o in Outcome}
    return zeros | dict(tally.trials)


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    bounds = [f"{bound:.1f}" for bound in BUCKETS_SECONDS] + ["+Inf"]
    total, found = 0, []
    for bound, count in zip(bounds, durations.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def _of_store(totals: StoreTotals) -> Iterator[Metric]:
    experiences = GaugeMetricFamily(
        "xautolm_store_experiences", "Experiences that are there.", labels=("tenant",)
    )
    for tenant, count in sorted(totals.experiences.items()):
        experiences.add_metric((tenant,), count)
    yield experiences
    yield GaugeMetricFamily(
        "xautolm_store_tail_experiences",
        "Experiences that no compaction has gathered yet.",
        value=totals.tail,
    )
    if totals.oldest_in_tail_at is not None:
        yield GaugeMetricFamily(
            "xautolm_store_tail_oldest_timestamp_seconds",
            "When the oldest of these was written.",
            value=totals.oldest_in_tail_at.timestamp(),
        )
    if totals.compacted_at is not None:
        yield GaugeMetricFamily(
            "xautolm_store_compaction_timestamp_seconds",
            "When a compaction has last written what the store holds.",
            value=totals.compacted_at.timestamp(),
        )
    yield GaugeMetricFamily(
        "xautolm_store_faults",
        "Faults of the store met since the exporter was started.",
        value=totals.faults,
    )


def _of_searches(totals: SearchTotals) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "xautolm_searches_active", "Searches of the workspace that run.", labels=("tenant",)
    )
    for tenant, count in sorted(totals.active.items()):
        active.add_metric((tenant,), count)
    yield active
    used = GaugeMetricFamily(
        "xautolm_search_budget_used_ratio",
        "Share of its budget that the furthest of these has used.",
        labels=("tenant",),
    )
    for tenant, share in sorted(totals.budget_used.items()):
        used.add_metric((tenant,), share)
    yield used
    warm = CounterMetricFamily(
        "xautolm_warm_start_experiences",
        "Experiences that searches of the workspace began with.",
        labels=("tenant", "disposition"),
    )
    for label, count in sorted(totals.warm_start.items()):
        warm.add_metric(label, count)
    yield warm
