"""What the documentation shows is run: examples of plug-ins, the page on Python, the notebook."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import xautolm

DOCS = Path(__file__).parents[2] / "docs"
README = DOCS.parent / "README.md"
MOST_LINES = 40

STORE = """
import pytest
import xautolm

def test_a_store_lies_where_a_plug_in_keeps_objects(tmp_path):
    store = xautolm.open_store(f"sqlite://{tmp_path}/store.db")
    assert list(store.scan()) == []
    assert (tmp_path / "store.db").is_file()

def test_a_base_that_cannot_be_used_is_said(tmp_path):
    with pytest.raises(xautolm.StoreError, match="cannot be used"):
        xautolm.open_store(f"sqlite://{tmp_path}/nowhere/store.db")
"""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _fences(page: Path, language: str) -> list[str]:
    return [text for kind, text in _FENCE.findall(page.read_text()) if kind == language]


def _modules() -> dict[str, str]:
    """Return the examples of the page on extending: name of the file to its text."""
    found = {}
    for text in _fences(DOCS / "extending.md", "python"):
        first, _, rest = text.partition("\n")
        found[first.removeprefix("# ")] = rest
    return found


def test_the_examples_of_plug_ins_are_short() -> None:
    modules = _modules()
    assert len(modules) == 8
    for name, text in modules.items():
        assert sum(bool(line.strip()) for line in text.splitlines()) < MOST_LINES, name


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sampler", "launcher", "meter", "storage"])
def test_the_examples_of_plug_ins_pass_their_suites(kind: str, tmp_path: Path) -> None:
    modules = _modules()
    for name in (f"my_{kind}.py", f"test_my_{kind}.py"):
        (tmp_path / name).write_text(modules[name])
    if kind == "storage":
        (tmp_path / "test_store.py").write_text(STORE)
    info = tmp_path / "my_plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugins\nVersion: 1.0\n")
    (declared,) = _fences(DOCS / "extending.md", "toml")
    groups = tomllib.loads(declared)["project"]["entry-points"]
    (info / "entry_points.txt").write_text(
        "\n".join(
            "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
            for group, entries in groups.items()
        )
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"\b\d+ passed", done.stdout)


@pytest.mark.slow
def test_the_page_on_python_runs_from_top_to_bottom(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    for text in _fences(DOCS / "python.md", "python"):
        exec(compile(text, "python.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "['good', 'bad']" in shown
    assert "no column 'reviev'" in shown
    assert (place / "front.svg").is_file()


@pytest.mark.slow
def test_the_notebook_runs(place: Path) -> None:
    notebook = json.loads((DOCS / "first-search.ipynb").read_text())
    names: dict[str, Any] = {}
    shown: list[object] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "notebook", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
            shown.append(value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))
    assert any("<svg" in str(one) for one in shown)
    assert "['good', 'bad']" in shown


def test_the_example_of_the_readme_runs(
    place: Path, monkeypatch: pytest.MonkeyPatch, result: xautolm.SearchResult
) -> None:
    """What it searches takes minutes; what it does with the result is run."""
    calls: list[dict[str, Any]] = []

    def search(*arguments: Any, **given: Any) -> xautolm.SearchResult:
        calls.append(given)
        return result

    monkeypatch.setattr(xautolm, "search", search)
    (place / "reviews.csv").write_text("review,sentiment\nfine,good\n")
    (text,) = _fences(README, "python")
    assert len(text.splitlines()) <= 10
    exec(compile(text, "README.md", "exec"), {})
    assert [set(one) for one in calls] == [{"text", "label", "budget"}]
