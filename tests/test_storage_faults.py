"""Faults of disks, as libraries report them on a disk that is full or read-only."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.disks import MakeDisk
from xautolm_core.records.outcome import Outcome
from xautolm_core.steps.entry import step
from xautolm_core.storage_faults import as_os_errors
from xautolm_core.storage_faults import storage_fault
from xautolm_core.trial.failures import describe
from xautolm_core.trial.failures import outcome_of

_FULL = "No space left on device"
_ARRAY = np.zeros(1 << 16)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x"), _FULL),
        (OSError(errno.EDQUOT, "x"), "Disk quota exceeded"),
        (OSError(errno.EIO, "x"), "Input/output error"),
        (OSError(errno.EROFS, "x"), "Read-only file system"),
        (OSError("65536 requested and 0 written"), None),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), None),
        (Exception("No space left on device (os error 28)"), _FULL),
        (
            Exception(
                "Error while serializing: I/O error: Os { code: 122, kind: QuotaExceeded, "
                'message: "Disque plein" }'
            ),
            "Disk quota exceeded",
        ),
        (
            RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"),
            "PytorchStreamWriter failed",
        ),
        (RuntimeError("inline_container.cc:603: unexpected pos 64 vs 0"), "unexpected pos 64 vs 0"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full"),
        (ValueError("mat1 and mat2 shapes cannot be multiplied (28x5)"), None),
    ],
)
def test_a_fault_of_a_disk_is_told_by_number_or_words(error: Exception, words: str | None) -> None:
    assert storage_fault(error) == words


def _raised(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - any library's
        return error
    raise AssertionError("nothing was raised")


def test_what_was_raised_from_such_a_fault_is_one() -> None:
    def write() -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def wrap(*, hide: bool) -> None:
        try:
            write()
        except OSError:
            if hide:
                raise RuntimeError("did not possess lock") from None
            raise RuntimeError("did not possess lock")  # noqa: B904 - as libraries do

    assert storage_fault(_raised(lambda: wrap(hide=False))) == "Read-only file system"
    assert storage_fault(_raised(lambda: wrap(hide=True))) is None


def _json(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(_ARRAY.tolist()))


def _numpy(folder: Path) -> None:
    np.save(folder / "a.npy", _ARRAY)


def _safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": _ARRAY}, folder / "a.safetensors")


def _torch(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.zeros(1 << 17), folder / "a.pt")


def _parquet(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"a": np.random.default_rng(0).random(1 << 17)})
    pq.write_table(table, folder / "a.parquet")


def _arrow(folder: Path) -> None:
    import pyarrow as pa

    batch = pa.record_batch([pa.array(_ARRAY)], names=["a"])
    with pa.OSFile(str(folder / "a.arrow"), "wb") as file, pa.ipc.new_file(file, batch.schema) as w:
        w.write_batch(batch)


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    vocabulary = {f"word{n}": n for n in range(50_000)}
    Tokenizer(WordLevel(vocabulary, unk_token="word0")).save(str(folder / "tokenizer.json"))


def _sqlite(folder: Path) -> None:
    connection = sqlite3.connect(folder / "a.db")
    try:
        connection.execute("create table if not exists a (b blob)")
        connection.execute("insert into a values (?)", (bytes(1 << 20),))
        connection.commit()
    finally:
        connection.close()


def _journal(folder: Path) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = JournalFileBackend(str(folder / "study.journal"))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend))
    study.set_user_attr("a", "x" * (1 << 20))


_WRITERS = [_json, _numpy, _safetensors, _torch, _parquet, _arrow, _tokenizer, _sqlite, _journal]


@pytest.mark.parametrize("write", _WRITERS, ids=lambda write: write.__name__.strip("_"))
def test_on_a_full_disk_no_library_speaks_of_the_configuration(
    write: Callable[[Path], None], make_disk: MakeDisk
) -> None:
    disk = make_disk(size="64k")
    error = _raised(lambda: write(disk.folder))
    assert outcome_of(error) is Outcome.INFRA
    assert storage_fault(error) is not None or isinstance(error, OSError)
    # Who reads the trial's failure has to know it, too.
    failure = describe(error)
    assert str(disk.folder) not in failure.message
    # Saves of ours all raise the same.
    with pytest.raises(OSError), as_os_errors():
        write(disk.folder)


@pytest.mark.parametrize("write", [_json, _safetensors, _sqlite, _journal])
def test_nor_on_a_disk_that_became_read_only(
    write: Callable[[Path], None], make_disk: MakeDisk
) -> None:
    disk = make_disk()
    disk.set_writable(False)
    error = _raised(lambda: write(disk.folder))
    assert outcome_of(error) is Outcome.INFRA


def test_what_nobody_handles_is_one_line_in_a_step_too(capsys: pytest.CaptureFixture[str]) -> None:
    @step
    def write(number: int) -> None:
        raise OSError(number, os.strerror(number), "/data/out.json")

    with pytest.raises(SystemExit) as told:
        write(errno.ENOSPC)
    assert told.value.code == 3
    error = capsys.readouterr().err
    assert error.startswith(f"error: /data/out.json cannot be read or written: {_FULL}. Make room")
    assert error.count("\n") == 1
    with pytest.raises(PermissionError):
        write(errno.EACCES)


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(KeyError, match="a"), as_os_errors():
        raise KeyError("a")
