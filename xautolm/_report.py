"""The Green AI report: what searches used, wasted and emitted."""

from __future__ import annotations

import io
from collections.abc import Iterable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm._result import SearchResult
from xautolm._words import given_path
from xautolm._words import in_callers_words
from xautolm_core.errors import ConfigError
from xautolm_core.request.quantities import parse_duration

if TYPE_CHECKING:
    import pandas as pd

    from xautolm_core.experience.contract import ExperienceFilter
    from xautolm_core.experience.contract import Fault
    from xautolm_core.records.experience import Experience
    from xautolm_core.report.green.assumptions import Basis
    from xautolm_core.report.green.attempts import Attempt
    from xautolm_core.report.green.folder import GreenFiles
    from xautolm_core.report.green.green_report import GreenReport
    from xautolm_core.report.green.runs import RunFolder

Run = str | Path | SearchResult


class EnergyReport:
    """Energy, waste, carbon and cost of searches: computed, and nothing is written yet.

    Args:
        figures: All figures.
        skipped: What of the stores could not be read.

    Attributes:
        figures: See above.
        skipped: See above.
    """

    def __init__(self, figures: GreenReport, skipped: Sequence[Fault] = ()) -> None:
        self.figures = figures
        self.skipped = tuple(skipped)

    @property
    def document(self) -> dict[str, Any]:
        """The document of ``green-report.json``, which programs may rely on."""
        from xautolm_core.report.green.document import green_document

        return green_document(self.figures)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each attempt: the table that every figure is computed from."""
        import pandas as pd

        return pd.read_csv(io.StringIO(self.figures.csv))

    def save(self, folder: str | Path) -> GreenFiles:
        """Write page, document and table to a folder; return where they are.

        Raises:
            StoreError: A file cannot be written.
        """
        from xautolm_core.report.green.folder import write_green_report

        return write_green_report(self.figures, given_path(folder, "folder"))

    def __repr__(self) -> str:
        """Return what it is of, in a line."""
        made = self.figures
        energy = "no reading" if made.energy is None else f"{made.energy.joules:,.0f} J"
        return f"<EnergyReport {made.scope.title}: {len(made.attempts)} attempts, {energy}>"


def report(
    runs: Run | Sequence[Run] = (),
    *,
    store: str | Path | None = None,
    since: str | datetime | timedelta | None = None,
    tenant: str | None = None,
    task: str | None = None,
    assumptions: str | Path | None = None,
    zone: str | None = None,
    intensities: str | Path | None = None,
    grams_per_kwh: float | None = None,
    pue: float | None = None,
    prices: str | Sequence[str] = (),
) -> EnergyReport:
    """Report energy, waste, carbon and cost of searches.

    What could not be read is said as such, never as 0.

    Args:
        runs: Run folders, or results of searches; without any, the whole store is reported.
        store: The experience store; of runs, that of their searches if None.
        since: Only what ended within that time (``"30d"``), or since a date (``"2026-01-31"``).
        tenant: Only of this tenant.
        task: Only of this task.
        assumptions: YAML file with zone, PUE, hardware and prices; by default
            ``$XAUTOLM_ASSUMPTIONS``.
        zone: Zone of the grid, such as ``"DEU"``.
        intensities: Table of carbon intensities (CSV or JSON).
        grams_per_kwh: CO2e of a kWh, without a table.
        pue: Energy of the data centre over that of its machines.
        prices: ``"0.3EUR/kWh"``, ``"2.5EUR/gpuh"``.

    Returns:
        The report: ``document``, ``to_pandas()``, ``save(folder)``.

    Raises:
        ConfigError: An argument is wrong, a folder holds no run, or there is nothing to report.
        StoreError: There is no such store, or it cannot be read.

    Example:
        >>> xautolm.report("runs/reviews-20261122T101500Z", zone="DEU").document["energy"]
    """
    from xautolm_core.experience.contract import ExperienceFilter
    from xautolm_core.experience.keys import given_tenant
    from xautolm_core.request.basis import basis_of
    from xautolm_core.request.options import given_options

    now = datetime.now(UTC)
    if not isinstance(task, str | None):
        raise ConfigError(f"task: a {type(task).__name__} is no name", hint="Give a task's name")
    with in_callers_words():
        given = given_options(
            {
                "store": store,
                "tenant": tenant,
                "zone": zone,
                "intensities": intensities,
                "grams_per_kwh": grams_per_kwh,
                "pue": pue,
                "prices": prices,
            },
            command="report",
        )
        basis = basis_of(
            None if assumptions is None else given_path(assumptions, "assumptions"),
            zone=given.zone,
            intensities=given.intensities,
            grams_per_kwh=given.grams_per_kwh,
            pue=given.pue,
            prices=given.prices,
        )
        wanted = ExperienceFilter(
            tenant=None if given.tenant is None else given_tenant(given.tenant, "--tenant"),
            task_name=task,
            ended_from=None if since is None else start_of(since, now),
        )
        return report_with(basis, runs, given.store, wanted, now=now)


def report_with(
    basis: Basis,
    runs: Run | Sequence[Run],
    store: str | None = None,
    wanted: ExperienceFilter | None = None,
    *,
    now: datetime | None = None,
) -> EnergyReport:
    """Return the report with figures that were looked up already (see ``report``).

    Args:
        basis: What joules are turned into grams with.
        runs: Run folders, or results of searches; without any, the whole store is reported.
        store: The experience store.
        wanted: Which of its experiences; all if None.
        now: UTC; the present if None.

    Raises:
        ConfigError: A folder holds no run, or there is nothing to report.
        StoreError: There is no such store, or it cannot be read.
    """
    from xautolm_core.experience.contract import ExperienceFilter
    from xautolm_core.report.green.attempts import attempts_of
    from xautolm_core.report.green.green_report import Scope
    from xautolm_core.report.green.green_report import green_report
    from xautolm_core.report.green.runs import read_run

    asked = wanted or ExperienceFilter()
    folders = [read_run(folder) for folder in _folders(runs)]
    skipped: list[Fault] = []
    attempts = attempts_of(_experiences(folders, store, asked, skipped))
    if not attempts:
        raise ConfigError(
            "There are no trials to report" + _limits(asked),
            hint="Widen --since, --tenant or --task; xautolm store ls shows what there is",
        )
    names = tuple(folder.path.name for folder in folders)
    scope = Scope(
        title=_title(asked, attempts, names),
        runs=names,
        since=asked.ended_from,
        tenant=asked.tenant,
        task=asked.task_name,
        written_at=now or datetime.now(UTC),
    )
    figures = {f.spec.search_id: f.figures for f in folders if f.figures is not None}
    return EnergyReport(green_report(attempts, scope, basis, figures), skipped)


def start_of(since: object, now: datetime) -> datetime:
    """Return the time (UTC) from which on attempts are reported.

    Args:
        since: A duration before now (``30d``), or a date (``2026-01-31``).
        now: UTC.

    Raises:
        ConfigError: It is neither, or lies ahead.
    """
    found = since
    try:
        if isinstance(since, str):
            found = _written_time(since)
        if isinstance(found, timedelta):
            found = now - found
    except OverflowError:
        raise ConfigError(f"--since: '{since}' is too long ago", hint="Leave it out") from None
    if not isinstance(found, datetime):
        raise ConfigError(
            f"--since: a {type(since).__name__} is no time", hint="Write '30d' or '2026-01-31'"
        )
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if found > now:
        raise ConfigError(f"--since: {since} is still to come", hint="Give a date in the past")
    return found


def _written_time(text: str) -> datetime | timedelta:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return timedelta(seconds=parse_duration(text, "--since"))


def _folders(runs: Run | Sequence[Run]) -> list[Path]:
    several = runs if isinstance(runs, list | tuple) else [runs]
    return [
        run.out_folder if isinstance(run, SearchResult) else given_path(run, "runs").resolve()
        for run in several
    ]


def _experiences(
    folders: list[RunFolder], store: str | None, wanted: ExperienceFilter, skipped: list[Fault]
) -> Iterable[Experience]:
    """Yield the experiences of some searches, each from the store that it wrote to, or of a store.

    Args:
        folders: Of the searches; empty for all of a store.
        store: As given.
        wanted: What else they are chosen by.
        skipped: Gets what could not be read.
    """
    from dataclasses import replace

    from xautolm_core.experience.open import open_existing
    from xautolm_core.request.locations import store_location

    by_store: dict[str, set[str]] = {}
    for folder in folders:
        by_store.setdefault(store or folder.spec.store, set()).add(folder.spec.search_id)
    for location, searches in by_store.items() or [(store_location(store), set[str]())]:
        opened = open_existing(location)
        yield from opened.scan(replace(wanted, search_ids=frozenset(searches)))
        skipped += opened.faults


def _limits(wanted: ExperienceFilter) -> str:
    since = wanted.ended_from
    given = {
        "since": since.strftime("%Y-%m-%d %H:%M UTC") if since else None,
        "tenant": wanted.tenant,
        "task": wanted.task_name,
    }
    words = [f"{name} {value}" for name, value in given.items() if value]
    return f" ({', '.join(words)})" if words else ""


def _title(wanted: ExperienceFilter, attempts: list[Attempt], names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return names[0]
    tasks = sorted({attempt.task_name for attempt in attempts})
    if wanted.task_name or len(tasks) == 1:
        return tasks[0]
    return f"{len(tasks)} tasks" + (f" of {wanted.tenant}" if wanted.tenant else "")
