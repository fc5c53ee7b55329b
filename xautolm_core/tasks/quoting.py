"""The user's setting for the double quotes in delimited text files."""

from __future__ import annotations

from enum import StrEnum


class Quoting(StrEnum):
    """What the double quotes in delimited text files are.

    ``auto`` finds out, ``quoted`` says that they enclose cells, ``none`` that they are text.
    """

    AUTO = "auto"
    QUOTED = "quoted"
    NONE = "none"


QUOTING_HELP = (
    "What double quotes in CSV and TSV files are: they enclose cells (quoted), are text (none), or "
    "the files show it (auto, the default)."
)
