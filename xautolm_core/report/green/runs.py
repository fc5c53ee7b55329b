"""Reading what run folders add to the experiences of their searches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.report.green.searches import RunFigures
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SUMMARY_FILE
from xautolm_core.search.contract import SearchSpec


@dataclass(frozen=True)
class RunFolder:
    """A run folder.

    Attributes:
        path: The folder.
        spec: What its search was asked.
        figures: What it came to; None while it has no summary.
    """

    path: Path
    spec: SearchSpec
    figures: RunFigures | None


def read_run(path: Path) -> RunFolder:
    """Return what a run folder tells.

    Raises:
        ConfigError: It holds no search, or its summary cannot be read.
    """
    try:
        spec = SearchSpec.model_validate_json((path / SEARCH_FILE).read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} holds no search ({SEARCH_FILE}: {error.strerror or error})",
            hint="Give the folder that xautolm search named at its end",
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{path / SEARCH_FILE} cannot be read as a search", hint="Give another run folder"
        ) from error
    summary = path / SUMMARY_FILE
    if not summary.exists():
        return RunFolder(path, spec, None)
    try:
        content = json.loads(summary.read_bytes())
        figures = _figures(path, content)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{summary} cannot be read ({type(error).__name__})",
            hint=f"Write it again: xautolm search --resume {path}",
        ) from error
    return RunFolder(path, spec, figures)


def _figures(path: Path, content: Mapping[str, Any]) -> RunFigures:
    best, test, compared = (content.get(name) for name in ("best", "test", "comparison"))
    number = int(best["trial"]) if best else None
    found: dict[int, float | None] = {}
    if compared:
        found[int(compared["language_model"])] = _number(compared["language_model_score"])
        found[int(compared["cheap"])] = _number(compared["cheap_score"])
    if number is not None and test:
        found[number] = _number(next(iter(test.values()), None))
    scores = {trial: score for trial, score in found.items() if score is not None}
    return RunFigures(folder=path, best=number, test_scores=scores)


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]
