"""Compiles the pipelines to the YAML that a KFP endpoint takes."""

from collections.abc import Callable
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from xautolm_pipelines.package import COMPILED_FOLDER

PIPELINES: Mapping[str, tuple[str, str]] = {
    "xautolm-search": ("xautolm_pipelines.search", "xautolm_search"),
    "xautolm-search-rounds": ("xautolm_pipelines.rounds", "xautolm_search_rounds"),
    "xautolm-retrain": ("xautolm_pipelines.retrain", "xautolm_retrain"),
}
"""Pipeline name to module and function."""


def pipeline_function(name: str) -> Callable[..., Any]:
    """Return a pipeline's function. Its images are fixed at its first import."""
    module, function = PIPELINES[name]
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def compile_all(folder: Path = COMPILED_FOLDER) -> list[Path]:
    """Compile every pipeline; the same sources give the same bytes.

    Args:
        folder: Where the files go; created if it does not exist.

    Returns:
        The files.
    """
    from kfp import compiler

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in PIPELINES:
        file = folder / f"{name}.yaml"
        compiler.Compiler().compile(pipeline_function(name), str(file))
        files.append(file)
    return files
