"""The run folder: one process at a time, its disk, and the spec that a resume begins with."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.errors import StoreError
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.folders import LOCK_FILE
from xautolm_core.search.folders import STATE_FILE
from xautolm_core.search.folders import RunState
from xautolm_core.search.folders import read_state
from xautolm_core.search.opening import Opening
from xautolm_core.storage_faults import storage_fault
from xautolm_core.whole_files import write_json

_PROBE_BYTES = 1 << 20


@contextmanager
def locked(out_folder: Path) -> Iterator[None]:
    """Keep other processes out of the run folder, which is made if it does not exist.

    Nothing is left of a search that has not begun by the end.

    Raises:
        ConfigError: Another process works in it, or it cannot be written.
    """
    created = not out_folder.exists()
    try:
        out_folder.mkdir(parents=True, exist_ok=True)
        lock = (out_folder / LOCK_FILE).open("w")
    except OSError as error:
        raise ConfigError(
            f"The run folder {out_folder} cannot be written: {error.strerror}",
            hint="Make room or restore its rights, or give another one with --out",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder removes the file: a lock on a file that is gone keeps nobody out.
            held = (out_folder / LOCK_FILE).stat().st_ino == os.fstat(lock.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            raise ConfigError(
                f"Another process is searching in {out_folder}",
                hint="Wait for it, or give another folder with --out",
            )
        try:
            yield
        except BaseException:
            if not (out_folder / SEARCH_FILE).exists():
                _leave_nothing(out_folder, created=created)
            raise
        finally:
            # A disk may have become read-only; a lock that nobody holds keeps nobody out.
            with contextlib.suppress(OSError):
                (out_folder / LOCK_FILE).unlink(missing_ok=True)


def _leave_nothing(out_folder: Path, *, created: bool) -> None:
    if created:
        shutil.rmtree(out_folder, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        (out_folder / STATE_FILE).unlink(missing_ok=True)


@contextmanager
def as_store_errors(out_folder: Path) -> Iterator[None]:
    """Raise what a fault of the run folder's disk leads to within the block as one error.

    Args:
        out_folder: The run folder.

    Raises:
        StoreError: The disk is full, over its quota, broken or read-only, or its rights are gone;
            the search can be resumed. Other errors stay as they are.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        words = _words_of_fault(error, out_folder)
        if words is None:
            raise
        has_begun = (out_folder / SEARCH_FILE).exists()
        run = shlex.quote(str(out_folder.absolute()))
        then = f"resume the search: --resume {run}" if has_begun else "start it again"
        raise StoreError(
            f"The run folder {out_folder} cannot be written: {words}",
            hint=f"Make room or restore its rights, then {then}",
        ) from error


def require_room(out_folder: Path) -> None:
    """Make sure that the run folder can be written, a MiB at least; nothing is left behind.

    Raises:
        OSError: It cannot.
    """
    with tempfile.TemporaryFile(dir=out_folder) as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _words_of_fault(error: Exception, out_folder: Path) -> str | None:
    words = storage_fault(error)
    if words is not None or not isinstance(error, OSError) or not isinstance(error.filename, str):
        return words
    is_inside = Path(error.filename).absolute().is_relative_to(out_folder.absolute())
    return error.strerror if is_inside else None


def begin_run(spec: SearchSpec, out_folder: Path, opening: Opening, *, resume: bool) -> RunState:
    """Write down what is asked, or check that it is the search that the folder holds."""
    known = out_folder / SEARCH_FILE
    if not resume:
        if known.exists():
            raise ConfigError(
                f"{out_folder} already holds a search",
                hint="Resume it with --resume, or give another folder with --out",
            )
        created = spec.model_copy(update={"created_at": spec.created_at or datetime.now(UTC)})
        state = RunState(task_fingerprint=opening.task.fingerprint)
        write_json(out_folder / STATE_FILE, state)
        write_json(known, created)
        return state
    earlier = read_spec(known)
    if earlier.search_id != spec.search_id:
        raise ConfigError(
            f"{out_folder} holds search {earlier.search_id}, not {spec.search_id}",
            hint="Resume with the search.json of that folder",
        )
    state = read_state(out_folder) or RunState(task_fingerprint=opening.task.fingerprint)
    if state.task_fingerprint != opening.task.fingerprint:
        raise DataError(
            f"The data of task {opening.task.name} have changed since this search began",
            hint="Restore them, or begin a new search: it learns from this one's experiences",
        )
    return state


def read_spec(path: Path) -> SearchSpec:
    """Read a ``search.json``.

    Raises:
        ConfigError: There is none, or it is not whole.
    """
    try:
        return SearchSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path.parent} holds no search to resume ({SEARCH_FILE} is missing)",
            hint="Name the folder of an earlier run",
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not a search: {error}", hint="Begin a new one") from error


def with_what_is_known(spec: SearchSpec, out_folder: Path) -> SearchSpec:
    """Return what is asked with what the run folder says of its beginning."""
    known = read_spec(out_folder / SEARCH_FILE)
    return spec.model_copy(
        update={
            "history": known.history or spec.history,
            "created_at": known.created_at or spec.created_at,
        }
    )
