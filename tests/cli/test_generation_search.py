"""A search for a model that writes texts, by real processes and trials of a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import xautolm
from tests.cli.running import run_process

pytestmark = pytest.mark.slow
pytest.importorskip("torch")
pytest.importorskip("transformers")

_SPACE = """
schema: 1
name: tiny-generation
task: text-generation
description: One model with random weights in a folder, which counts as pretrained.
models:
  tiny:
    - id: tests/llama
      path: llama
branches:
  tiny-full:
    method: full
    models: tiny
    parameters:
      batch_size: [8, 16]
      max_length: [48, 64]
      epochs: {low: 1, high: 2}
      learning_rate: [3e-3, 1e-2]
"""
_WORDS = ("mill", "bridge", "tower", "house")
_OPTIONS = ("--offline", "--store", "store", "--seed", "1")


def save_llama(folder: Path) -> None:
    """Save a causal model with random weights and a tokenizer that knows the task's words."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import trainers
    from transformers import LlamaConfig
    from transformers import LlamaForCausalLM
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([row["prompt"] for row in task_rows()], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", model_max_length=128
    ).save_pretrained(folder)
    torch.manual_seed(0)
    end = tokenizer.token_to_id("<end>")
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        bos_token_id=end,
        eos_token_id=end,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def task_rows() -> list[dict[str, str]]:
    return [
        {
            "prompt": f"Number {n}: say {_WORDS[n % 4]} again, {_WORDS[(n // 4) % 4]} is wrong.",
            "completion": _WORDS[n % 4],
        }
        for n in range(200)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    (place / "space.yaml").write_text(_SPACE)
    save_llama(place / "llama")
    (place / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in task_rows()))
    return place


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, Any]:
    ended = run_process(
        *("search", "words.jsonl", "--space", "space.yaml", "--trials", "2", "--json"),
        *("--out", "run", *_OPTIONS),
        folder=folder,
        timeout_seconds=300,
    )
    assert ended.code == 0, ended.err
    assert "text generation" in ended.err
    document: dict[str, Any] = json.loads(ended.out)
    return document


def test_the_search_is_one_of_generation(folder: Path, first: dict[str, Any]) -> None:
    assert first["data"]["type"] == "text-generation"
    assert set(first["outcomes"]) == {"ok"} and first["outcomes"]["ok"] >= 3
    assert first["cheap"]["method"] in ("untuned", "untuned_few_shot")
    scores = {"f1", "exact_match", "rouge_l", "chrf", "drop_f1", "drop_exact_match"}
    assert set(first["test"]) == {*scores, "rows"} and first["test"]["rows"] == 20
    assert scores <= set(first["best"]["validation"])
    assert first["comparison"]["cheap"] == first["cheap"]["trial"]
    page = (folder / "run" / "report.html").read_text()
    assert "ROUGE-L" in page and "acro F1" not in page and "than the model untuned" in page
    assert "text-generation" in (folder / "run" / "model" / "README.md").read_text()


def test_both_models_write_after_new_prompts(folder: Path, first: dict[str, Any]) -> None:
    rows = [{"prompt": f"Number {n}: say mill again.", "id": n} for n in range(5)]
    (folder / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for model in ("run", "run/alternative"):
        ended = run_process(
            *("predict", model, "new.jsonl", "--out", "written.parquet"), folder=folder
        )
        assert ended.code == 0, ended.err
        table = pq.read_table(folder / "written.parquet").to_pylist()
        assert [row["id"] for row in table] == list(range(5))
        assert all(row["generated_tokens"] > 0 or not row["prediction"] for row in table)
        told = xautolm.load_model(folder / model).generate([row["prompt"] for row in rows])
        assert [one.text for one in told] == [row["prediction"] for row in table]
        assert [one.is_cut for one in told] == [row["is_cut"] for row in table]


def test_a_prompt_on_the_command_line(folder: Path, first: dict[str, Any]) -> None:
    ended = run_process("predict", "run", "--prompt", "say mill again", "--json", folder=folder)
    assert ended.code == 0, ended.err
    assert set(json.loads(ended.out)) == {"prediction", "generated_tokens", "is_cut"}
    ended = run_process("predict", "run", "--text", "Who?", folder=folder)
    assert ended.code == 2 and "Give --prompt" in ended.err


def test_experiences_stay_with_their_kind_of_task(folder: Path, first: dict[str, Any]) -> None:
    experiences = list(xautolm.open_store(str(folder / "store")).scan())
    assert {one.task_type for one in experiences} == {"text-generation"}
    assert all({"f1", "rouge_l"} <= set(one.scores) for one in experiences)
    texts = "".join(one.model_dump_json() for one in experiences)
    assert not any(word in texts for word in ("tower", "bridge"))


def test_the_training_is_written_for_trl(folder: Path, first: dict[str, Any]) -> None:
    place = "run" if first["best"]["configuration"]["method"] == "full" else "run/alternative"
    ended = run_process("export", place, "--to", "trl", "--out", "trl", folder=folder)
    assert ended.code == 0, ended.err
    config = (folder / "trl" / "sft.yaml").read_text()
    assert "model_name_or_path:" in config and "completion_only_loss: true" in config
    rows = (folder / "trl" / "data" / "train.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["completion"][0]["content"] in _WORDS


def test_a_space_for_another_kind_is_refused(folder: Path) -> None:
    ended = run_process(
        *("search", "words.jsonl", "--space", "starter", "--trials", "1", *_OPTIONS), folder=folder
    )
    assert ended.code == 2
    assert "starter" in ended.err and "text-generation" in ended.err
