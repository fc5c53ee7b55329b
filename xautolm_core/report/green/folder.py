"""The files of a Green AI report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xautolm_core.errors import StoreError
from xautolm_core.report.green.document import green_document
from xautolm_core.report.green.green_report import GreenReport
from xautolm_core.report.green.page import green_page
from xautolm_core.whole_files import to_json
from xautolm_core.whole_files import write_text

PAGE_FILE = "green-report.html"
DOCUMENT_FILE = "green-report.json"
TABLE_FILE = "green-report.csv"


@dataclass(frozen=True)
class GreenFiles:
    """The files of a written report.

    Attributes:
        page: HTML, for people.
        document: JSON, for programs.
        table: CSV that both are computed from.
    """

    page: Path
    document: Path
    table: Path


def write_green_report(report: GreenReport, folder: Path) -> GreenFiles:
    """Write page, document and table, each atomically, the page last.

    Args:
        report: The report.
        folder: Created if missing; files of an earlier report are replaced.

    Raises:
        StoreError: A file cannot be written.
    """
    files = GreenFiles(folder / PAGE_FILE, folder / DOCUMENT_FILE, folder / TABLE_FILE)
    page, document = green_page(report), to_json(green_document(report))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(files.table, report.csv)
        write_text(files.document, document)
        write_text(files.page, page)
    except OSError as error:
        raise StoreError(
            f"cannot write the report to {folder}: {error.strerror or error}",
            hint="Make room, fix the permissions or give another folder with --out",
        ) from error
    return files
