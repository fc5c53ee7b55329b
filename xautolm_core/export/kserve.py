"""``--to kserve``: an InferenceService for KServe's Hugging Face runtime."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

from xautolm_core.errors import ConfigError
from xautolm_core.export.forms import Exported
from xautolm_core.export.forms import ExportOptions
from xautolm_core.export.found_model import FoundModel
from xautolm_core.export.found_model import require_language_model
from xautolm_core.objects.bundle import files_below
from xautolm_core.objects.open import open_objects
from xautolm_core.trial.encoding import TOKENIZER_FILE
from xautolm_core.whole_files import write_text

_SCHEMES = ("s3", "gs", "pvc", "hf", "https", "http", "oci", "abfs", "webhdfs", "hdfs")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")
_LONGEST_NAME = 50
"""KServe appends to it, and 63 characters is what a host name's part may have."""
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_MEBI, _GIBI = 1 << 20, 1 << 30
_STEP_BYTES = 128 * _MEBI
_LIMIT_FACTOR = 1.5
# Of a model without a run: weights twice (they are read while a copy is made), and what the runtime
# itself takes.
_WEIGHT_FACTOR, _RUNTIME_BYTES = 2.0, 2 * _GIBI
_DEFAULT_CPUS = 1


def export(model: FoundModel, options: ExportOptions) -> Exported:
    """Write the manifest of a service, and the model's files where it finds them if that is wanted.

    Raises:
        ConfigError: It is no language model, answers to pairs, or an option is wrong.
        StoreError: The files cannot be written to the storage.
        OSError: The manifest cannot be written.
    """
    require_language_model(model, "kserve")
    if model.card.has_pairs:
        raise ConfigError(
            "KServe's Hugging Face runtime takes single texts, and the model answers to pairs",
            hint="Serve it by MLflow: --to mlflow",
        )
    _check(options)
    manifest, said = inference_service(model, options)
    if options.upload:
        assert options.storage_uri is not None
        said.append(f"{_upload(model.folder, options.storage_uri)} files are in the storage")
    write_text(options.out, yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    return Exported(options.out, tuple(said))


def inference_service(
    model: FoundModel, options: ExportOptions
) -> tuple[dict[str, Any], list[str]]:
    """Return the manifest, and what there is to say of it.

    Args:
        model: A language model of single texts.
        options: They have been checked.

    Raises:
        ConfigError: The task's name makes no name of a service.
    """
    reader = model.card.reader()
    name = options.name or _service_name(model.card.task)
    resources, origin = _resources(model, options)
    arguments = [
        f"--model_name={name}",
        "--task=sequence_classification",
        "--backend=huggingface",
        "--dtype=float32",
        f"--max_model_len={reader.max_length}",
        "--return_probabilities",
    ]
    if not _lower_cases(model.folder):
        # The runtime's default would turn a cased tokenizer into another one.
        arguments.append("--disable_lower_case")
    predictor: dict[str, Any] = {
        "model": {
            "modelFormat": {"name": "huggingface"},
            "args": arguments,
            "storageUri": (options.storage_uri or "").partition("?")[0],
            "resources": resources,
        }
    }
    if options.service_account:
        predictor = {"serviceAccountName": options.service_account, **predictor}
    metadata: dict[str, Any] = {"name": name}
    if options.namespace:
        metadata["namespace"] = options.namespace
    metadata["labels"] = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "model",
        "app.kubernetes.io/part-of": "xautolm",
        "app.kubernetes.io/managed-by": "xautolm-export",
    }
    metadata["annotations"] = _annotations(model, origin)
    return (
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": metadata,
            "spec": {"predictor": predictor},
        },
        [f"Resources are {origin}", f"Apply it with: kubectl apply -f {options.out}"],
    )


def _check(options: ExportOptions) -> None:
    uri = options.storage_uri
    if uri is None:
        raise ConfigError(
            "A service needs to know where its model lies",
            hint="Give --storage-uri URI, and --upload to have the files written there",
        )
    scheme = uri.partition("://")[0] if "://" in uri else ""
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"--storage-uri: {uri!r} is no address that KServe downloads from",
            hint=f"It begins with one of {', '.join(f'{one}://' for one in _SCHEMES)}",
        )
    if options.upload and scheme != "s3":
        raise ConfigError("--upload writes to s3:// alone", hint="Copy the folder there yourself")
    for option, value, pattern in (
        ("--name", options.name, _NAME),
        ("--namespace", options.namespace, _NAMESPACE),
        ("--service-account", options.service_account, _ACCOUNT),
        ("--cpus", options.cpus, _QUANTITY),
        ("--memory", options.memory, _QUANTITY),
    ):
        if value is not None and not pattern.fullmatch(value):
            raise ConfigError(
                f"{option}: {value!r} is not what Kubernetes takes",
                hint="Names are of small letters, digits and hyphens; quantities look like 500m, "
                "2 or 4Gi",
            )


def _service_name(task: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")
    if name and not name[0].isalpha():
        name = f"model-{name}"
    name = name[:_LONGEST_NAME].strip("-")
    if not name:
        raise ConfigError(f"Task {task!r} gives no name of a service", hint="Give --name")
    return name


def _resources(model: FoundModel, options: ExportOptions) -> tuple[dict[str, Any], str]:
    """Return requests and limits, and where they come from in words."""
    trial = model.trial
    measured = None if trial is None else trial.result.peak_host_bytes
    if measured is not None and trial is not None:
        needed = measured
        origin = f"as measured in trial {trial.number} (peak of its training)"
        cpus = str(max(trial.result.threads, 1))
    else:
        weights = sum(file.stat().st_size for file in model.folder.glob("*.safetensors"))
        needed = int(_WEIGHT_FACTOR * weights) + _RUNTIME_BYTES
        origin = "estimated from the size of the weights, as no run is at hand"
        cpus = str(_DEFAULT_CPUS)
    request, limit = _rounded(needed), _rounded(int(needed * _LIMIT_FACTOR))
    if options.memory is not None:
        request = limit = options.memory
    requests = {"cpu": options.cpus or cpus, "memory": request}
    limits = {"cpu": options.cpus or cpus, "memory": limit}
    if options.gpus:
        requests["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = str(options.gpus)
    if options.memory is not None and options.cpus is not None:
        origin = "as given"
    return {"requests": requests, "limits": limits}, origin


def _rounded(size: int) -> str:
    return f"{math.ceil(size / _STEP_BYTES) * _STEP_BYTES // _MEBI}Mi"


def _annotations(model: FoundModel, origin: str) -> dict[str, str]:
    found: dict[str, Any] = {
        "xautolm.io/task": model.card.task,
        "xautolm.io/labels": json.dumps(list(model.card.labels), ensure_ascii=False),
        "xautolm.io/resources": origin,
    }
    if model.macro_f1 is not None:
        found["xautolm.io/macro-f1"] = f"{model.macro_f1:.4f}"
    if model.registered is not None:
        found["xautolm.io/version"] = model.registered.version
        found["xautolm.io/search-id"] = model.registered.record.search_id
        found["xautolm.io/trial"] = str(model.registered.record.trial)
    elif model.result is not None and model.trial is not None:
        found["xautolm.io/search-id"] = model.result.spec.search_id
        found["xautolm.io/trial"] = str(model.trial.number)
    return found


def _lower_cases(folder: Path) -> bool:
    """Whether a model's tokenizer makes all letters small."""
    try:
        normalizer = json.loads((folder / TOKENIZER_FILE).read_bytes()).get("normalizer")
    except (OSError, ValueError, AttributeError):
        return False
    parts = [normalizer or {}]
    parts += (normalizer or {}).get("normalizers") or []
    return any(one.get("type") == "Lowercase" or one.get("lowercase") is True for one in parts)


def _upload(folder: Path, uri: str) -> int:
    """Write a model's files to a storage, the config last; return how many."""
    storage = open_objects(uri)
    names = sorted(files_below(folder), key=lambda name: (name == "config.json", name))
    for name in names:
        storage.put(name, (folder / name).read_bytes())
    return len(names)
