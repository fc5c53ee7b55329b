"""The package itself: small to import, typed, and told by ``help``."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import xautolm

HEAVY = ("torch", "transformers", "pandas", "pyarrow", "optuna", "sklearn", "numpy", "pydantic")


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    script = f"import sys, xautolm; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_whatever_dir_lists_is_there() -> None:
    script = "import xautolm; print(*(xautolm.extending.__name__, xautolm.testing.__name__))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["xautolm.extending", "xautolm.testing"]
    assert all(hasattr(xautolm, name) for name in dir(xautolm))


def test_all_names_are_there_and_no_others() -> None:
    for name in xautolm.__all__:
        assert getattr(xautolm, name) is not None
    assert set(xautolm.__all__) < set(dir(xautolm))
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        _ = xautolm.serch  # type: ignore[attr-defined]


def test_it_is_typed() -> None:
    assert (Path(xautolm.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    "name", ["search", "resume", "predict", "report", "load_run", "load_model"]
)
def test_help_has_every_argument(name: str) -> None:
    function = getattr(xautolm, name)
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    for argument in inspect.signature(function).parameters:
        assert f"    {argument}: " in text


@pytest.mark.parametrize(
    "name", ["SearchResult", "EnergyReport", "Model", "Task", "SearchSpace", "Plot"]
)
def test_help_has_every_method(name: str) -> None:
    kind = getattr(xautolm, name)
    for method, found in vars(kind).items():
        if not method.startswith("_") and (callable(found) or isinstance(found, property)):
            assert inspect.getdoc(getattr(kind, method)), method
