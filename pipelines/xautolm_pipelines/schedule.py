"""Schedules: a recurring run under a name, created once and replaced when anything changes.

The API can neither change a recurring run nor swap two in one step. A schedule is therefore the
newest recurring run with its name and a marker in its description; the marker holds a digest of
everything that makes it up, and a generation that says which is the newest whatever the clocks.

Replacing creates the new one, which fires from then on, then disables and deletes the others. So
after a kill at any moment there is at least one that fires. If the kill falls between the first
two steps, both fire until the same command (or any later one for this name) runs to its end;
``--list`` says so. The other order would leave none, and nobody would notice. Ctrl-C and SIGTERM
wait for the end of a replacement, an answer that is lost is looked for, and what is safe to repeat
is repeated.
"""

import contextlib
import hashlib
import json
import re
import signal
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from enum import StrEnum
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_pipelines.client import DEFAULT_EXPERIMENT
from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.package import Package
from xautolm_pipelines.runs import RecurringRun
from xautolm_pipelines.transport import PipelinesApiError
from xautolm_pipelines.when import When

_MARKER = re.compile(
    r"xautolm-schedule/1 pipeline=(?P<pipeline>\S+) digest=(?P<digest>[0-9a-f]{64}) "
    r"generation=(?P<generation>[0-9]{1,9})"
)
_EPOCH = datetime.fromtimestamp(0, UTC)
_LONGEST_NAME = 100


class Change(StrEnum):
    """What ``apply`` did."""

    CREATED = "created"
    REPLACED = "replaced"
    ENABLED = "enabled"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Schedule:
    """What to run, and when.

    Attributes:
        name: Its name, unique in the namespace.
        package: The pipeline.
        parameters: Checked parameters.
        when: When it fires.
        experiment: The experiment of its runs.
        max_concurrency: Number of its runs at the same time; 1, as retrainings must not overlap.
        no_catchup: Leave out the times that were missed.
        service_account: Kubernetes service account of the pods, or None.
        pipeline_root: Where artifacts go, or None.
    """

    name: str
    package: Package
    parameters: Mapping[str, Any]
    when: When
    experiment: str = DEFAULT_EXPERIMENT
    max_concurrency: int = 1
    no_catchup: bool = True
    service_account: str | None = None
    pipeline_root: str | None = None

    def digest(self) -> str:
        """Return SHA-256 of everything that makes up the schedule, in hexadecimal."""
        parts = {
            "package": self.package.digest,
            "pipeline": self.package.name,
            "parameters": self.parameters,
            "cron": self.when.cron,
            "every_seconds": self.when.every_seconds,
            "experiment": self.experiment,
            "max_concurrency": self.max_concurrency,
            "no_catchup": self.no_catchup,
            "service_account": self.service_account,
            "pipeline_root": self.pipeline_root,
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Marked:
    """A recurring run that is, or was, a schedule.

    Attributes:
        run: The recurring run.
        pipeline: Name of its pipeline.
        digest: Digest of what it runs.
        generation: Counts the replacements.
    """

    run: RecurringRun
    pipeline: str
    digest: str
    generation: int

    @property
    def age(self) -> tuple[int, datetime, str]:
        """Sort key of the recurring runs of one name, the same for every client."""
        created = self.run.created_at or _EPOCH
        if created.tzinfo is None:
            created = created.replace(tzinfo=UTC)
        return self.generation, created, self.run.id


@dataclass(frozen=True)
class Applied:
    """What was done.

    Attributes:
        change: What was done to the schedule.
        current: The recurring run that is the schedule now.
        removed: Number of older ones that were deleted.
        is_ours: False if somebody else replaced the schedule at the same time, and won.
    """

    change: Change
    current: RecurringRun
    removed: int
    is_ours: bool


def apply(client: PipelinesClient, schedule: Schedule) -> Applied:
    """Create a schedule, or replace it if anything of it has changed.

    Safe to repeat, also after a kill and concurrently: the newest wins.

    Raises:
        ConfigError: The name is malformed.
        PipelinesApiError: The server refused something or does not answer.
    """
    _check_name(schedule.name)
    with _undisturbed():
        return _apply(client, schedule)


def _apply(client: PipelinesClient, schedule: Schedule) -> Applied:
    digest = schedule.digest()
    found = marked(client.recurring_runs(schedule.name))
    change = Change.UNCHANGED
    if not found or found[-1].digest != digest:
        change = Change.REPLACED if found else Change.CREATED
        generation = found[-1].generation + 1 if found else 1
        try:
            _create(client, schedule, digest, generation)
        except PipelinesApiError as error:
            # Only the answer may be lost; what was created must not stay beside the old one.
            if not error.is_transient or not _is_made(client, schedule.name, digest, generation):
                raise
        found = marked(client.recurring_runs(schedule.name))
        if not found:
            raise ConfigError(
                f"the schedule '{schedule.name}' was deleted while it was created",
                hint="Run the command again if it is wanted",
            )
    current = found[-1]
    if not current.run.enabled:
        client.enable(current.run.id)
        change = Change.ENABLED if change is Change.UNCHANGED else change
    _remove(client, found[:-1])
    return Applied(
        change=change,
        current=current.run,
        removed=len(found) - 1,
        is_ours=current.digest == digest,
    )


def delete(client: PipelinesClient, name: str) -> int:
    """Delete a schedule with everything that belongs to it; return the number of recurring runs.

    Raises:
        ConfigError: There is no schedule with this name.
        PipelinesApiError: The server refused something or does not answer.
    """
    found = marked(client.recurring_runs(name))
    if not found:
        raise ConfigError(
            f"there is no schedule '{name}'", hint="xautolm pipeline schedule --list lists them"
        )
    _remove(client, found)
    return len(found)


def schedules(client: PipelinesClient) -> list[tuple[Marked, bool]]:
    """Return all marked recurring runs by name, each with whether it is the current one."""
    found = marked(client.recurring_runs())
    newest = {one.run.name: one for one in found}
    ordered = sorted(found, key=lambda one: (one.run.name, one.age))
    return [(one, newest[one.run.name] is one) for one in ordered]


def marked(runs: Sequence[RecurringRun]) -> list[Marked]:
    """Return those recurring runs that schedules made, the newest last; others are left alone."""
    found = []
    for run in runs:
        match = _MARKER.search(run.description)
        if match is not None:
            generation = int(match["generation"])
            found.append(Marked(run, match["pipeline"], match["digest"], generation))
    return sorted(found, key=lambda one: one.age)


def _create(client: PipelinesClient, schedule: Schedule, digest: str, generation: int) -> None:
    marker = (
        f"xautolm-schedule/1 pipeline={_one_word(schedule.package.name)} "
        f"digest={digest} generation={generation}"
    )
    client.create_recurring_run(
        schedule.package,
        schedule.parameters,
        name=schedule.name,
        description=f"Created by xautolm pipeline schedule, which replaces it. {marker}",
        when=schedule.when,
        experiment=schedule.experiment,
        max_concurrency=schedule.max_concurrency,
        no_catchup=schedule.no_catchup,
        service_account=schedule.service_account,
        pipeline_root=schedule.pipeline_root,
    )


def _is_made(client: PipelinesClient, name: str, digest: str, generation: int) -> bool:
    found = marked(client.recurring_runs(name))
    return any(one.digest == digest and one.generation >= generation for one in found)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM: requests have time limits, so the delay is bounded."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _remove(client: PipelinesClient, runs: Sequence[Marked]) -> None:
    # All are stopped before the first is deleted: one that fires twice costs more than a leftover.
    for one in runs:
        if one.run.enabled:
            client.disable(one.run.id)
    for one in runs:
        client.delete(one.run.id)


def _one_word(text: str) -> str:
    return "-".join(text.split())


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ConfigError(
            f"--name: a schedule's name has 1 to {_LONGEST_NAME} printable characters",
            hint="Give for example --name weekly-retraining",
        )
