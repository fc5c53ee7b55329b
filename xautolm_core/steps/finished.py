"""A finished search as later steps see it: its result folder, with what the test split said."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import LaunchError
from xautolm_core.report.document import chosen_trial
from xautolm_core.search.test_report import AnyTestReport

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

_ADAPTER: TypeAdapter[AnyTestReport] = TypeAdapter(AnyTestReport)


def read_finished(result_folder: str, test_file: str = "") -> SearchResult:
    """Return the result of a search, with its test report.

    Args:
        result_folder: What the search step wrote.
        test_file: What the evaluation step wrote; empty if there was none.

    Raises:
        ConfigError: One of them is not what it should be.
    """
    from xautolm_core.search.result_file import read_result

    return read_result(Path(result_folder), test=_read_test(test_file) if test_file else None)


@contextmanager
def finished_folder(result_folder: str, test_file: str = "") -> Iterator[Path]:
    """Give a copy of a result folder in which report, card and summary know the test report.

    Raises:
        ConfigError: One of them is not what it should be.
        StoreError: The copy cannot be written.
    """
    from xautolm_core.report.folder import write_result_folder

    with tempfile.TemporaryDirectory(prefix="xautolm-result-") as name:
        folder = Path(name) / "run"
        shutil.copytree(result_folder, folder)
        write_result_folder(read_finished(str(folder), test_file))
        yield folder


def require_model(result: SearchResult) -> TrialRecord:
    """Return the chosen trial of a search.

    Raises:
        LaunchError: No trial gave a model.
    """
    best = chosen_trial(result)
    if best is not None:
        return best
    counts = ", ".join(f"{outcome.value} {n}" for outcome, n in sorted(result.outcomes.items()))
    raise LaunchError(
        f"No trial gave a model: {counts or 'none was started'}",
        hint="Allow more time or memory, or another space; the report says how trials ended",
    )


def _read_test(file: str) -> AnyTestReport:
    try:
        return _ADAPTER.validate_json(Path(file).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{file} is no report of an evaluation", hint="Run the evaluation again"
        ) from error
