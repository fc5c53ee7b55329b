"""Whatever an argument is given, a wrong type is said as every other mistake is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xautolm
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import given_options

WRONG = (object(), b"bytes", [object()], {1: 2}, 3 + 4j, Path)
# The truth of a value is all that this asks for.
TRUTHS = {("open_store", "create")}
# As in a YAML file, a field of a task may be text in another form.
LENIENT = {"Task": (b"bytes",)}


def _calls() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Return what has arguments, and those that must be there."""
    return {
        "search": (xautolm.search, {"data": "rows.csv", "methods": "tfidf", "progress": False}),
        "resume": (xautolm.resume, {"run": "run", "progress": False}),
        "load_run": (xautolm.load_run, {}),
        "load_model": (xautolm.load_model, {"run": "run"}),
        "predict": (xautolm.predict, {"run_or_model": "run", "texts": ["a"]}),
        "open_store": (xautolm.open_store, {}),
        "report": (xautolm.report, {"store": "store"}),
        "SearchSpace": (xautolm.SearchSpace, {}),
        "Plot.save": (xautolm.Plot("<svg/>").save, {}),
        "Task.read": (xautolm.Task.read, {}),
        "Task": (xautolm.Task, {}),
    }


def _arguments() -> list[tuple[str, str]]:
    return [
        (name, argument)
        for name, (call, _) in _calls().items()
        for argument in inspect.signature(call).parameters
        if (name, argument) not in TRUTHS
    ]


@pytest.mark.parametrize(("name", "argument"), _arguments())
def test_an_argument_of_a_wrong_type_is_refused_in_words(
    place: Path, name: str, argument: str
) -> None:
    (place / "rows.csv").write_text("text,label\na,x\n")
    call, given = _calls()[name]
    for wrong in (one for one in WRONG if one not in LENIENT.get(name, ())):
        with pytest.raises(xautolm.ConfigError) as caught:
            call(**{**given, argument: wrong})
        assert caught.value.hint, f"{argument}={wrong!r}: {caught.value}"
    assert [path.name for path in place.iterdir()] == ["rows.csv"]


def test_the_mistake_names_the_argument(frame: pd.DataFrame, place: Path) -> None:
    with pytest.raises(xautolm.ConfigError, match=r"^name: .*string\. See help\(xautolm.search\)"):
        xautolm.search(frame, name=3)  # type: ignore[arg-type]


def test_every_argument_of_a_search_is_an_option() -> None:
    options = set(SearchOptions.model_fields)
    assert set(inspect.signature(xautolm.search).parameters) == options | {"progress", "mlflow"}
    resumed = set(inspect.signature(xautolm.resume).parameters) - {"run", "progress", "mlflow"}
    assert resumed < options


def test_options_may_be_written_in_several_ways() -> None:
    found = given_options({"seed": np.int64(3), "methods": ("a", "b"), "meters": "x", "out": "o"})
    assert (found.seed, found.methods, found.meters, found.out) == (3, "a,b", ("x",), Path("o"))
    found = given_options({"models": [Path("a"), "b"], "store": Path("s"), "objectives": "f1"})
    assert (found.models, found.store, found.objectives) == ((Path("a"), Path("b")), "s", "f1")


def test_a_model_refuses_what_are_no_texts(result: xautolm.SearchResult) -> None:
    for argument in ("texts", "text_pairs", "batch_size"):
        for wrong in WRONG:
            with pytest.raises(xautolm.ConfigError) as caught:
                result.predict(**{"texts": ["a"], argument: wrong})
            assert caught.value.hint, f"{argument}={wrong!r}: {caught.value}"
    for wrong in WRONG:
        with pytest.raises(xautolm.ConfigError, match="no plot"):
            result.plot(wrong)  # type: ignore[arg-type]


def test_a_report_is_of_runs_or_of_a_store(result: xautolm.SearchResult, place: Path) -> None:
    made = xautolm.report(result, grams_per_kwh=400.0)
    assert len(made.to_pandas()) == len(made.figures.attempts) == 1
    assert made.document["scope"]["runs"] == [result.out_folder.name]
    assert made.save(place / "green").page.is_file()
    of_store = xautolm.report(store=result.spec.store, since=timedelta(days=1))
    assert repr(of_store) == repr(made).replace("run:", "moods:")
    with pytest.raises(xautolm.ConfigError, match="no trials to report"):
        xautolm.report(result, task="other")
