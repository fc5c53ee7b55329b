"""Compiled pipelines, found by name or path, and what they declare."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from xautolm_core.errors import ConfigError
from xautolm_core.validation import did_you_mean

COMPILED_FOLDER = Path(__file__).parent / "compiled"
_SUFFIXES = (".yaml", ".yml")
_LARGEST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Parameter:
    """A parameter that a pipeline declares.

    Attributes:
        name: Its name.
        kind: The type in the compiled pipeline: ``STRING``, ``NUMBER_INTEGER``, ``NUMBER_DOUBLE``,
            ``BOOLEAN``, ``LIST`` or ``STRUCT``.
        required: Whether a run must give it.
    """

    name: str
    kind: str
    required: bool


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        path: Its file.
        name: The pipeline's name.
        description: Its own description.
        digest: SHA-256 of the file, in hexadecimal.
        parameters: What it declares, by name.
    """

    path: Path
    name: str
    description: str
    digest: str
    parameters: Mapping[str, Parameter]

    @property
    def version_name(self) -> str:
        """A name of exactly this content, also valid as the name of a Kubernetes object."""
        return f"{self.name}-{self.digest[:12]}"


def known_names(folder: Path = COMPILED_FOLDER) -> list[str]:
    """Return the names of the pipelines that come with xautolm."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def find_package(name_or_path: str, folder: Path = COMPILED_FOLDER) -> Package:
    """Return a compiled pipeline by its name or by the path of its YAML file.

    Raises:
        ConfigError: There is none, or it is not a compiled pipeline.
    """
    if name_or_path.endswith(_SUFFIXES) or "/" in name_or_path:
        return read_package(Path(name_or_path))
    names = known_names(folder)
    if name_or_path not in names:
        known = f"known are {', '.join(names)}" if names else f"none is compiled in {folder}"
        raise ConfigError(
            f"there is no pipeline '{name_or_path}' ({known})",
            hint=did_you_mean(name_or_path, names) or "Give one of them, or a path to a YAML file",
        )
    return read_package(folder / f"{name_or_path}.yaml")


def read_package(path: Path) -> Package:
    """Return the compiled pipeline of a YAML file.

    Raises:
        ConfigError: It cannot be read, or is not a compiled pipeline.
    """
    content = _read(path)
    document = _first_document(content, path)
    info = document.get("pipelineInfo")
    root = document.get("root")
    name = info.get("name") if isinstance(info, dict) else None
    if not isinstance(root, dict) or not isinstance(name, str) or not name.strip():
        hint = "Compile it with: xautolm pipeline compile"
        if "argoproj.io" in str(document.get("apiVersion", "")):
            hint = "This is an Argo workflow of KFP 1; compile the pipeline with kfp 2"
        raise ConfigError(f"{path} is not a compiled pipeline", hint=hint)
    description = info.get("description") if isinstance(info, dict) else None
    return Package(
        path=path,
        name=name,
        description=str(description or ""),
        digest=hashlib.sha256(content).hexdigest(),
        parameters=_parameters(root, path),
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ConfigError(
                f"{path} is larger than {_LARGEST_BYTES} bytes", hint="Give a compiled pipeline"
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the pipeline {path} cannot be read: {error.strerror or error}",
            hint="Give the path of a compiled pipeline's YAML file",
        ) from error


def _first_document(content: bytes, path: Path) -> dict[str, Any]:
    """Return the pipeline; a second document, if any, holds what concerns Kubernetes."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.load_all(content, Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(
            f"{path}{where}: not YAML", hint="Compile it with: xautolm pipeline compile"
        ) from error
    first = documents[0] if documents else None
    return first if isinstance(first, dict) else {}


def _parameters(root: dict[str, Any], path: Path) -> dict[str, Parameter]:
    inputs = root.get("inputDefinitions") or {}
    declared = (inputs.get("parameters") or {}) if isinstance(inputs, dict) else None
    if not isinstance(declared, dict) or not all(isinstance(d, dict) for d in declared.values()):
        raise ConfigError(
            f"{path}: root.inputDefinitions.parameters is malformed",
            hint="Compile it with: xautolm pipeline compile",
        )
    return {
        name: Parameter(
            name=name,
            kind=str(one.get("parameterType", "")),
            required=not one.get("isOptional") and "defaultValue" not in one,
        )
        for name, one in declared.items()
    }
