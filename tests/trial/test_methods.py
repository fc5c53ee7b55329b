from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trial.tiny import FAMILIES
from tests.trial.tiny import TINY
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.trial.architectures import block_lists
from xautolm_core.trial.architectures import head_parameter_names
from xautolm_core.trial.architectures import longest_input
from xautolm_core.trial.architectures import lora_targets
from xautolm_core.trial.backbone_features import find_features
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.methods import apply_method
from xautolm_core.trial.methods import merge
from xautolm_core.trial.methods import plain_weights
from xautolm_core.trial.models import load_config
from xautolm_core.trial.models import load_model
from xautolm_core.trial.tokenizer import open_tokenizer
from xautolm_core.trial.tokens import open_tokens

CPU = torch.device("cpu")
ALL = sorted(TINY | FAMILIES)


def _model(architecture: str, cache: Path, dropout: float | None = None) -> Any:
    torch.manual_seed(0)
    reference = tiny_model(architecture)
    task = make_task()
    tokenizer = open_tokenizer(reference, task, "methods", cache)
    return load_model(reference, load_config(reference, task.labels, tokenizer.traits, dropout))


def _inputs(architecture: str, cache: Path, model: Any) -> TokenInput:
    task = make_task()
    tokenizer = open_tokenizer(tiny_model(architecture), task, "methods", cache)
    tokens = open_tokens(
        task, "train", key="methods", tokenizer=tokenizer, max_length=32, cache_folder=cache
    )
    return TokenInput(model, tokens, tokenizer.traits, CPU, "float32")


def _trained(model: Any) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("architecture", ALL)
def test_head_trains_the_head_alone(architecture: str, cache: Path) -> None:
    model = apply_method(_model(architecture, cache), HyperParameters("head"))
    trained = _trained(model)
    assert trained == head_parameter_names(model)
    assert trained and len(trained) <= 6
    assert not any(".layer." in n or ".h." in n or ".block." in n for n in trained)


@pytest.mark.parametrize("architecture", ALL)
def test_partial_trains_the_last_blocks_and_the_head(architecture: str, cache: Path) -> None:
    model = _model(architecture, cache)
    stacks = block_lists(model.base_model)
    assert len(stacks) == (2 if architecture in {"t5", "bart"} else 1)
    # ALBERT shares one group of layers between all its blocks.
    assert all(len(stack) == (1 if architecture == "albert" else 2) for stack in stacks)
    apply_method(model, HyperParameters("partial", num_trainable_layers=1))
    for stack in stacks:
        assert all(p.requires_grad for p in stack[-1].parameters())
        assert architecture == "albert" or not any(p.requires_grad for p in stack[0].parameters())
    assert head_parameter_names(model) <= _trained(model)
    assert not model.get_input_embeddings().weight.requires_grad


def test_partial_with_more_layers_than_there_are_trains_everything(cache: Path) -> None:
    model = apply_method(_model("bert", cache), HyperParameters("partial", num_trainable_layers=16))
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("architecture", ALL)
def test_lora_trains_few_weights_and_merges_without_a_trace(architecture: str, cache: Path) -> None:
    model = apply_method(
        _model(architecture, cache), HyperParameters("lora", lora_r=4, lora_bias="none")
    )
    trained = _trained(model)
    assert any("lora_A" in name for name in trained)
    assert any(".modules_to_save." in name for name in trained)
    assert all("lora_" in name or ".modules_to_save." in name for name in trained)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    inputs = _inputs(architecture, cache, model)
    model.eval()
    rows = np.arange(6)
    with torch.no_grad():
        before = inputs.logits(rows)
        base, weights = plain_weights(model)
        assert torch.equal(before, inputs.logits(rows))
        plain = merge(model).eval()
        after = _inputs(architecture, cache, plain).logits(rows)
    assert base is plain
    merged = plain.state_dict()
    assert weights.keys() == merged.keys()
    assert all(torch.equal(weights[name], merged[name]) for name in merged)
    assert type(plain) is type(_model(architecture, cache))
    assert torch.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "pissa", None])
def test_lora_initialisations(kind: str | None, cache: Path) -> None:
    model = apply_method(
        _model("bert", cache), HyperParameters("lora", init_lora_weights=kind, lora_bias="all")
    )
    assert any(name.endswith("bias") for name in _trained(model))


def test_loftq_is_refused_in_words(cache: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="quantised"):
        apply_method(_model("bert", cache), HyperParameters("lora", init_lora_weights="loftq"))


@pytest.mark.parametrize("architecture", ALL)
def test_lora_adapts_what_peft_does_where_it_knows_the_architecture(
    architecture: str, cache: Path
) -> None:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    model = _model(architecture, cache)
    found = {name.rpartition(".")[2] for name in lora_targets(model)}
    others = {"albert": {"query", "value"}, "distilbert": {"q_lin", "v_lin"}}
    others |= {"modernbert": {"Wqkv"}, "eurobert": {"q_proj", "v_proj"}}
    kind = model.config.model_type
    assert found == others.get(kind, set(KNOWN.get(kind, ())))


HEADS_READ = {
    **dict.fromkeys(ALL, "first"),
    **dict.fromkeys(("gpt2", "llama", "qwen3", "gemma3"), "last"),
    # The last token is the end of the sequence here.
    **dict.fromkeys(("t5", "bart"), "last"),
}


@pytest.mark.parametrize("architecture", [a for a in ALL if a != "eurobert"])
def test_features_and_head_make_the_whole_model(architecture: str, cache: Path) -> None:
    model = _model(architecture, cache)
    inputs, rows = _inputs(architecture, cache, model), np.arange(9)
    features = find_features(model, inputs, rows, CPU, "float32")
    assert features is not None
    assert features.position == HEADS_READ[architecture]
    others = np.arange(20, 40)
    vectors = torch.from_numpy(features.compute(inputs, others))
    with torch.no_grad():
        expected = inputs.logits(others)
        assert torch.allclose(features.head.logits(vectors), expected, atol=1e-4)
    assert vectors.shape == (20, features.width)


def test_a_head_that_reads_all_vectors_is_noticed(cache: Path) -> None:
    model = _model("eurobert", cache)
    inputs = _inputs("eurobert", cache, model)
    assert find_features(model, inputs, np.arange(9), CPU, "float32") is None


@pytest.mark.parametrize("architecture", ALL)
def test_dropout_reaches_the_model(architecture: str, cache: Path) -> None:
    model = _model(architecture, cache, 0.37)
    rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    rates |= {getattr(model.config, "attention_dropout", 0.37)}
    assert 0.37 in rates


def test_longest_input() -> None:
    from transformers import AutoConfig

    bert = AutoConfig.for_model("bert", max_position_embeddings=512)
    assert longest_input(bert, None) == 512
    assert longest_input(bert, 128) == 128
    roberta = AutoConfig.for_model("roberta", max_position_embeddings=514, pad_token_id=1)
    assert longest_input(roberta, None) == 512
    assert longest_input(AutoConfig.for_model("gpt2", n_positions=64), None) == 64
    assert longest_input(AutoConfig.for_model("t5"), None) == 1_000_000
