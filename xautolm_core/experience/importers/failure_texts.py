"""From the text of a foreign failure to its outcome.

The same as a trial of ours says of the same exceptions: faults of files, of the hub or of the
container say nothing about the configuration; what a model or a method raises means that the
configuration cannot run.
"""

from __future__ import annotations

import re

from xautolm_core.experience.messages import scrub_foreign_message
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.storage_faults import told_storage_fault

NOT_RECORDED = "NotRecorded"
"""Kind of a failure without a recorded cause."""

UNCLASSIFIED = "Unclassified"
"""Kind of a failure whose text matches none of the patterns."""

_PATTERNS = (
    (
        r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError|"
        r"CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED",
        Outcome.OOM_GPU,
        "OutOfMemoryError",
    ),
    (r"exceeded allowed time|time ?limit exceeded", Outcome.TIMEOUT, "TimeoutError"),
    (
        r"\bMemoryError\b|exceeded allowed memory|DefaultCPUAllocator|not enough memory|"
        r"cannot allocate memory",
        Outcome.OOM_HOST,
        "MemoryError",
    ),
    (r"out of shared memory|Bus error", Outcome.INFRA, "BusError"),
    (
        r"Can't load (?:the )?(?:tokenizer|config\w*|model|image processor)|"
        r"Unable to load weights|gated repo|is not a local folder|"
        r"couldn't connect|connection error|max retries",
        Outcome.INFRA,
        "OSError",
    ),
    (
        r"(?:loss|gradient|probability tensor|input)\b.{0,40}\b(?:nan|inf)\b|contains NaN",
        Outcome.DIVERGED,
        "FloatingPointError",
    ),
)
_COMPILED = tuple((re.compile(p, re.IGNORECASE), outcome, kind) for p, outcome, kind in _PATTERNS)
_LOOKED_AT_CHARACTERS = 2_000


def classify_failure(text: str | None) -> tuple[Outcome, Failure]:
    """Return outcome and failure of the text of an exception.

    A cause that is not recorded, or that nothing is known of, is ``invalid``: the configuration
    was tried and did not reach a score.

    Args:
        text: As it was raised; None or empty if it was not recorded.
    """
    if text is None or not text.strip():
        failure = Failure(kind=NOT_RECORDED, message="the cause was not recorded")
        return Outcome.INVALID, failure
    # A message may be of any length; the cause is at its beginning.
    text = text[:_LOOKED_AT_CHARACTERS]
    otherwise = (Outcome.INVALID, UNCLASSIFIED)
    if told_storage_fault(text) is not None:
        otherwise = (Outcome.INFRA, "OSError")
    outcome, kind = next(
        ((outcome, kind) for pattern, outcome, kind in _COMPILED if pattern.search(text)), otherwise
    )
    return outcome, Failure(kind=kind, message=scrub_foreign_message(text))
