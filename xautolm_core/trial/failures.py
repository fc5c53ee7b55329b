"""From an exception inside a trial to its outcome and a failure report without the task's data."""

from __future__ import annotations

import hashlib
import re
import traceback

from xautolm_core.experience.messages import scrub_message
from xautolm_core.records.attempt import CutBy
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.storage_faults import storage_fault

# What PyTorch says where the CPU allocator or the CUDA allocator gives up.
_HOST_ALLOCATION = re.compile(
    r"DefaultCPUAllocator|not enough memory|cannot allocate memory", re.IGNORECASE
)
_GPU_ALLOCATION = re.compile(
    r"CUDA out of memory|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|"
    r"CUDA error: out of memory",
    re.IGNORECASE,
)
_HUB_FAULT = re.compile(
    r"couldn't connect|connection error|cannot find the requested files|offline mode|"
    r"max retries|timed out|temporary failure|is not the path to a directory|"
    r"locate the file on the hub",
    re.IGNORECASE,
)
_LOOKED_AT_CHARACTERS = 2_000


class TrialFailure(Exception):  # noqa: N818  (its subclasses are outcomes)
    """A trial cannot continue, and the outcome is known.

    Args:
        message: One line for people, without texts or paths of the task.
    """

    outcome = Outcome.INFRA

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidConfiguration(TrialFailure):
    """The configuration cannot be built or run."""

    outcome = Outcome.INVALID


class Diverged(TrialFailure):
    """The loss or the model's output stopped being finite."""

    outcome = Outcome.DIVERGED


class DeadlineExceeded(TrialFailure):
    """The trial does not end by its soft deadline or its wall limit, or is predicted not to.

    Args:
        message: One line for people.
        cut_by: Which of them it is.
    """

    outcome = Outcome.TIMEOUT

    def __init__(self, message: str, *, cut_by: CutBy = "deadline") -> None:
        super().__init__(message)
        self.cut_by: CutBy = cut_by


class CheckpointFault(TrialFailure):
    """A checkpoint is not there, or not of a training that can be continued.

    It says nothing about the configuration.
    """


class Cancelled(TrialFailure):
    """SIGTERM arrived."""

    outcome = Outcome.CANCELLED


def outcome_of(error: BaseException) -> Outcome:  # noqa: PLR0911  (a list of cases)
    """Return the outcome that an exception stands for.

    Memory is recognised by the class of the exception or by what the allocators say; errors of
    imports, files, disks and connections say nothing about the configuration; everything else that
    a model or a method raises means that the configuration cannot run.
    """
    if isinstance(error, TrialFailure):
        is_of_disk = error.outcome is Outcome.INVALID and storage_fault(error) is not None
        return Outcome.INFRA if is_of_disk else error.outcome
    text = f"{type(error).__name__}: {error}"
    # The names, because this module must not import torch.
    names = {c.__name__ for c in type(error).__mro__}
    if "OutOfMemoryError" in names or _GPU_ALLOCATION.search(text):
        return Outcome.OOM_GPU
    if isinstance(error, MemoryError) or _HOST_ALLOCATION.search(text):
        return Outcome.OOM_HOST
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return Outcome.CANCELLED
    # A file of safetensors that cannot be read or written is the disk's or the hub's fault.
    if isinstance(error, (ImportError, OSError)) or names & {"DataError", "SafetensorError"}:
        return Outcome.INFRA
    if storage_fault(error) is not None:
        return Outcome.INFRA
    if "AcceleratorError" in names or "CUDA error" in text or _HUB_FAULT.search(text):
        return Outcome.INFRA
    return Outcome.INVALID


def describe(error: BaseException) -> Failure:
    """Return what may be kept of an exception: also the fault of a disk that it comes from.

    Of its message the first line, scrubbed (see ``scrub_message``).
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = scrub_message(lines[0][:_LOOKED_AT_CHARACTERS]) if lines else ""
    disk = storage_fault(error)
    if disk is not None and disk not in message:
        message = f"{message} ({disk})" if message else disk
    return Failure(kind=type(error).__name__, message=message, traceback_hash=traceback_hash(error))


def traceback_hash(error: BaseException) -> str:
    """Return a digest of the modules and functions of the stack: equal for equal faults."""
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_qualname}"
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    digest = hashlib.sha256("\n".join([type(error).__name__, *frames]).encode())
    return digest.hexdigest()[:16]
