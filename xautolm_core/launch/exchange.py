"""The launcher's side of the exchange with trials on other machines: objects of one search."""

from __future__ import annotations

import json
import logging
import site
import sysconfig
from pathlib import Path
from typing import Any

from xautolm_core.errors import LaunchError
from xautolm_core.launch.run_mirror import RunMirror
from xautolm_core.launch.run_mirror import is_attempt_folder
from xautolm_core.launch.run_mirror import run_folder_of
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import delete_bundle
from xautolm_core.objects.bundle import describe_files
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.bundle import is_whole
from xautolm_core.objects.bundle import send_bundle
from xautolm_core.objects.bundle_fetch import DamagedBundleError
from xautolm_core.objects.bundle_fetch import fetch_bundle
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.open import open_objects
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.records.attempt import TrialResult
from xautolm_core.space.download import model_files
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import CHECKPOINT_FOLDER
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TRIALS_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import read_result
from xautolm_core.trial.remote_contract import PackagedModel
from xautolm_core.trial.remote_contract import RemoteResult
from xautolm_core.trial.remote_contract import RemoteTrial
from xautolm_core.trial.remote_contract import attempt_prefix
from xautolm_core.trial.remote_contract import heartbeat_key
from xautolm_core.trial.remote_contract import is_settled
from xautolm_core.trial.remote_contract import result_key
from xautolm_core.trial.remote_contract import spec_key
from xautolm_core.trial.remote_contract import verdict_key
from xautolm_core.trial.remote_outputs import RemoteOutputs
from xautolm_core.trial.remote_outputs import stored_result
from xautolm_core.whole_files import write_json

_log = logging.getLogger(__name__)


_MODELS_PLACE = "models/model"


def send_model(storage: ObjectStorage, name: str, folder: Path) -> BundleReference | PackagedModel:
    """Return where another machine finds a model, after uploading it if it is only here.

    A model of an installed package is taken from the same package there. Any other folder (a user's
    own, the cache of a hub or of an S3 prefix) is uploaded, once for each content.

    Args:
        storage: The objects of the search.
        name: Name of the model for errors.
        folder: Its folder.

    Raises:
        LaunchError: The folder does not hold a model any more.
        StoreError: It cannot be read or written.
    """
    names = model_files(folder) if folder.is_dir() else []
    if not names:
        raise LaunchError(
            f"The folder {folder} of model {name} holds no model",
            hint="Restore it, or leave the model out of the space",
        )
    package = _package_of(folder)
    if package is None:
        return send_bundle(storage, _MODELS_PLACE, folder, names)
    digest = describe_files(folder, names).digest
    return PackagedModel(package=package[0], path=package[1], digest=digest)


def _package_of(folder: Path) -> tuple[str, str] | None:
    """Return the installed package that contains a folder, and the path in it, else None."""
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for place in (*paths, *site.getsitepackages()):
        try:
            name, *below = folder.resolve().relative_to(Path(place).resolve()).parts
        except ValueError:
            continue
        if name.isidentifier():
            return name, "/".join(below)
    return None


class TrialExchange:
    """The launcher's side of the objects of one search. One thread at a time may use it.

    Args:
        storage: The objects of this search only.
        uri: Their address, as the machines of the trials reach it; it holds no secrets.
    """

    def __init__(self, storage: ObjectStorage, uri: str) -> None:
        self._storage = storage
        self._uri = uri
        # Neither changes during a search, and both may be large.
        self._sent_tasks: dict[Path, BundleReference] = {}
        self._sent_models: dict[str, BundleReference | PackagedModel] = {}
        self._mirrors: dict[Path, RunMirror] = {}

    @classmethod
    def open(cls, uri: str) -> TrialExchange:
        """Return the exchange of a search at an address.

        Raises:
            ConfigError: The address is malformed, or credentials are missing.
            StoreError: The prefix is unsafe.
        """
        return cls(open_objects(uri), uri)

    def send(self, spec: TrialSpec) -> str:
        """Upload all that a trial needs to run elsewhere; to be called before it is started.

        The proposal and the other small files of the run folder go first, then the prepared task
        and the model, each once for each content, and the spec last. It may be killed at any moment
        and called again: objects are complete, and only small ones are written twice.

        Args:
            spec: The trial, with the folders of this machine.

        Returns:
            The address that ``xautolm trial`` takes.

        Raises:
            LaunchError: The trial's folder cannot be written, or its task, its model or its
                checkpoint is missing.
            StoreError: An object cannot be written.
        """
        self._write_locally(spec, SPEC_FILE, spec)
        self._sync(spec)
        trial = RemoteTrial(
            spec=spec,
            task=self._send_task(spec.task_folder),
            task_name=spec.task_folder.name,
            model=self._send_model(spec.model),
            checkpoint=self._send_checkpoint(spec),
        )
        self._storage.put(spec_key(spec), trial.model_dump_json(indent=2).encode())
        return self.address(spec)

    def address(self, spec: TrialSpec) -> str:
        """Return the address that ``xautolm trial`` takes; the trial need not have been sent."""
        return join_s3_uri(self._uri, spec_key(spec))

    def heartbeat(self, spec: TrialSpec) -> dict[str, Any] | None:
        """Return the trial's last heartbeat; None if there is none yet.

        Raises:
            StoreError: The storage cannot be read.
        """
        try:
            document = json.loads(self._storage.get(heartbeat_key(spec)))
        except (KeyError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def result(self, spec: TrialSpec) -> TrialResult | None:
        """Return the result of a trial, and write it with its model to the trial's folder.

        The launcher's own verdict has priority over the result of the trial's machine. The model is
        written before the result, so that a folder with a result is complete.

        Returns:
            The result; None if there is none of this attempt.

        Raises:
            DamagedBundleError: The model does not match the result, so the trial is unusable.
            StoreError: The storage cannot be read.
            LaunchError: The trial's folder cannot be written.
        """
        told = self._standing(spec)
        if told is None:
            return None
        # The name comes from another machine: it is not used as a path.
        model_folder = None
        if told.model_folder is not None and told.model_bundle is not None:
            fetch_bundle(self._storage, told.model_bundle, spec.out_folder / MODEL_FOLDER)
            model_folder = MODEL_FOLDER
        # A checkpoint stays where it is: the machine that continues the trial fetches it.
        checkpoint_folder = None if told.checkpoint_bundle is None else CHECKPOINT_FOLDER
        result = told.plain().model_copy(
            update={"model_folder": model_folder, "checkpoint_folder": checkpoint_folder}
        )
        self._write_locally(spec, RESULT_FILE, result)
        self._sync(spec)
        return result

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        """Upload the result of a trial of this machine, as another machine would: model first.

        Its model is then safe from a loss of this disk; its checkpoint is not.

        Raises:
            StoreError: An object cannot be written, or the model cannot be read.
        """
        result = result.model_copy(update={"checkpoint_folder": None})
        RemoteOutputs(self._storage, spec).finish(result, spec.out_folder, {})

    def keep(self, spec: TrialSpec, result: TrialResult) -> TrialResult:
        """Write the launcher's verdict on a trial, so that a restarted launcher finds the same.

        The object is separate from the one of the trial's machine, so that neither replaces the
        other. A valid result of the trial itself, and an earlier verdict, have priority over it.
        Where the trial was interrupted (``cancelled``, ``preempted``, ``infra``), the launcher's
        reason is used.

        Args:
            spec: The trial.
            result: The launcher's verdict.

        Returns:
            The result that counts.

        Raises:
            StoreError: The storage cannot be read or written.
            LaunchError: The trial's folder cannot be written.
        """
        kept = stored_result(self._storage, verdict_key(spec), spec)
        told = stored_result(self._storage, result_key(spec), spec)
        if kept is not None or (told is not None and is_settled(told)):
            standing = self.result(spec)
            assert standing is not None
            return standing
        self._storage.put(verdict_key(spec), result.model_dump_json(indent=2).encode())
        self._write_locally(spec, RESULT_FILE, result)
        self._sync(spec)
        return result

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete the checkpoint that a trial's machine has uploaded.

        Args:
            out_folder: The trial's folder in the run folder.

        Raises:
            StoreError: The storage cannot be read, or an object cannot be deleted.
        """
        if bundle := self._sent_checkpoint(out_folder.name):
            delete_bundle(self._storage, bundle)

    def mirror(self, out_folder: Path) -> RunMirror:
        """Return the mirror of a run folder's small files in the object storage."""
        return self._mirrors.setdefault(out_folder, RunMirror(self._storage, out_folder))

    def restore(self, out_folder: Path) -> bool:
        """Restore the run folder of a search from its objects, where it holds no search.

        Small files have their last uploaded state; models are those that the folder held and that
        were uploaded. References to missing models and checkpoints are removed from results, so
        that they are not used.

        Returns:
            Whether a search was restored.

        Raises:
            StoreError: An object cannot be read or is damaged, or the folder cannot be written.
        """
        mirror = self.mirror(out_folder)
        if mirror.holds_search():
            return False
        # Models first: once the run exists, they are not fetched again.
        for name in mirror.attempts_with_models():
            self._restore_model(name, out_folder)
        return mirror.restore(self._has_checkpoint)

    def _restore_model(self, attempt: str, out_folder: Path) -> None:
        try:
            told = RemoteResult.model_validate_json(
                self._storage.get(f"{TRIALS_FOLDER}/{attempt}/{RESULT_FILE}")
            )
        except (KeyError, ValueError):
            return
        if told.model_bundle is None:
            return
        target = out_folder / TRIALS_FOLDER / attempt / MODEL_FOLDER
        try:
            fetch_bundle(self._storage, told.model_bundle, target)
        except DamagedBundleError as error:
            # A missing model is logged; the search can do without it, but not without its trials.
            _log.warning("the model of trial %s is left out: %s", attempt, error.problem)

    def _standing(self, spec: TrialSpec) -> RemoteResult | None:
        kept = stored_result(self._storage, verdict_key(spec), spec)
        return kept or stored_result(self._storage, result_key(spec), spec)

    def _send_task(self, folder: Path) -> BundleReference:
        if folder not in self._sent_tasks:
            names = files_below(folder) if folder.is_dir() else []
            if not names:
                raise LaunchError(
                    f"The prepared task {folder} is missing", hint="Start the search again"
                )
            place = f"tasks/{folder.name}"
            self._sent_tasks[folder] = send_bundle(self._storage, place, folder, names)
        return self._sent_tasks[folder]

    def _send_model(self, model: ModelReference | None) -> BundleReference | PackagedModel | None:
        if model is None or model.path is None:
            return None
        if model.path not in self._sent_models:
            self._sent_models[model.path] = send_model(self._storage, model.id, Path(model.path))
        return self._sent_models[model.path]

    def _send_checkpoint(self, spec: TrialSpec) -> BundleReference | None:
        """Return the checkpoint uploaded by an earlier trial's machine, or upload the local one."""
        folder = spec.resume_from
        if folder is None:
            return None
        if bundle := self._sent_checkpoint(folder.parent.name):
            return bundle
        names = files_below(folder) if folder.is_dir() else []
        if not names:
            raise LaunchError(
                f"The checkpoint of trial {spec.continues} is missing",
                hint="Start the trial from scratch",
            )
        return send_bundle(self._storage, f"{attempt_prefix(spec)}/resumed", folder, names)

    def _sent_checkpoint(self, attempt: str) -> BundleReference | None:
        """Return the checkpoint uploaded by an attempt's machine; None if it ran here."""
        if not is_attempt_folder(attempt):
            return None
        try:
            told = self._storage.get(f"{TRIALS_FOLDER}/{attempt}/{RESULT_FILE}")
            return RemoteResult.model_validate_json(told).checkpoint_bundle
        except (KeyError, ValueError):  # it ran here, or its launcher abandoned it
            return None

    def _has_checkpoint(self, attempt: str) -> bool:
        bundle = self._sent_checkpoint(attempt)
        return bundle is not None and is_whole(self._storage, bundle)

    def _sync(self, spec: TrialSpec) -> None:
        run_folder = run_folder_of(spec)
        if run_folder is not None:
            self.mirror(run_folder).sync()

    def _write_locally(self, spec: TrialSpec, name: str, document: TrialSpec | TrialResult) -> None:
        if name == RESULT_FILE and read_result(spec.out_folder) == document:
            return
        try:
            write_json(spec.out_folder / name, document)
        except OSError as error:
            raise LaunchError(
                f"The trial's folder {spec.out_folder} cannot be written:"
                f" {error.strerror or error}",
                hint="Choose a folder on a disk with space that you may write",
            ) from error
