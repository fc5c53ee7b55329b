"""Models as MLflow's pyfunc: they load through MLflow, and answer as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trial.saved_models import save_tfidf
from tests.trial.saved_models import save_untrained
from xautolm_core.errors import ConfigError
from xautolm_core.trial.agreement import sample_texts
from xautolm_core.trial.predict import load_classifier

pytest.importorskip("mlflow")


def _saved(kind: str, folder: Path, *, pairs: bool = False) -> Path:
    if kind == "tfidf":
        return save_tfidf(folder / "model", pairs=pairs)
    return save_untrained(folder / "model", folder / "cache", kind, pairs=pairs)


@pytest.mark.parametrize(
    ("kind", "pairs"), [("tfidf", False), ("tfidf", True), ("bert", False), ("bert", True)]
)
def test_it_answers_as_the_original(kind: str, pairs: bool, tmp_path: Path) -> None:
    import mlflow.pyfunc
    import pandas as pd

    from xautolm_core.tracking.pyfunc import save_pyfunc

    model = _saved(kind, tmp_path, pairs=pairs)
    agreement = save_pyfunc(model, tmp_path / "form")
    assert agreement.largest_difference < 1e-4

    samples = sample_texts(has_pairs=pairs, rows=120)
    frame = pd.DataFrame({"text": samples.texts})
    if pairs:
        frame["text_pair"] = samples.text_pairs
    found = mlflow.pyfunc.load_model(str(tmp_path / "form")).predict(frame)
    original = load_classifier(model, mixed=False)
    expected = original.probabilities(samples.texts, samples.text_pairs)
    assert list(found["label"]) == [original.labels[place] for place in expected.argmax(1)]
    told = np.array([[row[name] for name in original.labels] for row in found["probabilities"]])
    assert np.abs(told - expected).max() < 1e-3
    assert len({*found["label"]}) > 1


def test_nothing_is_pickled_and_no_word_can_be_read(tmp_path: Path) -> None:
    from xautolm_core.tracking.pyfunc import save_pyfunc

    save_pyfunc(save_tfidf(tmp_path / "model", marker="zanzibarian"), tmp_path / "form")
    files = [path for path in (tmp_path / "form").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {"", ".json", ".py", ".safetensors", ".txt", ".yaml"}
    for path in files:
        assert b"zanzibar" not in path.read_bytes(), path
    assert b"zanzibarian" in (tmp_path / "model" / "vocabulary.json").read_bytes()


def test_a_form_that_answers_otherwise_is_not_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xautolm_core.tracking import pyfunc

    monkeypatch.setattr(pyfunc, "_digests", _shuffled(pyfunc._digests))
    with pytest.raises(ConfigError, match="does not answer as the original"):
        pyfunc.save_pyfunc(save_tfidf(tmp_path / "model"), tmp_path / "form")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def _shuffled(digests):
    def other(vocabulary):
        return {name: array[::-1] for name, array in digests(vocabulary).items()}

    return other


@pytest.mark.parametrize("missing", [None, float("nan"), 3])
def test_a_missing_text_is_refused_with_its_row(missing: object) -> None:
    import pandas as pd

    from xautolm_core.tracking.model_code import TextClassifier

    model = TextClassifier()
    model._card = {"has_pairs": False, "labels": ["a", "b"]}
    for given in (["fine", missing], pd.DataFrame({"text": ["fine", missing]}, dtype=object)):
        with pytest.raises(ValueError, match="Row 1 of 'text' is not a text"):
            model.predict(None, given)
    model._card["has_pairs"] = True
    pairs = pd.DataFrame({"text": ["a"], "text_pair": pd.Series([missing], dtype=object)})
    with pytest.raises(ValueError, match="Row 0 of 'text_pair'"):
        model.predict(None, pairs)
