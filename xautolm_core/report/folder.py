"""The result folder: all files that a search writes for people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.report.document import front_by_time
from xautolm_core.report.document import front_entry
from xautolm_core.report.document import summary_document
from xautolm_core.report.model_card import write_model_card
from xautolm_core.report.page import report_page
from xautolm_core.report.trials_table import write_trials_table
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import PARETO_FILE
from xautolm_core.search.contract import REPORT_FILE
from xautolm_core.search.contract import SUMMARY_FILE
from xautolm_core.search.contract import TRIALS_FILE
from xautolm_core.search.result_file import write_result
from xautolm_core.whole_files import write_json
from xautolm_core.whole_files import write_text

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult


def write_result_folder(result: SearchResult) -> None:
    """Write ``pareto.json``, ``trials.parquet``, the report, the model card, result and summary.

    Each file is written atomically, the summary last: where there is one, the rest is complete.
    Writing again (after a resumed search) replaces what was there.

    Args:
        result: The result; the files go to its ``out_folder``.

    Raises:
        StoreError: A file cannot be written.
    """
    folder = result.out_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model_folder = folder / BEST_MODEL_FOLDER
        if result.best is not None and model_folder.is_dir():
            write_model_card(result, model_folder)
        write_json(folder / PARETO_FILE, [front_entry(result, r) for r in front_by_time(result)])
        write_trials_table(result, folder / TRIALS_FILE)
        write_text(folder / REPORT_FILE, report_page(result))
        write_result(result, folder)
        write_json(folder / SUMMARY_FILE, summary_document(result))
    except OSError as error:
        raise StoreError(
            f"cannot write the results to {folder}: {error.strerror or error}",
            hint="Make room or fix the permissions, then resume the search",
        ) from error
