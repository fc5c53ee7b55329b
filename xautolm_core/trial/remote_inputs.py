"""What a trial needs on the machine that it runs on: its spec, its task, its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import describe_files
from xautolm_core.objects.bundle_fetch import fetch_bundle
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.space.download import model_files
from xautolm_core.space.model import ModelReference
from xautolm_core.space.packages import package_folder
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.contract import attempt_name
from xautolm_core.trial.files import prepare_folder
from xautolm_core.trial.remote_contract import PackagedModel
from xautolm_core.trial.remote_contract import RemoteTrial
from xautolm_core.trial.remote_contract import spec_key
from xautolm_core.validation import first_problem

_HUB_VARIABLES = ("HF_HOME", "HF_HUB_CACHE")


def read_remote_trial(storage: ObjectStorage, key: str) -> RemoteTrial:
    """Return the trial that a launcher has sent.

    Raises:
        ConfigError: There is none under this key, or it is not one of this version.
        StoreError: The storage cannot be read.
    """
    try:
        trial = RemoteTrial.model_validate_json(storage.get(key))
    except KeyError:
        raise ConfigError(
            f"There is no trial {key}", hint="Give the address that the launcher names"
        ) from None
    except ValidationError as error:
        raise ConfigError(
            f"{key} is not a trial spec: {first_problem(error)}",
            hint="Use the same version of xautolm in the trial's image as in the launcher's",
        ) from None
    if spec_key(trial.spec) != key:
        raise ConfigError(
            f"{key} is the spec of another trial", hint="Send the trial again under its own key"
        )
    return trial


def fetch_inputs(
    storage: ObjectStorage, trial: RemoteTrial, work_folder: Path, model_cache: Path
) -> TrialSpec:
    """Fetch task, model and checkpoint, and write the spec of this machine to its folder.

    Args:
        storage: The objects of the trial's search.
        trial: The trial.
        work_folder: Everything of the trial goes below it.
        model_cache: Where models are kept, for other trials too.

    Returns:
        The spec with the folders of this machine.

    Raises:
        StoreError: Something cannot be fetched, or is not what was sent.
        ConfigError: A package that brings the model is missing, or another version.
    """
    task_folder = work_folder / "tasks" / trial.task_name
    fetch_bundle(storage, trial.task, task_folder)
    name = attempt_name(trial.spec.trial_number, trial.spec.attempt)
    spec = trial.spec.model_copy(
        update={
            "task_folder": task_folder,
            "out_folder": work_folder / "trials" / name,
            "cache_folder": work_folder / "cache",
            "model": _find_model(storage, trial, model_cache),
            "resume_from": _fetch_checkpoint(storage, trial, work_folder),
        }
    )
    _begin_attempt(spec)
    return spec


def model_environment(model_cache: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that let a model of the hub be kept in the cache.

    Args:
        model_cache: Where models are kept.
        environment: That of this process: what it says already stands.
    """
    if any(environment.get(name) for name in _HUB_VARIABLES):
        return {}
    return {"HF_HUB_CACHE": str((model_cache / "hub").absolute())}


def _fetch_checkpoint(storage: ObjectStorage, trial: RemoteTrial, work_folder: Path) -> Path | None:
    if trial.spec.resume_from is None:
        return None
    if trial.checkpoint is None:
        raise ConfigError(
            f"The spec of trial {trial.spec.trial_number} names a checkpoint of another machine",
            hint="Send the trial again",
        )
    folder = work_folder / "checkpoints" / trial.checkpoint.digest
    fetch_bundle(storage, trial.checkpoint, folder)
    return folder


def _find_model(
    storage: ObjectStorage, trial: RemoteTrial, model_cache: Path
) -> ModelReference | None:
    model, place = trial.spec.model, trial.model
    if model is None:
        return None
    if place is None:
        if model.path is not None:
            raise ConfigError(
                f"The spec of trial {trial.spec.trial_number} names a model's folder of another"
                " machine",
                hint="Send the trial again",
            )
        return model
    if isinstance(place, BundleReference):
        folder = model_cache / "models" / place.digest
        fetch_bundle(storage, place, folder)
    else:
        folder = _packaged_folder(place)
    return model.model_copy(update={"path": str(folder)})


def _packaged_folder(place: PackagedModel) -> Path:
    package = package_folder(place.package)
    if package is None:
        raise ConfigError(
            f"The trial's model comes with package {place.package}, which is not installed here",
            hint="Install it in the trial's image",
        )
    folder = package / place.path
    if not folder.is_dir() or describe_files(folder, model_files(folder)).digest != place.digest:
        raise ConfigError(
            f"The package {place.package} brings another model here than on the launcher's machine",
            hint="Install the same version in both images",
        )
    return folder


def _begin_attempt(spec: TrialSpec) -> None:
    try:
        prepare_folder(spec)
    except OSError as error:
        raise StoreError(
            f"The trial's folder {spec.out_folder} cannot be written: {error.strerror or error}",
            hint="Give a folder on a disk with space that this user may write to (--work)",
        ) from error
