"""Models in other forms: ONNX, MLflow, KServe."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from xautolm._model import Model
from xautolm._result import SearchResult
from xautolm._words import in_callers_words


def export(
    model: str | Path | SearchResult | Model,
    to: Literal["onnx", "mlflow", "kserve", "trl"],
    *,
    out: str | Path | None = None,
    task: str | None = None,
    version: str | None = None,
    storage_uri: str | None = None,
    upload: bool = False,
    name: str | None = None,
    namespace: str | None = None,
    service_account: str | None = None,
    cpus: str | None = None,
    memory: str | None = None,
    gpus: int | None = None,
) -> Path:
    """Write a model in another form, and return the file or folder.

    Before it is handed over it is asked some texts: it must give the same classes as the original,
    and probabilities within 0.001.

    Args:
        model: A run folder, a model's folder such as ``RUN/alternative``, the result of a search, a
            model, or a registry where a task is named.
        to: ``"onnx"``: a folder with ``model.onnx``; ``"mlflow"``: a self-contained pyfunc;
            ``"kserve"``: the manifest of an InferenceService; ``"trl"``: of a model for text
            generation a folder with which TRL repeats the training.
        out: What to write; by default ``TASK-FORM`` in the working directory.
        task: Name of the task, in a registry.
        version: Its version; by default the champion.
        storage_uri: Where KServe finds the model.
        upload: Write the model's files there first (``s3://`` alone).
        name: Of the service.
        namespace: Of the service.
        service_account: Of the service, with the credentials for the storage.
        cpus: CPUs of the service, such as ``"2"``; by default those of the trial.
        memory: Memory of the service, such as ``"4Gi"``; by default as measured in the run.
        gpus: GPUs of the service.

    Raises:
        ConfigError: There is no such model, or the form does not fit it: the message says which
            does. Nothing is written.
        MissingExtraError: The form needs packages that are not installed.
        StoreError: It cannot be written.

    Example:
        >>> xautolm.export("runs/reviews-20261122T101500Z", to="onnx")
        PosixPath('/home/me/reviews-onnx')
    """
    from xautolm_core.export.forms import export_model

    if isinstance(model, SearchResult):
        model = model.out_folder
    place = model.folder if isinstance(model, Model) else model
    with in_callers_words():
        return export_model(
            str(place),
            to,
            out=None if out is None else Path(out),
            task=task,
            version=version,
            storage_uri=storage_uri,
            upload=upload,
            name=name,
            namespace=namespace,
            service_account=service_account,
            cpus=cpus,
            memory=memory,
            gpus=gpus,
        ).path
