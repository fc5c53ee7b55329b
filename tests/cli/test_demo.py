"""The builder of the demonstration's tasks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

_FILE = Path(__file__).parents[2] / "demo" / "docstrings.py"


@pytest.fixture(scope="module")
def docstrings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_docstrings", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Like numpy.linalg.norm, but safe.", "Like <library>, but safe."),
        ("Use NumPy or PANDAS.", "Use <library> or <library>."),
        ("import numpy as np; np.sum(x)", "import <library> as <library>; <library>(x)"),
        ("See torch_geometric and is_torch_tensor.", "See <library> and <library>."),
        ("A scikit-learn estimator.", "A <library> estimator."),
        ("The snippet spans nnz entries; input output.", None),
        ("A pandas-like thing, unsklearned.", "A <library>-like thing, <library>."),
    ],
)
def test_names_of_libraries_are_masked(
    docstrings: ModuleType, text: str, masked: str | None
) -> None:
    assert docstrings.mask_names(text) == (text if masked is None else masked)


def test_prose_ends_at_the_first_section(docstrings: ModuleType) -> None:
    text = (
        "Compute the thing that is needed here.\nIt goes on with a second line of words."
        "\n\nParameters\n----------\nx : int\n"
    )
    assert docstrings.prose_of(text) == (
        "Compute the thing that is needed here. It goes on with a second line of words."
    )
    assert docstrings.prose_of("Short.") is None
    assert docstrings.prose_of("1234567890 " * 20) is None
    long = docstrings.prose_of("A sentence of some length, as there are many. " * 30)
    assert len(long) <= docstrings.MAX_CHARACTERS
    assert long.endswith(".")


@pytest.mark.slow
def test_both_tasks_are_large_balanced_masked_and_the_same_every_time(
    docstrings: ModuleType, tmp_path: Path
) -> None:
    for name, libraries in docstrings.TASKS.items():
        for library in libraries:
            if importlib.util.find_spec(library) is None:
                pytest.skip(f"needs {library}")
        file = docstrings.write_task(name, tmp_path, rows=2500)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        counts = dict.fromkeys(libraries, 0)
        for row in rows:
            counts[row["label"]] += 1
        assert len(rows) >= 2000
        assert len(counts) >= 5
        assert min(counts.values()) >= 0.7 * max(counts.values())
        assert len({row["text"] for row in rows}) == len(rows)
        for row in rows:
            lowered = row["text"].lower()
            assert not any(library in lowered for library in docstrings.LIBRARIES)
        content = file.read_bytes()
    # The last one once more: the same rows in the same order.
    assert docstrings.write_task(name, tmp_path / "again", rows=2500).read_bytes() == content
    assert not set(docstrings.TASKS["docstrings-a"]) & set(docstrings.TASKS["docstrings-b"])
