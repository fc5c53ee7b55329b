"""Why a trial did not end ok."""

from __future__ import annotations

from xautolm_core.records.base import Record


class Failure(Record):
    """Why a trial did not end ok. Carries no data of the task.

    Attributes:
        kind: Class name of the error, or the signal or limit that ended the trial.
        message: One line, scrubbed of texts and paths.
        traceback_hash: Digest of the files and functions of the stack, to find equal faults.
    """

    kind: str
    message: str = ""
    traceback_hash: str = ""
