"""Language models as ONNX: the same answers, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.trial.saved_models import save_untrained
from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.export.forms import export_model
from xautolm_core.trial.agreement import sample_texts

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "pairs"),
    [("bert", True), ("roberta", False), ("distilbert", False), ("modernbert", False)],
)
def test_it_answers_as_the_original(architecture: str, pairs: bool, tmp_path: Path) -> None:
    from xautolm_core.trial.predict import load_classifier
    from xautolm_core.trial.to_onnx import OnnxClassifier

    model = save_untrained(tmp_path / "model", tmp_path / "cache", architecture, pairs=pairs)
    found = export_model(str(model), "onnx", out=tmp_path / "onnx")
    assert "operator set" in found.said[0]
    samples = sample_texts(has_pairs=pairs, rows=500)
    expected = load_classifier(model, mixed=False).probabilities(*_asked(samples))
    other = OnnxClassifier(tmp_path / "onnx").probabilities(*_asked(samples))
    assert (expected.argmax(1) == other.argmax(1)).all()
    assert np.abs(expected - other).max() < 1e-3
    assert len(set(expected.argmax(1).tolist())) > 1
    names = {path.name for path in (tmp_path / "onnx").iterdir()}
    assert {"model.onnx", "config.json", "tokenizer.json", "xautolm.json"} <= names
    assert not any(name.endswith(".safetensors") for name in names)


def _asked(samples):
    return samples.texts, samples.text_pairs


def test_onnxruntime_alone_answers(models, tmp_path: Path) -> None:
    """What docs/serving.md shows."""
    import onnxruntime
    from tokenizers import Tokenizer

    import xautolm

    export_model(str(models["bert"]), "onnx", out=tmp_path / "onnx")
    card = json.loads((tmp_path / "onnx" / "xautolm.json").read_text())
    tokenizer = Tokenizer.from_file(str(tmp_path / "onnx" / "tokenizer.json"))
    tokenizer.enable_truncation(card["max_length"])
    tokenizer.enable_padding(pad_id=card["tokenizer"]["pad_id"])
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    texts = ["goal match team", "market share bank profit", "the planet and the star"]
    rows = tokenizer.encode_batch(texts)
    feed = {
        "input_ids": np.array([row.ids for row in rows]),
        "attention_mask": np.array([row.attention_mask for row in rows]),
        "token_type_ids": np.array([row.type_ids for row in rows]),
    }
    known = {one.name for one in session.get_inputs()}
    (logits,) = session.run(["logits"], {n: v for n, v in feed.items() if n in known})
    expected = xautolm.load_model(models["bert"]).predict(texts)
    assert [card["labels"][place] for place in logits.argmax(1)] == expected


def test_a_form_that_answers_otherwise_is_not_handed_over(
    models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xautolm_core.trial import to_onnx

    class Wrong(to_onnx.OnnxClassifier):
        def logits(self, split, *, max_rows: int = 256):
            return super().logits(split, max_rows=max_rows) + np.array([0.01, 0, 0], "float32")

    monkeypatch.setattr(to_onnx, "OnnxClassifier", Wrong)
    with pytest.raises(ConfigError, match="does not answer as the original"):
        export_model(str(models["bert"]), "onnx", out=tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


def test_an_architecture_that_cannot_be_traced_is_refused(
    models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(*arguments, **options):
        raise torch.onnx.errors.UnsupportedOperatorError("aten::odd", 18, None)

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ConfigError, match="BertForSequenceClassification cannot be exported"):
        export_model(str(models["bert"]), "onnx", out=tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_it_is_named(
    models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"xautolm\[onnx\]"):
        export_model(str(models["bert"]), "onnx", out=tmp_path / "onnx")
