"""AutoML for language models that remembers.

A search chooses a model, a method (TF-IDF, features of a frozen model, LoRA, full fine-tuning, ...)
and hyper-parameters for a file or a frame of labelled texts, and learns from all searches before::

    import xautolm

    result = xautolm.search("reviews.csv", text="review", label="sentiment", budget="10m")
    result.predict(["It never worked."])
    result.to_pandas()

Nothing heavy is imported before it is used. What plug-ins build on is in ``xautolm.extending``, the
suites that they pass in ``xautolm.testing``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core import __version__

if TYPE_CHECKING:
    from xautolm._export import export
    from xautolm._model import Model
    from xautolm._model import load_model
    from xautolm._model import predict
    from xautolm._report import EnergyReport
    from xautolm._report import report
    from xautolm._result import Plot
    from xautolm._result import SearchResult
    from xautolm._result import load_run
    from xautolm._search import resume
    from xautolm._search import search
    from xautolm._space import SearchSpace
    from xautolm._store import open_store
    from xautolm._task import Task
    from xautolm.extending import EnergyProvider
    from xautolm.extending import Launcher
    from xautolm.extending import ObjectStorage
    from xautolm.extending import Sampler
    from xautolm_core.errors import ConfigError
    from xautolm_core.errors import DataError
    from xautolm_core.errors import LaunchError
    from xautolm_core.errors import MissingExtraError
    from xautolm_core.errors import SpaceError
    from xautolm_core.errors import StoreError
    from xautolm_core.errors import XautolmError

__all__ = [
    "ConfigError",
    "DataError",
    "EnergyProvider",
    "EnergyReport",
    "LaunchError",
    "Launcher",
    "MissingExtraError",
    "Model",
    "ObjectStorage",
    "Plot",
    "Sampler",
    "SearchResult",
    "SearchSpace",
    "SpaceError",
    "StoreError",
    "Task",
    "XautolmError",
    "__version__",
    "export",
    "load_model",
    "load_run",
    "open_store",
    "predict",
    "report",
    "resume",
    "search",
]

_SUBMODULES = ("extending", "testing")
_MODULES = {
    "_export": ("export",),
    "_model": ("Model", "load_model", "predict"),
    "_report": ("EnergyReport", "report"),
    "_result": ("Plot", "SearchResult", "load_run"),
    "_search": ("resume", "search"),
    "_space": ("SearchSpace",),
    "_store": ("open_store",),
    "_task": ("Task",),
    "extending": ("EnergyProvider", "Launcher", "ObjectStorage", "Sampler"),
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, "xautolm_core.errors")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, *_SUBMODULES]
