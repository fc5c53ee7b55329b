"""Names and labels of Jobs: always the same for the same attempt."""

from __future__ import annotations

import hashlib
import re

from xautolm_core.errors import LaunchError
from xautolm_core.trial.contract import TrialSpec

STUDY_LABEL = "xautolm.io/study"
TRIAL_LABEL = "xautolm.io/trial"
TASK_LABEL = "xautolm.io/task"
SEARCH_ANNOTATION = "xautolm.io/search-id"
ATTEMPT_ANNOTATION = "xautolm.io/attempt"
# Both names are set by the Job controller; the prefixed one since Kubernetes 1.27.
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
JOB_UID_LABEL = "batch.kubernetes.io/controller-uid"

# Of a label's value, and of a Job's name, because it becomes one.
LONGEST_NAME = 63


def study_name(search_id: str) -> str:
    """Return eight hexadecimal digits that stand for a search."""
    return hashlib.sha256(search_id.encode()).hexdigest()[:8]


def trial_name(trial_number: int) -> str:
    """Return the trial's number, with four digits at least."""
    return f"{trial_number:04d}"


def job_name(spec: TrialSpec) -> str:
    """Return ``xlm-<study>-<trial>-<attempt>``: at most 63 characters, as DNS-1123 wants it.

    Raises:
        LaunchError: Trial or attempt have dozens of digits.
    """
    study, trial = study_name(spec.search_id), trial_name(spec.trial_number)
    name = f"xlm-{study}-{trial}-{spec.attempt}"
    if len(name) > LONGEST_NAME:
        raise LaunchError(f"the Job's name {name} is longer than {LONGEST_NAME} characters")
    return name


def label_value(text: str) -> str:
    """Return a text as a label's value; empty if nothing of it may stand there."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:LONGEST_NAME]
    return plain.strip("-_.")


def search_selector(search_id: str) -> str:
    """Return the selector of all Jobs and pods of a search."""
    return f"app.kubernetes.io/managed-by=xautolm-search,{STUDY_LABEL}={study_name(search_id)}"
