"""Compiles the pipelines to the YAML that a KFP endpoint takes."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from typing import Optional

from xautolm_pipelines.backend import Backend
from xautolm_pipelines.backend import PipelineDefinition
from xautolm_pipelines.backend import backend_of
from xautolm_pipelines.package import COMPILED_FOLDER

PIPELINES: Mapping[str, tuple[str, str]] = {
    "xautolm-search": ("xautolm_pipelines.search", "xautolm_search"),
    "xautolm-search-rounds": ("xautolm_pipelines.rounds", "xautolm_search_rounds"),
    "xautolm-retrain": ("xautolm_pipelines.retrain", "xautolm_retrain"),
}
"""Pipeline name to module and definition."""


def pipeline_function(name: str, backend: Optional[Backend] = None) -> Any:
    """Return a pipeline as kfp compiles and runs it.

    Args:
        name: Its name. Its images are fixed at its first import.
        backend: What it is for; the version of the installed kfp if None.

    Raises:
        ConfigError: The installed kfp is too old.
    """
    module, attribute = PIPELINES[name]
    definition: PipelineDefinition = getattr(import_module(module), attribute)
    return definition.for_backend(backend or backend_of())


def compile_all(folder: Path = COMPILED_FOLDER, backend: Optional[Backend] = None) -> list[Path]:
    """Compile every pipeline; the same sources give the same bytes.

    Args:
        folder: Where the files go; created if it does not exist.
        backend: What they are for; the version of the installed kfp if None.

    Returns:
        The files.

    Raises:
        ConfigError: The installed kfp is too old.
    """
    from kfp import compiler

    backend = backend or backend_of()
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in PIPELINES:
        file = folder / f"{name}.yaml"
        compiler.Compiler().compile(pipeline_function(name, backend), str(file))
        files.append(file)
    return files
