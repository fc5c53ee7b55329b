"""Reports of a trial on another machine: heartbeats as it runs, its model, then the result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.bundle import send_bundle
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.remote_contract import RemoteResult
from xautolm_core.trial.remote_contract import attempt_prefix
from xautolm_core.trial.remote_contract import heartbeat_key
from xautolm_core.trial.remote_contract import is_settled
from xautolm_core.trial.remote_contract import result_key
from xautolm_core.trial.remote_contract import verdict_key

_log = logging.getLogger(__name__)


def stored_result(storage: ObjectStorage, key: str, spec: TrialSpec) -> RemoteResult | None:
    """Return the result under a key; None if there is none, or none of this very attempt.

    Raises:
        StoreError: The storage cannot be read.
    """
    try:
        result = RemoteResult.model_validate_json(storage.get(key))
    except (KeyError, ValidationError):
        return None
    return result if belongs_to(result, spec) else None


class RemoteOutputs:
    """The objects that one attempt writes.

    Args:
        storage: The objects of its search.
        spec: The attempt.
    """

    def __init__(self, storage: ObjectStorage, spec: TrialSpec) -> None:
        self._storage = storage
        self._spec = spec

    def is_settled(self) -> bool:
        """Whether the attempt is over: it has a result that counts, or its launcher gave it up.

        Raises:
            StoreError: The storage cannot be read.
        """
        told = stored_result(self._storage, result_key(self._spec), self._spec)
        if told is not None and is_settled(told):
            return True
        return stored_result(self._storage, verdict_key(self._spec), self._spec) is not None

    def beat(self, heartbeat: bytes) -> None:
        """Replace the heartbeat; a failure to send one does not end a trial."""
        try:
            self._storage.put(heartbeat_key(self._spec), heartbeat)
        except StoreError as error:
            _log.warning("a heartbeat was not written: %s", error)

    @contextmanager
    def heartbeats(self, out_folder: Path, every_seconds: float) -> Iterator[None]:
        """Pass on the heartbeats of a trial during the block."""
        stop = threading.Event()

        def pass_on() -> None:
            last = b""
            while not stop.wait(every_seconds):
                try:
                    heartbeat = (out_folder / HEARTBEAT_FILE).read_bytes()
                except OSError:
                    continue  # it has not reported anything yet
                if heartbeat != last:
                    self.beat(heartbeat)
                    last = heartbeat

        # A daemon: a storage that hangs does not keep the process from ending.
        thread = threading.Thread(target=pass_on, name="heartbeats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)

    def finish(
        self, result: TrialResult, out_folder: Path, more_seconds: Mapping[str, float]
    ) -> None:
        """Write model, checkpoint and result, in this order; a result that counts is not replaced.

        Args:
            result: The result of the trial.
            out_folder: Where its model and its checkpoint are.
            more_seconds: Seconds by phase that the trial itself did not see.

        Raises:
            StoreError: They cannot be written; there is no result then.
        """
        if not is_settled(result):
            # It may run again, and has little time to report its result: no model is sent.
            result = result.model_copy(
                update={"model_folder": None, "checkpoint_folder": None, "saved_scores": {}}
            )
        told: dict[str, Any] = result.model_dump()
        told["seconds"] = {**result.seconds, **more_seconds}
        told["model_bundle"] = self._send(out_folder, "model", result.model_folder)
        told["checkpoint_bundle"] = self._send(out_folder, "checkpoint", result.checkpoint_folder)
        document = RemoteResult.model_validate(told).model_dump_json().encode()
        if not self.is_settled():
            self._storage.put(result_key(self._spec), document)

    def _send(self, out_folder: Path, kind: str, name: str | None) -> BundleReference | None:
        if name is None:
            return None
        folder = out_folder / name
        place = f"{attempt_prefix(self._spec)}/{kind}"
        return send_bundle(self._storage, place, folder, files_below(folder))
