"""The forms that a model can take: ``xautolm export MODEL --to FORM``.

A form is a module with a function ``export(model, options)``; it is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.export.found_model import FoundModel
from xautolm_core.export.found_model import opened_model
from xautolm_core.export.found_model import require_task_type
from xautolm_core.tasks.spec import TaskType


@dataclass(frozen=True)
class ExportOptions:
    """What may be said of an export; a form refuses what it cannot use.

    Attributes:
        out: File or folder to write.
        name: Of the service; by default that of the task.
        namespace: Of the service; by default the one that it is applied to.
        storage_uri: Where the service finds the model.
        upload: Whether the model's files are written there.
        service_account: Of the service, with the credentials for the storage.
        cpus: CPUs of the service, as Kubernetes writes them.
        memory: Memory of the service, likewise.
        gpus: GPUs of the service.
    """

    out: Path
    name: str | None = None
    namespace: str | None = None
    storage_uri: str | None = None
    upload: bool = False
    service_account: str | None = None
    cpus: str | None = None
    memory: str | None = None
    gpus: int | None = None

    def refuse(self, form: str, *names: str) -> None:
        """Refuse options that a form does not know.

        Raises:
            ConfigError: One of them is given.
        """
        for name in names:
            if getattr(self, name) not in (None, False):
                raise ConfigError(
                    f"--{name.replace('_', '-')} means nothing for {form}", hint="Leave it out"
                )


@dataclass(frozen=True)
class Exported:
    """What an export has made.

    Attributes:
        path: The file or folder.
        said: What the user should know, a sentence each.
    """

    path: Path
    said: tuple[str, ...] = ()


Exporter = Callable[[FoundModel, ExportOptions], Exported]

FORMS: Mapping[str, str] = {
    "onnx": "xautolm_core.export.onnx_form",
    "kserve": "xautolm_core.export.kserve",
    "mlflow": "xautolm_core.export.mlflow_form",
    "trl": "xautolm_core.export.trl_form",
}
"""Form to the module that makes it."""

_TASK_TYPES = {"trl": TaskType.TEXT_GENERATION}
"""Form to the type of task whose models have it; classifiers have the others."""

SERVICE_OPTIONS = (
    "name",
    "namespace",
    "storage_uri",
    "upload",
    "service_account",
    "cpus",
    "memory",
    "gpus",
)
_SUFFIXES = {"kserve": ".yaml"}


def export_model(
    place: str,
    form: str,
    *,
    out: Path | None = None,
    task: str | None = None,
    version: str | None = None,
    **options: Any,
) -> Exported:
    """Write a model in another form, whole or not at all.

    Args:
        place: A run folder, a model's folder, or a registry where a task is named.
        form: One of ``FORMS``.
        out: What to write; by default a name made of the task's and the form's.
        task: Name of the task, in a registry.
        version: Its version; by default the champion.
        **options: See ``ExportOptions``.

    Raises:
        ConfigError: There is no such model or form, the form does not fit the model, or the path
            is taken.
        MissingExtraError: The form needs packages that are not installed.
        StoreError: It cannot be written, or the registry not be read.
    """
    if form not in FORMS:
        raise ConfigError(f"There is no form {form!r}", hint=f"Known are {', '.join(FORMS)}")
    with opened_model(place, task=task, version=version) as model:
        require_task_type(model, _TASK_TYPES.get(form, TaskType.TEXT_CLASSIFICATION), form)
        target = _target(out, model, form)
        exporter: Exporter = import_module(FORMS[form]).export
        try:
            return exporter(model, ExportOptions(out=target, **options))
        except OSError as error:
            raise StoreError(
                f"{target} cannot be written: {error.strerror or error}",
                hint="Make room or restore its rights, or give another place with --out",
            ) from error


def _target(out: Path | None, model: FoundModel, form: str) -> Path:
    from xautolm_core.registry.layout import task_key

    name = f"{task_key(model.card.task)}-{form}{_SUFFIXES.get(form, '')}"
    target = (Path(name) if out is None else out).expanduser().absolute()
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise ConfigError(
            f"{target} is there already", hint="Remove it, or give another place with --out"
        )
    if not target.parent.is_dir():
        raise ConfigError(f"There is no folder {target.parent}", hint="Make it first")
    return target
