"""Compute a Green AI report with its footprints and comparisons; nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from xautolm_core.energy.carbon import JOULES_PER_KWH
from xautolm_core.energy.carbon import Footprint
from xautolm_core.energy.carbon import footprint
from xautolm_core.energy.carbon import software_carbon_intensity
from xautolm_core.energy.cost import cost
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.searches import GreenSearch
from xautolm_core.report.green.searches import RunFigures
from xautolm_core.report.green.searches import searches_of
from xautolm_core.report.green.statement import first_lines
from xautolm_core.report.green.sums import AttemptGroup
from xautolm_core.report.green.sums import EnergySum
from xautolm_core.report.green.sums import attempts_by
from xautolm_core.report.green.sums import energy_of
from xautolm_core.report.green.sums import readings_by
from xautolm_core.report.green.sums import wasted
from xautolm_core.report.green.table import attempts_csv
from xautolm_core.report.green.table import sha256_of


@dataclass(frozen=True)
class UnitFigures:
    """Energy and carbon of one unit of work.

    Attributes:
        unit: Name of the unit.
        count: Number of units in the report.
        joules: Per unit; None if nothing was metered, or there is no unit.
        operational_grams: CO2e per unit, location-based; None if the zone is unknown.
        sci_grams: ``((E * I) + M) / R`` of ISO/IEC 21031:2024; None without the embodied part.
    """

    unit: str
    count: int
    joules: float | None
    operational_grams: float | None
    sci_grams: float | None


@dataclass(frozen=True)
class GreenFootprint:
    """Carbon, water and cost of some attempts.

    Attributes:
        carbon: None if nothing was metered or the zone is unknown.
        water_litres: None likewise, or without WUE.
        cost: None without prices; without readings, only if nothing but time has a price.
        machine_seconds: Machine time used, the base of embodied carbon.
        gpu_seconds: GPU time used.
        units: Figures by functional unit.
    """

    carbon: Footprint | None
    water_litres: float | None
    cost: float | None
    machine_seconds: float
    gpu_seconds: float
    units: Sequence[UnitFigures]


def footprint_of(attempts: Sequence[Attempt], basis: Basis, *, models: int) -> GreenFootprint:
    """Return the footprint of attempts.

    Args:
        attempts: All attempts of the report.
        basis: Factors that convert joules.
        models: Number of searches that chose a model.
    """
    energy = energy_of(attempts)
    machine_seconds = sum(attempt.machine_seconds for attempt in attempts)
    gpu_seconds = sum(attempt.gpu_seconds for attempt in attempts)
    pue = basis.pue or 1.0
    carbon = None
    if energy is not None and basis.location is not None:
        carbon = footprint(
            energy.joules,
            location=basis.location,
            market=basis.market,
            pue=basis.pue,
            hardware=basis.embodied,
            seconds=machine_seconds,
            uncertainty=energy.uncertainty,
        )
    kwh = None if energy is None else energy.joules / JOULES_PER_KWH
    wue = basis.wue_litres_per_kwh
    evaluated = sum(attempt.is_evaluated for attempt in attempts)
    joules = None if energy is None else energy.joules
    return GreenFootprint(
        carbon=carbon,
        water_litres=None if kwh is None or wue is None else kwh * wue,
        cost=_cost(joules, gpu_seconds, basis, pue),
        machine_seconds=machine_seconds,
        gpu_seconds=gpu_seconds,
        units=[
            _unit("evaluated pipeline", evaluated, joules, carbon),
            _unit("chosen model", models, joules, carbon),
        ],
    )


def _unit(unit: str, count: int, joules: float | None, carbon: Footprint | None) -> UnitFigures:
    if not count:
        return UnitFigures(unit, 0, None, None, None)
    return UnitFigures(
        unit,
        count,
        None if joules is None else joules / count,
        None if carbon is None else carbon.location_grams / count,
        None
        if carbon is None
        else software_carbon_intensity(carbon.location_grams, carbon.embodied_grams, count),
    )


def _cost(joules: float | None, gpu_seconds: float, basis: Basis, pue: float) -> float | None:
    prices = basis.prices
    if prices is None or (joules is None and prices.per_kwh > 0):
        return None
    return cost(joules or 0.0, gpu_seconds, prices, pue=pue)


@dataclass(frozen=True)
class SearchComparison:
    """Two searches of the same data.

    Attributes:
        earlier: Search id of the one that ended first.
        later: Search id of the other.
        joules_difference: Of the later one minus the earlier one; None if one has no reading.
        score_difference: Likewise of the winners' score on validation; None if one has no winner.
        is_clear: Whether the energy differs by more than both intervals together allow.
        obstacles: Reasons why the comparison is not exact; empty if there are none.
    """

    earlier: str
    later: str
    joules_difference: float | None
    score_difference: float | None
    is_clear: bool
    obstacles: tuple[str, ...]


def comparisons_of(searches: Sequence[GreenSearch], *, at_most: int = 20) -> list[SearchComparison]:
    """Return each search beside the one of the same data before it, the latest first.

    Args:
        searches: In any order.
        at_most: Most comparisons to return.
    """
    by_data: dict[tuple[str, str], list[GreenSearch]] = {}
    for search in sorted(searches, key=lambda s: s.ended_at):
        by_data.setdefault((search.tenant, search.task_fingerprint), []).append(search)
    pairs = [(one, other) for group in by_data.values() for one, other in pairwise(group)]
    pairs.sort(key=lambda pair: pair[1].ended_at, reverse=True)
    return [_compare(one, other) for one, other in pairs[:at_most]]


def _compare(earlier: GreenSearch, later: GreenSearch) -> SearchComparison:
    one, other = earlier.energy, later.energy
    is_clear = False
    joules = None
    if one is not None and other is not None:
        joules = other.joules - one.joules
        is_clear = one.high_joules < other.low_joules or other.high_joules < one.low_joules
    score = None
    if earlier.winner is not None and later.winner is not None:
        score = (later.winner.score or 0.0) - (earlier.winner.score or 0.0)
    return SearchComparison(
        earlier.search_id,
        later.search_id,
        joules,
        score,
        is_clear,
        tuple(_obstacles(earlier, later)),
    )


def _obstacles(one: GreenSearch, other: GreenSearch) -> list[str]:
    found = []
    if one.hardware != other.hardware:
        found.append("different hardware")
    if _sources(one) != _sources(other):
        found.append("metered by different sources")
    if one.unmetered or other.unmetered:
        found.append("some attempts have no reading")
    if one.trials != other.trials:
        found.append(f"{one.trials} and {other.trials} trials")
    return found


def _sources(search: GreenSearch) -> frozenset[str]:
    return frozenset(r.source for attempt in search.attempts for r in attempt.energy)


@dataclass(frozen=True)
class Scope:
    """The selection of a report, in words.

    Attributes:
        title: In a few words.
        runs: Names of the run folders; empty if the report is of a store.
        since: Attempts that ended from then on (UTC); None for all.
        tenant: None for all.
        task: None for all.
        written_at: UTC.
    """

    title: str
    runs: tuple[str, ...]
    since: datetime | None
    tenant: str | None
    task: str | None
    written_at: datetime


@dataclass(frozen=True)
class GreenReport:
    """A report.

    Attributes:
        scope: The selection.
        statement: Limits of the figures, shown first.
        attempts: All of them.
        searches: The latest first.
        basis: Factors that convert joules.
        energy: Of all attempts; None if nothing was metered.
        wasted: Of attempts that did not end ok; None likewise.
        by_component: Component to joules.
        by_quality: Quality class to joules.
        by_source: Component and source to joules.
        by_outcome: Outcome to attempts.
        failures: Outcome and kind to attempts that did not end ok.
        by_hardware: Hardware to attempts.
        by_method: Model and method to attempts.
        flags: Flag of readings to number of readings with it.
        footprint: Carbon, water and cost.
        comparisons: Searches of the same data.
        versions: Name of a software to the versions that trials ran with.
        csv: The table that the report is computed from.
        data_sha256: Its SHA-256.
    """

    scope: Scope
    statement: Sequence[str]
    attempts: Sequence[Attempt]
    searches: Sequence[GreenSearch]
    basis: Basis
    energy: EnergySum | None
    wasted: EnergySum | None
    by_component: Mapping[str, EnergySum]
    by_quality: Mapping[str, EnergySum]
    by_source: Mapping[tuple[str, str], EnergySum]
    by_outcome: Mapping[Outcome, AttemptGroup]
    failures: Mapping[tuple[Outcome, str], AttemptGroup]
    by_hardware: Mapping[str, AttemptGroup]
    by_method: Mapping[tuple[str, str], AttemptGroup]
    flags: Mapping[str, int]
    footprint: GreenFootprint
    comparisons: Sequence[SearchComparison]
    versions: Mapping[str, Sequence[str]]
    csv: str
    data_sha256: str


def green_report(
    attempts: Sequence[Attempt],
    scope: Scope,
    basis: Basis,
    runs: Mapping[str, RunFigures] | None = None,
) -> GreenReport:
    """Return the report of some attempts.

    Args:
        attempts: In order (see ``attempts_of``).
        scope: The selection.
        basis: Factors that convert joules.
        runs: Search id to the figures of its run folder.
    """
    searches = searches_of(attempts, runs)
    by_quality = readings_by(attempts, lambda reading: str(reading.quality))
    failed = wasted(attempts)
    table = attempts_csv(attempts)
    chosen = sum(search.winner is not None for search in searches)
    return GreenReport(
        scope=scope,
        statement=first_lines(attempts, by_quality, basis),
        attempts=attempts,
        searches=searches,
        basis=basis,
        energy=energy_of(attempts),
        wasted=energy_of(failed),
        by_component=readings_by(attempts, lambda reading: str(reading.component)),
        by_quality=by_quality,
        by_source=readings_by(attempts, lambda r: (str(r.component), r.source)),
        by_outcome=attempts_by(attempts, lambda attempt: attempt.outcome),
        failures=attempts_by(failed, lambda attempt: (attempt.outcome, attempt.failure_kind)),
        by_hardware=attempts_by(attempts, lambda attempt: attempt.hardware),
        by_method=attempts_by(attempts, lambda attempt: (attempt.model, attempt.method)),
        flags=_flags(attempts),
        footprint=footprint_of(attempts, basis, models=chosen),
        comparisons=comparisons_of(searches),
        versions=_versions(attempts),
        csv=table,
        data_sha256=sha256_of(table),
    )


def _flags(attempts: Sequence[Attempt]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for attempt in attempts:
        for reading in attempt.energy:
            for flag in reading.flags:
                counts[flag] = counts.get(flag, 0) + 1
    return dict(sorted(counts.items()))


def _versions(attempts: Sequence[Attempt]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for attempt in attempts:
        for name, version in attempt.versions:
            found.setdefault(name, set()).add(version)
    return {name: sorted(versions) for name, versions in sorted(found.items())}
