"""A training of text generation as a configuration of TRL's."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import fields
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_core.errors import ConfigError
from xautolm_core.export.forms import export_model
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.result_file import write_result
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.saving import ModelCard
from xautolm_core.whole_files import write_json

_GOLDEN = Path(__file__).parent / "golden" / "sft-lora.yaml"
_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
_LORA: Mapping[str, Value] = {
    "batch_size": 8,
    "max_length": 512,
    "epochs": 2,
    "learning_rate": 1e-3,
    "warmup_ratio": 0.06,
    "weight_decay": 0.0,
    "lr_scheduler": "cosine",
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "lora_targets": "all-linear",
    "lora_variant": "dora",
}


def save_model(
    folder: Path,
    method: str = "lora",
    parameters: Mapping[str, Value] = _LORA,
    *,
    model: str = _MODEL,
    fingerprint: str = "0" * 64,
    is_encoder_decoder: bool = False,
) -> Path:
    """Save what an export reads of a model: its card and its configuration."""
    folder.mkdir(parents=True)
    card = ModelCard(
        task="words",
        task_type="text-generation",
        fingerprint=fingerprint,
        labels=(),
        max_length=512,
        precision="float32",
        configuration=Configuration(
            branch=f"any-{method}" if method in ("lora", "full", "partial") else method,
            model=model,
            method=method,
            parameters=parameters,
        ),
        tokenizer=TokenizerTraits(pad_id=0, vocabulary=10, special_ids={}),
    )
    write_json(folder / MODEL_CARD_FILE, card)
    write_json(folder / "config.json", {"is_encoder_decoder": is_encoder_decoder})
    return folder


def test_the_configuration_is_the_golden_one(tmp_path: Path) -> None:
    found = export_model(str(save_model(tmp_path / "model")), "trl", out=tmp_path / "out")
    assert (tmp_path / "out" / "sft.yaml").read_text() == _GOLDEN.read_text()
    assert found.path == tmp_path / "out"
    assert "trl sft --config sft.yaml" in found.said[0]
    assert "data are missing" in found.said[-1]
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "trl sft --config sft.yaml" in readme and "data were not written" in readme


def test_a_full_training_has_no_adapter(tmp_path: Path) -> None:
    parameters = {"batch_size": 4, "optimizer": "adam", "weight_decay": 0.1, "warmup_steps": 10,
                  "lr_scheduler": "constant", "use_gradient_clipping": False}  # fmt: skip
    export_model(
        str(save_model(tmp_path / "model", "full", parameters)), "trl", out=tmp_path / "out"
    )
    found = yaml.safe_load((tmp_path / "out" / "sft.yaml").read_text())
    assert not any(name.startswith(("lora", "use_")) for name in found)
    assert (found["optim"], found["weight_decay"]) == ("adamw_torch", 0.0)
    assert (found["lr_scheduler_type"], found["warmup_steps"]) == ("constant_with_warmup", 10)
    assert found["max_grad_norm"] == 0.0


def test_what_trl_cannot_say_is_named(tmp_path: Path) -> None:
    parameters = {**_LORA, "init_lora_weights": "pissa", "lora_bias": "all", "dropout_rate": 0.1}
    folder = save_model(tmp_path / "model", parameters=parameters)
    said = export_model(str(folder), "trl", out=tmp_path / "out").said[1]
    assert said.endswith("dropout_rate 0.1, init_lora_weights pissa, lora_bias all")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"method": "partial", "parameters": {}}, "TRL trains whole models or adapters"),
        ({"method": "untuned", "parameters": {}}, "fine-tuned language model"),
        ({"model": "untrained/tiny"}, "began with random weights"),
        ({"is_encoder_decoder": True}, "a sequence-to-sequence one"),
    ],
)
def test_what_trl_cannot_repeat_is_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    folder = save_model(tmp_path / "model", **more)
    with pytest.raises(ConfigError, match=said):
        export_model(str(folder), "trl", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_forms_are_for_their_type_of_task(tmp_path: Path, models: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="no form 'trl': that is for text-generation"):
        export_model(str(models["bert"]), "trl", out=tmp_path / "out")
    folder = save_model(tmp_path / "model")
    for form in ("onnx", "kserve", "mlflow"):
        with pytest.raises(ConfigError, match="that is for text-classification"):
            export_model(str(folder), form, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="--memory means nothing for trl"):
        export_model(str(folder), "trl", out=tmp_path / "out", memory="2Gi")


def test_the_rows_of_the_search_are_written(tmp_path: Path) -> None:
    data = tmp_path / "words.jsonl"
    rows = [{"prompt": f"Write word{n}.", "completion": f"word{n}"} for n in range(60)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = TaskSpec(data=str(data))
    task = load_task(spec)
    run = tmp_path / "run"
    run.mkdir()
    trial = record(0, method="lora", f1=0.5)
    used = trial.result.progress.model_copy(update={"rows": 20})
    trial = replace(trial, result=trial.result.model_copy(update={"progress": used}))
    result = search_result(run, records=[trial], best=0, other_f1=None)
    result = replace(result, spec=result.spec.model_copy(update={"task": spec}), test=None)
    write_json(run / SEARCH_FILE, result.spec)
    write_result(result, run)
    save_model(run / "model", fingerprint=task.fingerprint)
    assert len(export_model(str(run), "trl", out=tmp_path / "out").said) == 1
    read = {
        name: [
            json.loads(line)
            for line in (tmp_path / "out" / "data" / f"{name}.jsonl").read_text().splitlines()
        ]
        for name in ("train", "validation")
    }
    assert len(read["train"]) == 20 and len(read["validation"]) == len(task.validation)
    for row in read["train"] + read["validation"]:
        (prompt,), (completion,) = row["prompt"], row["completion"]
        assert (prompt["role"], completion["role"]) == ("user", "assistant")
        assert prompt["content"] == f"Write {completion['content']}."
    data.write_text(data.read_text().replace("word7", "word8"))
    said = export_model(str(run), "trl", out=tmp_path / "again").said[-1]
    assert "changed since the search" in said and not (tmp_path / "again" / "data").exists()


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed")
def test_every_name_is_a_field_of_trl(tmp_path: Path) -> None:
    from trl import ModelConfig
    from trl import ScriptArguments
    from trl import SFTConfig

    known = {one.name for kind in (ModelConfig, ScriptArguments, SFTConfig) for one in fields(kind)}
    assert set(yaml.safe_load(_GOLDEN.read_text())) <= known
