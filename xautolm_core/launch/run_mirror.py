"""The small files of a run folder as objects, so that a search survives the loss of its disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import ATTEMPT_NAME
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_bytes

HISTORY_FILE = "history.parquet"
"""The history of a search, which may be written before the search."""
RUN_FILES = ("state.json", HISTORY_FILE, "search.json")
"""In the order in which they are written: a folder with the last is a run."""
TRIAL_FILES = ("proposal.json", SPEC_FILE, RESULT_FILE)
"""Likewise, of an attempt."""
_ROOT = "run/"
_MODELS_KEY = "run/models.json"


class RunMirror:
    """Mirrors the small files of one run folder as objects.

    One thread at a time may use it; the run folder has one process at a time anyway.

    Args:
        storage: The objects of the search.
        out_folder: The run folder.
    """

    def __init__(self, storage: ObjectStorage, out_folder: Path) -> None:
        self._storage = storage
        self._out_folder = out_folder
        self._known: dict[str, str] | None = None
        # Of files that are equal to their objects.
        self._signatures: dict[str, tuple[int, int, int]] = {}

    def holds_search(self) -> bool:
        """Whether the folder holds a search."""
        return (self._out_folder / RUN_FILES[-1]).exists()

    def sync(self) -> int:
        """Upload changed files; return the number of objects.

        It may be killed at any moment: the objects are then an earlier state of the folder, with
        some newer files. Objects of deleted files stay.

        Raises:
            StoreError: An object cannot be read or written.
        """
        attempts = self._attempts()
        parent = self._out_folder / TRIALS_FOLDER
        models = [name for name in attempts if (parent / name / MODEL_FOLDER).is_dir()]
        written = sum(self._copy(name) for name in RUN_FILES)
        # Before the results: a reader of a result then finds its model listed.
        written += self._put(_MODELS_KEY, json.dumps(models).encode())
        for attempt in attempts:
            written += sum(self._copy(f"{TRIALS_FOLDER}/{attempt}/{n}") for n in TRIAL_FILES)
        return written

    def send_history(self) -> None:
        """Upload the history of a search, if the folder has it, also before the search begins.

        Raises:
            StoreError: An object cannot be read or written.
        """
        self._copy(HISTORY_FILE)

    def restore(self, has_checkpoint: Callable[[str], bool]) -> bool:
        """Restore the files from the objects into a folder that holds no search yet.

        Paths within the old run folder are changed to this one, and a result names its model and
        its checkpoint only if they exist.

        Args:
            has_checkpoint: Whether the checkpoint of an attempt exists, by its folder's name.

        Returns:
            Whether a search was restored. The history of a future search is restored in any case.

        Raises:
            StoreError: An object cannot be read, or the folder cannot be written.
        """
        if self.holds_search():
            return False
        found: dict[str, bytes] = {}
        keys = [info.key for info in self._storage.list(_ROOT) if _is_mirrored(info.key)]
        for key, data in self._storage.get_many(keys):
            if isinstance(data, StoreError):
                raise data
            found[key.removeprefix(_ROOT)] = data
        if RUN_FILES[-1] not in found:
            if HISTORY_FILE in found:
                _write(self._out_folder / HISTORY_FILE, found[HISTORY_FILE])
            return False
        # The file that makes it a run is written last, so that a partial run is not one.
        for name in sorted(found, key=lambda name: (name == RUN_FILES[-1], name)):
            data = found[name]
            if name.endswith(f"/{SPEC_FILE}"):
                data = _moved_spec(data, self._out_folder)
            elif name.endswith(f"/{RESULT_FILE}"):
                data = _without_the_lost(data, (self._out_folder / name).parent, has_checkpoint)
            _write(self._out_folder / name, data)
        return True

    def attempts_with_models(self) -> list[str]:
        """Return the folder names of attempts whose models the run folder last held.

        Raises:
            StoreError: The object cannot be read.
        """
        try:
            names = json.loads(self._storage.get(_MODELS_KEY))
        except (KeyError, ValueError):
            return []
        found = names if isinstance(names, list) else []
        return [n for n in found if isinstance(n, str) and ATTEMPT_NAME.fullmatch(n)]

    def _attempts(self) -> list[str]:
        parent = self._out_folder / TRIALS_FOLDER
        names = [folder.name for folder in parent.iterdir()] if parent.is_dir() else []
        return sorted(name for name in names if ATTEMPT_NAME.fullmatch(name))

    def _copy(self, name: str) -> bool:
        """Upload a file if it has changed; return whether it had."""
        path = self._out_folder / name
        try:
            status = path.stat()
            # Files of a run folder are replaced, never modified: new content has a new inode.
            signature = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._signatures.get(name) == signature:
                return False
            data = path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(
                f"Cannot read {path}: {error.strerror or error}",
                hint="Check that this user may read the run folder",
            ) from error
        written = self._put(_ROOT + name, data)
        self._signatures[name] = signature
        return written

    def _put(self, key: str, data: bytes) -> bool:
        known = self._known_digests()
        digest = hashlib.sha256(data).hexdigest()
        if known.get(key) == digest:
            return False
        self._storage.put(key, data)
        known[key] = digest
        return True

    def _known_digests(self) -> dict[str, str]:
        if self._known is None:
            self._known = {}
            keys = [info.key for info in self._storage.list(_ROOT)]
            for key, data in self._storage.get_many(keys):
                # An unreadable one is written again.
                if not isinstance(data, StoreError):
                    self._known[key] = hashlib.sha256(data).hexdigest()
        return self._known


def is_attempt_folder(name: str) -> bool:
    """Whether a name is that of an attempt's folder."""
    return ATTEMPT_NAME.fullmatch(name) is not None


def run_folder_of(spec: TrialSpec) -> Path | None:
    """Return the run folder that contains a trial's folder; None if none does."""
    trials = spec.out_folder.parent
    in_run = trials.name == TRIALS_FOLDER and ATTEMPT_NAME.fullmatch(spec.out_folder.name)
    return trials.parent if in_run else None


def _is_mirrored(key: str) -> bool:
    """Whether a key is that of a file which may be restored into a run folder."""
    match key.removeprefix(_ROOT).split("/"):
        case [name]:
            return name in RUN_FILES
        case [folder, attempt, name]:
            is_attempt = folder == TRIALS_FOLDER and ATTEMPT_NAME.fullmatch(attempt)
            return bool(is_attempt) and name in TRIAL_FILES
    return False


def _moved_spec(data: bytes, out_folder: Path) -> bytes:
    """Return a spec with its paths moved from its run folder to another one."""
    try:
        spec = TrialSpec.model_validate_json(data)
    except ValidationError:
        return data  # reading the run reports the fault
    old = run_folder_of(spec)
    if old is None or old == out_folder:
        return data
    moved = {
        name: out_folder / path.relative_to(old)
        for name in ("out_folder", "task_folder", "cache_folder", "resume_from")
        if (path := getattr(spec, name)) is not None and path.is_relative_to(old)
    }
    return spec.model_copy(update=moved).model_dump_json(indent=2).encode()


def _without_the_lost(data: bytes, folder: Path, has_checkpoint: Callable[[str], bool]) -> bytes:
    """Return a trial's result without references to a missing model or checkpoint."""
    try:
        result = TrialResult.model_validate_json(data)
    except ValidationError:
        return data  # reading the run reports the fault
    lost: dict[str, None] = {}
    if result.model_folder is not None and not (folder / MODEL_FOLDER).is_dir():
        lost["model_folder"] = None
    if result.checkpoint_folder is not None and not has_checkpoint(folder.name):
        lost["checkpoint_folder"] = None
    return result.model_copy(update=lost).model_dump_json(indent=2).encode() if lost else data


def _write(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data, durable=False)
    except OSError as error:
        raise StoreError(
            f"Cannot write {path}: {error.strerror or error}",
            hint="Choose a run folder with space left that this user may write to",
        ) from error
