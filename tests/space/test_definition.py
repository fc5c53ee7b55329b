"""Spaces as files: what is read from them, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.space.folders import SPACE
from xautolm_core.errors import SpaceError
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.definition import read_definition
from xautolm_core.space.descriptor import describe
from xautolm_core.space.hyperparameters import HYPERPARAMETERS
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.presets import preset_names
from xautolm_core.space.presets import preset_text


def test_a_space_is_read() -> None:
    space = parse_definition(SPACE, "mine.yaml")
    (branch,) = space.branches
    assert list(space.models) == ["org/tiny", "other"]
    assert branch.model == Categorical("model", ("org/tiny", "other"), "tiny.model")
    assert branch.parameters == (
        Categorical("batch_size", (8, 16), "tiny-full.batch_size"),
        Integer("epochs", 1, 3, "tiny-full.epochs"),
        Boolean("class_weighted_loss", "tiny-full.class_weighted_loss"),
        Categorical("learning_rate", (5e-5, 1e-4), "tiny-full.learning_rate"),
        Categorical("optimizer", ("adamw",), "tiny-full.optimizer"),
    )
    (start,) = space.starts
    assert start.parameters["learning_rate"] == 5e-5
    assert list(start.parameters) == [p.name for p in branch.parameters]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("name: mine", "nam: mine", 2, ["unknown key", "Did you mean 'name'?"]),
        ("name: mine", "", 1, ["'name' is missing"]),
        ("schema: 1", "schema: 7", 1, ["not 7"]),
        ("    - other", "    - id: ../x", 7, ["organisation/name"]),
        ("    - other", "    - id: 12", 7, ["valid string", "not 12"]),
        ("    - other", "    - org/tiny", 7, ["stands twice"]),
        ("    - other", "    - {id: x, untrained: {}}", 7, ["model_type"]),
        ("    - other", "    - {id: x, base: org/tiny}", 7, ["base and their number"]),
        ("    - other", "    - {id: x, blocks: 2}", 7, ["base and their number"]),
        ("    - other", "    - {id: x, base: x, blocks: 2}", 7, ["id of their own"]),
        ("    - other", "    - {id: x, base: org/tiny, blocks: 0}", 7, ["greater than or equal"]),
        ("    - other", "    - {id: x, base: ../x, blocks: 2}", 7, ["looks like 'name'"]),
        ("    - other", "    - {id: x, distribution: a-b}", 7, ["the package that it brings"]),
        ("    - other", "    - {id: x, package: a, distribution: a;b}", 7, ["no name of a dist"]),
        ("    - other", "    - {id: x, package: p, path: ../y}", 7, ["within the package"]),
        ("    - other", "    - {id: x, pth: y}", 7, ["Did you mean 'path'?"]),
        ("method: full", "method: ful", 10, ["'full', 'partial', 'lora' or 'head'", "'ful'"]),
        ("method: full", "methd: full", 10, ["Did you mean 'method'?"]),
        ("models: tiny", "models: tinny", 11, ["no group", "Did you mean 'tiny'?"]),
        ("learning_rate: [5e-5", "learning_rte: [5e-5", 16, ["Did you mean 'learning_rate'?"]),
        ("optimizer: adamw\nstarts", "lora_r: 8\nstarts", 17, ["no hyper-parameter 'lora_r'"]),
        (
            "optimizer: adamw\nstarts",
            "warmup_steps: 1\n      warmup_ratio: 0.1\nstarts",
            18,
            ["exclude each other"],
        ),
        ("[8, 16]", "[8, 8]", 13, ["stands twice"]),
        ("[8, 16]", "[]", 13, ["empty"]),
        ("[8, 16]", "[8, 0]", 13, ["at least 1", "not 0"]),
        ("[8, 16]", "[8, '16']", 13, ["whole number", "'16'"]),
        ("[8, 16]", "[8, true]", 13, ["whole number", "True"]),
        ("[8, 16]", "[8, 16.0]", 13, ["whole number"]),
        ("[5e-5, 1e-4]", "[-1e-5]", 16, ["above 0"]),
        ("[5e-5, 1e-4]", "[.nan]", 16, ["above 0"]),
        ("[5e-5, 1e-4]", "[5e-5, 1e-4, lots]", 16, ["must be a number", "'lots'"]),
        ("{low: 1, high: 3}", "{low: 4, high: 3}", 14, ["low (4) is above high (3)"]),
        ("{low: 1, high: 3}", "{low: 1}", 14, ["low and high"]),
        ("{low: 1, high: 3}", "{low: 1, high: 2.5}", 14, ["2.5 is no whole number"]),
        ("{low: 1, high: 3}", "boolean", 14, ["whole number"]),
        ("class_weighted_loss: boolean", "class_weighted_loss: 1", 15, ["true or false"]),
        ("optimizer: adamw\nstarts", "optimizer: adamax\nstarts", 17, ["adamw, adam, sgd"]),
        ("  - branch: tiny-full", "  - branch: tiny-ful", 19, ["Did you mean 'tiny-full'?"]),
        ("    model: org/tiny", "    model: org/big", 20, ["no model 'org/big'"]),
        ("      batch_size: 8\n", "", 21, ["a start is complete", "batch_size is missing"]),
        ("      batch_size: 8\n", "      batch_size: 9\n", 22, ["9 is not in", "8, 16"]),
        ("      epochs: 2", "      epochs: 4", 23, ["4 is not in", "1 to 3"]),
        ("      epochs: 2", "      epoch: 2", 23, ["Did you mean 'epochs'?"]),
        ("_loss: false", "_loss: 0", 24, ["0 is not in", "true, false"]),
        ("name: mine", "name: mine\nname: twice", 3, ["second time", "line 2"]),
        ("name: mine", "name: [mine", 3, ["Mend the YAML"]),
        ("name: mine", "name: mine\n\tx: 1", 3, ["Mend the YAML"]),
        ("name: mine", "name: !!python/object:os.system x", 2, []),
        ("name: mine", "name: mine\nx-a: &a {b: *a}", 3, ["refers to itself"]),
        ("  tiny:\n    -", "  ti ny:\n    -", 4, ["no name"]),
    ],
)
def test_a_wrong_space_names_the_line_and_the_fix(
    old: str, new: str, line: int, words: list[str]
) -> None:
    assert SPACE.count(old) == 1
    with pytest.raises(SpaceError) as caught:
        parse_definition(SPACE.replace(old, new), "mine.yaml")
    message = str(caught.value)
    assert message.startswith(f"mine.yaml:{line}: "), message
    assert "\n" not in message
    assert caught.value.hint
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", ["batch_size", "warmup_steps", "weight_decay", "lora_alpha"])
def test_a_number_that_no_float_holds_is_out_of_bounds(name: str) -> None:
    text = SPACE.replace("batch_size: [8, 16]", f"{name}: [{10**400}]").replace(
        "method: full", "method: lora"
    )
    with pytest.raises(SpaceError, match="at most"):
        parse_definition(text, "mine.yaml")


@pytest.mark.parametrize("text", ["", "# nothing", "- a\n- b", "just words", "1"])
def test_what_is_no_space_is_told_how_to_begin(text: str) -> None:
    with pytest.raises(SpaceError, match="Begin with 'name:'"):
        parse_definition(text, "mine.yaml")


def test_a_line_behind_an_anchor_is_where_it_is_written() -> None:
    text = SPACE.replace("branches:", "x-c: &c {weight_decay: [7000]}\nbranches:").replace(
        "      batch_size: [8, 16]", "      <<: *c\n      batch_size: [8, 16]"
    )
    with pytest.raises(SpaceError, match=r"^mine\.yaml:8: .*at most 1000, not 7000"):
        parse_definition(text, "mine.yaml")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"no search space 'startr'.*starter"):
        read_definition("startr")
    with pytest.raises(SpaceError, match="Cannot read"):
        read_definition(str(tmp_path))
    (tmp_path / "latin.yaml").write_bytes("name: größe".encode("latin-1"))
    with pytest.raises(SpaceError, match="not UTF-8: byte 8"):
        read_definition(str(tmp_path / "latin.yaml"))


# Presets


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_sound(name: str) -> None:
    space = read_definition(name)
    assert space.name == name
    assert space.description
    assert len(preset_text(name)) > 1_000
    for branch in space.branches:
        assert branch.parameters


def test_the_papers_space_has_the_papers_grids() -> None:
    space = read_definition("paper-classification")
    branches = {branch.name: branch for branch in space.branches}
    assert list(branches) == [
        f"{side}-{method}"
        for side in ("encoder", "generative")
        for method in ("full", "partial", "lora")
    ]
    assert len(space.models) == 48
    assert len(branches["encoder-full"].model.choices) == 25
    assert len(branches["generative-lora"].model.choices) == 23
    assert branches["encoder-lora"].model == branches["encoder-full"].model
    domains = {
        name: {p.name: getattr(p, "choices", None) for p in branch.parameters}
        for name, branch in branches.items()
    }
    for name, domain in domains.items():
        assert domain["batch_size"] == (2, 4, 8, 16, 32, 64, 128, 256)
        assert domain["max_length"] == (64, 128, 256, 512, 1024, 2048, 4096)
        assert domain["learning_rate"] == (5e-6, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 1e-4)
        assert domain["warmup_steps"] == (0, 100, 500, 1000, 1500, 2000)
        assert domain["weight_decay"] == (0, 0.001, 0.005, 0.01, 0.1)
        assert domain["gradient_accumulation_steps"] == (1, 2, 4, 8, 16)
        assert branches[name].parameter("epochs") == Integer("epochs", 1, 10, f"{name}.epochs")
        assert ("dropout_rate" in domain) == ("lora" not in name)
        assert ("num_trainable_layers" in domain) == ("partial" in name)
        assert ("lora_r" in domain) == ("lora" in name)
    assert domains["encoder-lora"]["lora_bias"] == ("none", "all", "lora_only")
    assert domains["generative-lora"]["lora_bias"] == ("none", "all")
    assert domains["encoder-lora"]["init_lora_weights"] == ("gaussian", "pissa", "loftq", None)


def test_small_models_are_small_and_described_as_their_configs_are() -> None:
    def modern(width: int, layers: int, heads: int, inner: int, **others: int) -> dict[str, Any]:
        sizes = {"vocab_size": 50368, "max_position_embeddings": 7999, **others}
        return {
            "model_type": "modernbert",
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            **sizes,
        }

    minilm = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
    deberta = {
        "hidden_size": 768,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "relative_attention": True,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
    }
    # As the models' own configs have it, so far as they differ from the family's defaults.
    configs: dict[str, dict[str, Any]] = {
        "jhu-clsp/ettin-encoder-17m": modern(256, 7, 4, 384),
        "jhu-clsp/ettin-encoder-32m": modern(384, 10, 6, 576),
        "jhu-clsp/ettin-encoder-68m": modern(512, 19, 8, 768),
        "jhu-clsp/ettin-encoder-150m": modern(768, 22, 12, 1152),
        "jhu-clsp/mmBERT-small": modern(
            384, 22, 6, 1152, vocab_size=256000, max_position_embeddings=8192
        ),
        "answerdotai/ModernBERT-base": {"model_type": "modernbert"},
        "sentence-transformers/all-MiniLM-L6-v2": {"model_type": "bert", **minilm},
        "microsoft/deberta-v3-small": {"model_type": "deberta-v2", **deberta},
    }
    entries = read_definition("small").models
    assert set(entries) == set(configs)
    for name, entry in entries.items():
        assert entry.descriptor == describe(configs[name], languages=entry.languages), name
        assert entry.descriptor.parameters <= 150e6


def test_starter_begins_with_full_fine_tuning() -> None:
    starts = read_definition("starter").starts
    assert [start.method for start in starts] == ["full", "full", "lora", "head", "partial"]
    assert len({start.model for start in starts[:2]}) == 2


# Laws


def _choices(name: str) -> st.SearchStrategy[list[object]]:
    known = HYPERPARAMETERS[name]
    match known.kind:
        case "boolean":
            values: st.SearchStrategy[object] = st.booleans()
        case "name":
            values = st.sampled_from(known.choices)
        case "integer":
            values = st.integers(int(known.low), int(min(known.high, 10**6)))
        case _:
            values = st.floats(
                known.low,
                min(known.high, 1e3),
                exclude_min=known.is_open_below,
                exclude_max=known.is_open_above,
            )
    return st.lists(values, min_size=1, max_size=4, unique=True)


@given(
    st.sets(st.sampled_from(sorted(set(HYPERPARAMETERS) - {"warmup_steps"})), min_size=1).flatmap(
        lambda names: st.fixed_dictionaries({name: _choices(name) for name in sorted(names)})
    )
)
def test_a_space_survives_its_yaml(domains: dict[str, list[object]]) -> None:
    usable = {n: d for n, d in domains.items() if "lora" in HYPERPARAMETERS[n].methods}
    if not usable:
        return
    content = {
        "name": "x",
        "models": {"m": ["a"]},
        "branches": {"b": {"method": "lora", "models": "m", "parameters": usable}},
        "starts": [
            {"branch": "b", "model": "a", "parameters": {n: d[-1] for n, d in usable.items()}}
        ],
    }
    space = parse_definition(yaml.safe_dump(content, sort_keys=False), "x.yaml")
    read = {p.name: list(p.choices) for p in space.branches[0].parameters}  # type: ignore[union-attr]
    assert read == usable
    assert dict(space.starts[0].parameters) == content["starts"][0]["parameters"]
