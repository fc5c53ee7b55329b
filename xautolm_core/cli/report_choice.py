"""Select the attempts of a report: those of run folders, or of a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.cli.store_options import open_existing
from xautolm_core.cli.store_options import open_there
from xautolm_core.cli.store_options import report_faults
from xautolm_core.errors import ConfigError
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.attempts import attempts_of
from xautolm_core.report.green.green_report import GreenReport
from xautolm_core.report.green.green_report import Scope
from xautolm_core.report.green.green_report import green_report
from xautolm_core.report.green.runs import RunFolder
from xautolm_core.report.green.runs import read_run
from xautolm_core.report.green.searches import RunFigures
from xautolm_core.request.quantities import parse_duration

if TYPE_CHECKING:
    from xautolm_core.records.experience import Experience
    from xautolm_core.report.green.assumptions import Basis


@dataclass(frozen=True)
class Choice:
    """The selection of a report.

    Attributes:
        folders: Run folders; empty for a store.
        store: As given; of run folders, that of their searches if None.
        since: Attempts that ended from then on (UTC).
        tenant: None for all.
        task: None for all.
    """

    folders: tuple[Path, ...]
    store: str | None = None
    since: datetime | None = None
    tenant: str | None = None
    task: str | None = None


@dataclass(frozen=True)
class Chosen:
    """The selected attempts.

    Attributes:
        attempts: In the order of the report.
        runs: Search id to the figures of its run folder.
        scope: The selection in words, for the report.
    """

    attempts: list[Attempt]
    runs: dict[str, RunFigures]
    scope: Scope


def parse_since(text: str, now: datetime) -> datetime:
    """Return a time (UTC) from a duration before now (``30d``) or a date (``2026-01-31``).

    Raises:
        ConfigError: It is neither, or lies in the future.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            return now - timedelta(seconds=parse_duration(text, "--since"))
        except OverflowError:
            raise ConfigError(f"--since: '{text}' is too long ago", hint="Leave it out") from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if found > now:
        raise ConfigError(f"--since: {text} is still to come", hint="Give a date in the past")
    return found


def chosen_attempts(choice: Choice, now: datetime) -> Chosen:
    """Return the attempts that a report is about.

    Args:
        choice: The selection.
        now: UTC.

    Raises:
        ConfigError: A folder holds no run, or nothing is left to report.
        StoreError: There is no such store.
    """
    folders = [read_run(folder) for folder in choice.folders]
    experiences = _of_runs(folders, choice) if folders else _of_store(choice)
    attempts = attempts_of(experiences)
    if not attempts:
        raise ConfigError(
            "There are no trials to report" + _limits(choice),
            hint="Widen --since, --tenant or --task; xautolm store ls shows what there is",
        )
    names = tuple(folder.path.name for folder in folders)
    scope = Scope(
        title=_title(choice, attempts, names),
        runs=names,
        since=choice.since,
        tenant=choice.tenant,
        task=choice.task,
        written_at=now,
    )
    runs = {f.spec.search_id: f.figures for f in folders if f.figures is not None}
    return Chosen(attempts, runs, scope)


def report_on(choice: Choice, basis: Basis, now: datetime) -> GreenReport:
    """Return the report of a selection.

    Args:
        choice: The selection.
        basis: What joules are turned into grams with.
        now: UTC.

    Raises:
        ConfigError: A folder holds no run, or nothing is left to report.
        StoreError: There is no such store.
    """
    found = chosen_attempts(choice, now)
    return green_report(found.attempts, found.scope, basis, found.runs)


def _of_runs(folders: list[RunFolder], choice: Choice) -> Iterable[Experience]:
    """Yield the experiences of some searches, each from the store that it wrote to."""
    from xautolm_core.experience.contract import ExperienceFilter

    by_store: dict[str, set[str]] = {}
    for folder in folders:
        by_store.setdefault(choice.store or folder.spec.store, set()).add(folder.spec.search_id)
    for location, searches in by_store.items():
        opened = open_there(location)
        wanted = ExperienceFilter(
            search_ids=frozenset(searches),
            tenant=choice.tenant,
            task_name=choice.task,
            ended_from=choice.since,
        )
        yield from opened.scan(wanted)
        report_faults(opened)


def _of_store(choice: Choice) -> Iterable[Experience]:
    from xautolm_core.experience.contract import ExperienceFilter

    opened = open_existing(choice.store)
    wanted = ExperienceFilter(tenant=choice.tenant, task_name=choice.task, ended_from=choice.since)
    yield from opened.scan(wanted)
    report_faults(opened)


def _limits(choice: Choice) -> str:
    given = {
        "since": choice.since.strftime("%Y-%m-%d %H:%M UTC") if choice.since else None,
        "tenant": choice.tenant,
        "task": choice.task,
    }
    words = [f"{name} {value}" for name, value in given.items() if value]
    return f" ({', '.join(words)})" if words else ""


def _title(choice: Choice, attempts: list[Attempt], names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return names[0]
    tasks = sorted({attempt.task_name for attempt in attempts})
    if choice.task or len(tasks) == 1:
        return tasks[0]
    return f"{len(tasks)} tasks" + (f" of {choice.tenant}" if choice.tenant else "")
