"""Counts from the headers of weights, against the modules that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.space.folders import write_safetensors
from tests.trial.tiny import FAMILIES
from tests.trial.tiny import TINY
from xautolm_core.space.classifiers import CLASSIFIERS
from xautolm_core.space.descriptor import describe
from xautolm_core.space.model import ModelKind
from xautolm_core.space.weight_files import count_weights
from xautolm_core.space.weight_files import weight_shapes

_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 90,
    "pad_token_id": 0,
}
# None of these is counted from its config alone.
OTHERS = {
    "falcon": {"model_type": "falcon", **_SMALL},
    "convbert": {"model_type": "convbert", **_SMALL, "embedding_size": 32},
    "qwen2_moe": {
        "model_type": "qwen2_moe",
        **_SMALL,
        "num_key_value_heads": 2,
        "moe_intermediate_size": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    },
    "mpt": {"model_type": "mpt", "d_model": 32, "n_heads": 2, "n_layers": 2, "vocab_size": 90},
}


def _save(config: dict[str, Any], folder: Path) -> tuple[Any, Path]:
    """Build and save a tiny classifier; return it and its folder."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    values = {name: value for name, value in config.items() if name != "model_type"}
    values = {"pad_token_id": 0, **values}
    built = transformers.AutoConfig.for_model(config["model_type"], **values)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(built)
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


@pytest.mark.parametrize("name", [*sorted(TINY | FAMILIES), *OTHERS])
def test_a_classifiers_file_counts_its_backbone(name: str, tmp_path: Path) -> None:
    config = {**TINY, **FAMILIES, **OTHERS}[name]
    model, path = _save(config, tmp_path)
    counts = count_weights(weight_shapes(path))
    assert counts is not None
    backbone = sum(p.numel() for p in model.base_model.parameters())
    assert counts.embedding + counts.blocks + counts.other == backbone
    # ALBERT's two blocks share one's weights.
    stored = {"albert": 1, "t5": 4, "bart": 4}.get(name, 2)
    assert counts.layers == stored
    assert model.get_input_embeddings().weight.numel() <= counts.embedding
    assert 0 < counts.expert_matrices < counts.matrices or name != "qwen2_moe"


@pytest.mark.parametrize("name", OTHERS)
def test_the_file_says_what_the_config_does_not(name: str, tmp_path: Path) -> None:
    model, path = _save(OTHERS[name], tmp_path)
    found = describe(model.config.to_dict(), weights=weight_shapes(path))
    assert found.parameters == sum(p.numel() for p in model.base_model.parameters())
    assert (found.layers, found.width, found.kind) == (2, 32, CLASSIFIERS[name])
    assert 0 < found.computed_parameters <= found.parameters - found.embedding_parameters


def test_a_language_models_heads_are_not_counted() -> None:
    bare = {
        "wte.weight": (90, 8),
        "h.0.attn.weight": (8, 24),
        "h.1.attn.weight": (8, 24),
        "ln_f.weight": (8,),
    }
    expected = 90 * 8 + 2 * 8 * 24 + 8
    for extra in ({}, {"lm_head.weight": (90, 8)}):
        counts = count_weights({**bare, **extra})
        assert counts is not None
        assert counts.embedding + counts.blocks + counts.other == expected
    prefixed = {f"transformer.{name}": shape for name, shape in bare.items()}
    counts = count_weights({**prefixed, "head.weight": (90, 8), "decoder.bias": (90,)})
    assert counts is not None
    assert counts.embedding + counts.blocks + counts.other == expected


def test_a_file_without_blocks_says_nothing(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x.safetensors", values=7)
    shapes = weight_shapes(tmp_path / "x.safetensors")
    assert shapes == {"tensor": (7,)}
    assert count_weights(shapes) is None
    assert describe({**TINY["bert"], "type_vocab_size": 2}, weights=shapes).layers == 2


def test_the_kinds_are_of_all_three_sorts() -> None:
    assert set(CLASSIFIERS.values()) == set(ModelKind)
