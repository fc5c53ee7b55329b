"""A Green AI report: everything computed, nothing written yet."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from xautolm_core.outcomes import Outcome
from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.comparisons import Comparison
from xautolm_core.report.green.comparisons import comparisons_of
from xautolm_core.report.green.footprints import GreenFootprint
from xautolm_core.report.green.footprints import footprint_of
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
class Scope:
    """What a report is of.

    Attributes:
        title: In a few words.
        runs: Names of the run folders; empty if the store was asked.
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
        scope: What it is of.
        statement: What a reader has to know before any figure.
        attempts: All of them.
        searches: The latest first.
        basis: What joules are turned into grams with.
        energy: Of all attempts; None if nothing was read.
        wasted: Of those that came to nothing; None likewise.
        by_component: Component to joules.
        by_quality: Quality class to joules.
        by_source: Component and source to joules.
        by_outcome: Outcome to attempts.
        failures: Outcome and kind to attempts that did not end ok.
        by_hardware: Hardware to attempts.
        by_method: Model and method to attempts.
        flags: What was in the way of readings, to how many there are.
        footprint: Carbon, water and cost.
        comparisons: Searches of the same data.
        versions: Name of a software to the versions that trials ran with.
        csv: The table behind the report.
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
    comparisons: Sequence[Comparison]
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
        scope: What they were chosen by.
        basis: What joules are turned into grams with.
        runs: Search id to what its run folder tells.
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
