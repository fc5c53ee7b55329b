"""Results: what they say, show and answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xautolm
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import SEARCH_FILE


@pytest.fixture
def shown(tmp_path: Path) -> xautolm.SearchResult:
    """A made-up result with language models."""
    return xautolm.SearchResult.of(search_result(tmp_path))


def test_the_chosen_trial_and_what_it_came_to(shown: xautolm.SearchResult) -> None:
    best = shown.best_trial
    assert best is not None
    assert best.number == shown.best
    assert shown.best_score == best.result.model_scores["macro_f1"].value
    assert shown.best_params["method"] == best.configuration.method
    assert set(best.configuration.parameters) <= set(shown.best_params)
    assert f"macro F1 {shown.best_score:.4f}" in repr(shown)


def test_a_search_without_a_model_says_so(tmp_path: Path) -> None:
    failed = [one for one in trials() if one.number in (3, 6)]
    found = xautolm.SearchResult.of(search_result(tmp_path, records=failed, best=None))
    assert (found.best_trial, found.best_score, found.best_params) == (None, None, {})
    assert "No trial gave a model" in found._repr_html_()
    with pytest.raises(xautolm.ConfigError, match="No trial of this search gave a model"):
        found.predict(["a"])
    with pytest.raises(xautolm.ConfigError, match="There is no plot"):
        found.plot("energy")


def test_a_row_a_trial(shown: xautolm.SearchResult) -> None:
    table = shown.to_pandas()
    assert list(table.index) == [one.number for one in shown.trials]
    assert set(table.loc[table.on_front].index) == {one.number for one in shown.front}
    assert table.loc[shown.best, "chosen"]


def test_plots_are_pictures_that_a_notebook_shows_and_a_file_holds(
    shown: xautolm.SearchResult, tmp_path: Path
) -> None:
    for kind in ("time", "curve"):
        plot = shown.plot(kind)
        assert "<svg" in plot._repr_html_()
        text = plot.save(tmp_path / f"{kind}.svg").read_text()
        assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert len(repr(plot)) < 80
    with pytest.raises(xautolm.ConfigError, match=r"End the name in \.svg"):
        plot.save(tmp_path / "front.png")


def test_what_a_notebook_shows_escapes_what_comes_from_outside(tmp_path: Path) -> None:
    told = replace(
        search_result(tmp_path), task={"name": "<script>alert(1)</script>"}, notes=["<b>mind</b>"]
    )
    html = xautolm.SearchResult.of(told)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;mind" in html
    assert html.count("<tr>") == len(told.front) + 1


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    told = search_result(tmp_path / "run")
    write_result_folder(told)
    again = xautolm.load_run(tmp_path / "run")
    assert again.summary == xautolm.SearchResult.of(told).summary
    pd.testing.assert_frame_equal(again.to_pandas(), xautolm.SearchResult.of(told).to_pandas())


def test_only_a_run_that_has_ended_comes_back(tmp_path: Path) -> None:
    with pytest.raises(xautolm.ConfigError, match="holds no result"):
        xautolm.load_run(tmp_path)
    (tmp_path / SEARCH_FILE).write_text("{}")
    with pytest.raises(xautolm.ConfigError, match=r"xautolm\.resume\("):
        xautolm.load_run(tmp_path)


def test_models_answer_in_the_order_of_the_texts(result: xautolm.SearchResult) -> None:
    texts = ["lovely and warm", "broken and late", "a fine thing"]
    assert result.predict(texts) == ["good", "bad", "good"]
    assert result.predict(pd.Series(texts)) == result.predict(iter(texts))
    assert xautolm.predict(result.out_folder, texts) == xautolm.predict(result, texts)
    model = xautolm.load_model(result.out_folder / "model")
    found = model.predict_proba(texts)
    assert found.shape == (3, len(model.labels))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert [model.labels[place] for place in found.argmax(1)] == result.predict(texts)
    assert model.has_pairs is False


def test_what_is_no_text_is_refused_by_its_place(result: xautolm.SearchResult) -> None:
    with pytest.raises(xautolm.DataError, match="position 1 is of type float"):
        result.predict(["a", float("nan")])  # type: ignore[list-item]
    with pytest.raises(xautolm.ConfigError, match=r"Write \[text\]"):
        result.predict("a text")
    with pytest.raises(xautolm.ConfigError, match="single texts"):
        result.predict(["a"], ["b"])


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(xautolm.ConfigError, match="neither a run nor a model"):
        xautolm.load_model(tmp_path)
    (tmp_path / SEARCH_FILE).write_text("{}")
    with pytest.raises(xautolm.ConfigError, match=r"no model yet.*xautolm\.resume\("):
        xautolm.load_model(tmp_path)
