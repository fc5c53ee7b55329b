"""Finished searches in files, one each, so that an interrupted benchmark continues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Job:
    """One search: an arm on a task, from a store, with a number of workers."""

    table: str
    regime: str
    task: str
    seed: int
    arm: str
    workers: int = 1
    trials: int = 40

    def path(self, folder: Path) -> Path:
        """Return the file of its part."""
        name = f"{self.task}-{self.seed}-{self.workers}x{self.trials}.json"
        return folder / "parts" / self.table / self.regime / self.arm / name


@dataclass(frozen=True)
class Part:
    """The result of a search.

    Attributes:
        job: Which search.
        digest: Of the arm's options.
        setup_seconds: CPU seconds until the arm could be asked.
        wall_seconds: What the replay of the search took.
        columns: ``number``, ``outcome``, ``score``, ``seconds``, ``begin``, ``end``,
            ``sampler_ms``, ``branch``, ``model`` and predictions, by trial as they ended.
        error: Why it has no trials, if it has none.
    """

    job: Job
    digest: str
    setup_seconds: float
    wall_seconds: float
    columns: Mapping[str, list[Any]]
    error: str = ""

    def write(self, folder: Path) -> None:
        """Write the part's file, whole or not at all."""
        path = self.job.path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(path)


def read_part(path: Path) -> Part | None:
    """Return a part, or None if there is no readable one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Part(**{**content, "job": Job(**content["job"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_parts(folder: Path) -> Iterator[Part]:
    """Yield all parts of a folder in the order of their names."""
    for path in sorted((folder / "parts").glob("*/*/*/*.json")):
        part = read_part(path)
        if part is not None:
            yield part
