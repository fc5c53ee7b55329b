"""A search's result as one file, from which reports are written where the search is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.test_report import AnyTestReport
from xautolm_core.validation import first_problem
from xautolm_core.whole_files import write_json

RESULT_FILE = "search-result.json"
_ADAPTER = TypeAdapter(SearchResult)


def write_result(result: SearchResult, folder: Path) -> Path:
    """Write a result to a folder, all or nothing; return the file."""
    path = folder / RESULT_FILE
    write_json(path, _ADAPTER.dump_python(result, mode="json"))
    return path


def read_result(folder: Path, *, test: AnyTestReport | None = None) -> SearchResult:
    """Return the result that a folder holds, with that folder as its run folder.

    Args:
        folder: Where ``write_result`` wrote it.
        test: What was found on the test split since; takes the place of what the result says.

    Raises:
        ConfigError: There is none, or it is not whole.
    """
    path = folder / RESULT_FILE
    try:
        result = _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{folder} holds no result of a search ({RESULT_FILE}: {error.strerror or error})",
            hint="Name the folder that the search step wrote",
        ) from error
    except ValidationError as error:
        raise ConfigError(
            f"{path} is no result of a search: {first_problem(error)}",
            hint="Run the search again with this version of xautolm",
        ) from error
    return replace(result, out_folder=folder, test=test or result.test)
