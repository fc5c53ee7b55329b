from __future__ import annotations

import pytest

from xautolm_core.errors import DataError
from xautolm_core.experience.messages import MAX_MESSAGE_CHARACTERS
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.failures import Cancelled
from xautolm_core.trial.failures import DeadlineExceeded
from xautolm_core.trial.failures import Diverged
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.failures import describe
from xautolm_core.trial.failures import outcome_of
from xautolm_core.trial.failures import traceback_hash


def _out_of_memory() -> BaseException:
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InvalidConfiguration("x"), Outcome.INVALID),
        (Diverged("x"), Outcome.DIVERGED),
        (DeadlineExceeded("x"), Outcome.TIMEOUT),
        (Cancelled("x"), Outcome.CANCELLED),
        (MemoryError(), Outcome.OOM_HOST),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate"),
            Outcome.OOM_HOST,
        ),
        (_out_of_memory(), Outcome.OOM_GPU),
        (RuntimeError("CUDA error: out of memory"), Outcome.OOM_GPU),
        (RuntimeError("CUDA error: device-side assert triggered"), Outcome.INFRA),
        (ImportError("No module named 'torch'"), Outcome.INFRA),
        (FileNotFoundError("gone"), Outcome.INFRA),
        (DataError("not a complete prepared task"), Outcome.INFRA),
        (ValueError("mat1 and mat2 shapes cannot be multiplied"), Outcome.INVALID),
        (RuntimeError("The size of tensor a must match"), Outcome.INVALID),
        (KeyboardInterrupt(), Outcome.CANCELLED),
    ],
)
def test_outcomes(error: BaseException, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


def test_message_is_one_line_without_paths_and_texts() -> None:
    words = (
        "cannot read '/home/anna/secret/train.csv': got \"my private words\" for 'batch_size'\n"
        "second line"
    )
    message = describe(ValueError(words)).message
    assert message == "cannot read '<path>': got <text> for 'batch_size'"
    assert len(describe(ValueError("word " * 10**6)).message) <= MAX_MESSAGE_CHARACTERS
    assert describe(ValueError()).message == ""


def _raise(kind: type[Exception], text: str) -> Exception:
    try:
        raise kind(text)
    except kind as error:
        return error


def _raise_elsewhere() -> Exception:
    return _raise(ValueError, "a")


def test_equal_faults_have_equal_hashes() -> None:
    first, second = _raise(ValueError, "a"), _raise(ValueError, "b")
    assert traceback_hash(first) == traceback_hash(second)
    assert traceback_hash(first) != traceback_hash(_raise(KeyError, "a"))
    assert describe(first).kind == "ValueError"
    assert describe(_raise_elsewhere()).message == "a"


def test_a_fault_of_a_disk_is_never_a_property_of_the_configuration() -> None:
    error = InvalidConfiguration("The model cannot be built as a classifier")
    assert outcome_of(error) is Outcome.INVALID
    error.__cause__ = ValueError("read failed: Input/output error (os error 5)")
    assert outcome_of(error) is Outcome.INFRA
    words = "The model cannot be built as a classifier (Input/output error)"
    assert describe(error).message == words
    # What the search decided itself stays.
    cancelled = Cancelled("Ended by SIGTERM")
    cancelled.__cause__ = OSError(28, "No space left on device")
    assert outcome_of(cancelled) is Outcome.CANCELLED
