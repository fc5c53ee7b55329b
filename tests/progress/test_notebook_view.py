"""The view of a search in a notebook."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from types import SimpleNamespace
from typing import Any

import pytest

from tests.report.samples import search_result
from xautolm_core.progress.notebook_view import NotebookView
from xautolm_core.progress.notebook_view import in_notebook
from xautolm_core.progress.observers import make_observer


def test_one_output_shows_where_the_search_is(tmp_path: Path) -> None:
    told = search_result(tmp_path)
    shown: list[str] = []
    with NotebookView(told.spec, show=shown.append) as view:
        view.phase("load", "reviews")
        assert "load: reviews" in shown[-1]
        view.note("<b>mind</b> this", warning=True)
        assert "warning: &lt;b&gt;mind&lt;/b&gt; this" in shown[-1]
        first, *_ = told.trials
        view.trial_started(first.number, first.configuration, "a start")
        heartbeat = {"phase": "train", "step": 1, "scheduled_steps": 4}
        before = len(shown)
        view.tick(60.0, {first.number: heartbeat})
        view.tick(59.0, {first.number: heartbeat})
        assert len(shown) == before  # each time crosses to the browser
        view.phase("trials")
        assert 'value="0.250"' in shown[-1]
        best = next(one for one in told.trials if one.number == told.best)
        for one in told.trials:
            view.trial_ended(one, told.front, best)
        assert f"(#{told.best})" in shown[-1]
        assert shown[-1].count("<tr>") == len(told.front) + 1
    assert "ended" in shown[-1]
    assert "progress max" not in shown[-1]


def test_a_notebook_is_known_by_its_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    shells: list[Any] = [None, SimpleNamespace(), SimpleNamespace(kernel=object())]
    outputs: list[str] = []

    def display(html: str, *, display_id: bool) -> SimpleNamespace:
        outputs.append(html)
        return SimpleNamespace(update=outputs.append)

    for shell, expected in zip(shells, (False, False, True), strict=True):
        ipython: Any = ModuleType("IPython")
        ipython.get_ipython = lambda shell=shell: shell
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        assert in_notebook() is expected
    module: Any = ModuleType("IPython.display")
    module.display, module.HTML = display, str
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    spec = search_result(tmp_path).spec
    with make_observer(spec, resumed=False, to_stderr=True) as observer:
        observer.phase("load")
    assert "load" in "".join(outputs)
