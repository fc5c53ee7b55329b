"""``--to trl``: a folder with which ``trl sft`` repeats a training: its configuration and the data.

Names are those of TRL 1.16 (``SFTConfig``, ``ModelConfig``, ``ScriptArguments``). TRL itself is not
needed to write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import cast

from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError
from xautolm_core.export.forms import SERVICE_OPTIONS
from xautolm_core.export.forms import Exported
from xautolm_core.export.forms import ExportOptions
from xautolm_core.export.found_model import FoundModel
from xautolm_core.export.found_model import is_encoder_decoder
from xautolm_core.export.found_model import require_language_model
from xautolm_core.whole_files import whole_folder
from xautolm_core.whole_files import write_text

if TYPE_CHECKING:
    import numpy as np

    from xautolm_core.tasks.conversations import GenerationSplit
    from xautolm_core.tasks.conversations import GenerationTask
    from xautolm_core.trial.hyperparameters import HyperParameters

TRL_VERSION = "1.16"
CONFIG_FILE = "sft.yaml"
DATA_FOLDER = "data"
README_FILE = "README.md"
_UNTRAINED = "untrained/"
_OPTIMIZERS = {"adamw": "adamw_torch", "adam": "adamw_torch", "sgd": "sgd", "adagrad": "adagrad"}
_SCHEDULERS = {"constant": "constant_with_warmup"}


def export(model: FoundModel, options: ExportOptions) -> Exported:
    """Write a training as a configuration of TRL's, with its data where these are at hand.

    Raises:
        ConfigError: TRL cannot repeat the training.
        OSError: It cannot be written.
    """
    from xautolm_core.trial.hyperparameters import read_hyperparameters

    options.refuse("trl", *SERVICE_OPTIONS)
    require_language_model(model, "trl")
    configuration = model.card.configuration
    _require_repeatable(model)
    parameters = read_hyperparameters(configuration)
    left_out = _left_out(parameters)
    with whole_folder(options.out) as folder:
        missing = _write_data(model, folder / DATA_FOLDER)
        write_text(folder / CONFIG_FILE, sft_config(model, parameters))
        write_text(folder / README_FILE, _readme(model, left_out, missing))
    said = [f"Run it in that folder: trl sft --config {CONFIG_FILE}"]
    said += [f"TRL's command line cannot say: {', '.join(left_out)}"] * bool(left_out)
    said += [f"The data are missing ({missing}): {README_FILE} says how to give them"] * bool(
        missing
    )
    return Exported(options.out, tuple(said))


def sft_config(model: FoundModel, parameters: HyperParameters) -> str:
    """Return the configuration of ``trl sft``, YAML.

    Args:
        model: What was trained.
        parameters: With what.
    """
    import yaml

    configuration, card = model.card.configuration, model.card
    found: dict[str, Any] = {"model_name_or_path": configuration.model}
    if configuration.revision:
        found["model_revision"] = configuration.revision
    found |= {
        "dtype": "float32",
        "dataset_name": DATA_FOLDER,
        "dataset_train_split": "train",
        "dataset_test_split": "validation",
        "output_dir": "model",
        "max_length": parameters.max_length,
        "completion_only_loss": True,
        "packing": parameters.packing,
        "per_device_train_batch_size": parameters.batch_size,
        "gradient_accumulation_steps": parameters.gradient_accumulation_steps,
        "num_train_epochs": float(parameters.epochs),
        "learning_rate": parameters.learning_rate,
        "lr_scheduler_type": _SCHEDULERS.get(parameters.lr_scheduler, parameters.lr_scheduler),
        # Below 1 it is a share of all steps.
        "warmup_steps": (
            parameters.warmup_ratio if parameters.warmup_steps is None else parameters.warmup_steps
        ),
        "optim": _OPTIMIZERS[parameters.optimizer],
        "weight_decay": 0.0 if parameters.optimizer == "adam" else parameters.weight_decay,
        "max_grad_norm": parameters.clipping_norm or 0.0,
        "label_smoothing_factor": parameters.label_smoothing,
        "bf16": card.precision == "bfloat16",
        "gradient_checkpointing": parameters.gradient_checkpointing,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "report_to": "none",
    }
    if parameters.method == "lora":
        found |= _lora_config(parameters)
    text: str = yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
    return text


def _lora_config(parameters: HyperParameters) -> dict[str, Any]:
    found: dict[str, Any] = {
        "use_peft": True,
        "lora_task_type": "CAUSAL_LM",
        "lora_r": parameters.lora_r,
        "lora_alpha": round(parameters.lora_alpha),
        "lora_dropout": parameters.lora_dropout,
        "use_rslora": parameters.lora_variant == "rslora",
        "use_dora": parameters.lora_variant == "dora",
    }
    # Without names peft takes queries and values of the attention, as we do.
    if parameters.lora_targets == "all-linear":
        found["lora_target_modules"] = ["all-linear"]
    return found


def _require_repeatable(model: FoundModel) -> None:
    """Make sure that TRL's supervised fine-tuning can do what a trial did.

    Raises:
        ConfigError: It cannot.
    """
    configuration = model.card.configuration
    problem, hint = "", "Export another trial: search with --keep-models front"
    if configuration.method not in ("full", "lora"):
        problem = f"method '{configuration.method}': TRL trains whole models or adapters"
    elif (configuration.model or "").startswith(_UNTRAINED):
        problem = f"{configuration.model} began with random weights, which TRL does not make"
    elif is_encoder_decoder(model):
        problem = f"{configuration.model} is no causal model but a sequence-to-sequence one"
        hint = "Fine-tune a causal model for a training that TRL can repeat"
    if problem:
        raise ConfigError(f"TRL cannot repeat this training: {problem}", hint=hint)


def _left_out(parameters: HyperParameters) -> list[str]:
    """Return what of a training no field of TRL's configuration holds."""
    left = []
    if parameters.dropout_rate is not None:
        left.append(f"dropout_rate {parameters.dropout_rate:g}")
    if parameters.use_early_stopping:
        left.append(f"early_stopping_patience {parameters.early_stopping_patience}")
    if parameters.method == "lora":
        if parameters.init_lora_weights is not None:
            left.append(f"init_lora_weights {parameters.init_lora_weights}")
        if parameters.lora_bias != "none":
            left.append(f"lora_bias {parameters.lora_bias}")
        if not float(parameters.lora_alpha).is_integer():
            left.append(f"lora_alpha {parameters.lora_alpha:g} (rounded)")
    return left


def _write_data(model: FoundModel, folder: Path) -> str:
    """Write the training and validation rows as JSON Lines; return why not, empty if written."""
    from xautolm_core.tasks.load import load_task

    if model.result is None:
        return "the run is not at hand"
    try:
        task = cast("GenerationTask", load_task(model.result.spec.task))
    except XautolmError as error:
        return error.problem
    if task.fingerprint != model.card.fingerprint:
        return "they have changed since the search"
    used = 0 if model.trial is None else model.trial.result.progress.rows
    folder.mkdir()
    _write_split(folder / "train.jsonl", task.train, _sample(len(task.train), used))
    _write_split(folder / "validation.jsonl", task.validation, _sample(len(task.validation), 0))
    return ""


def _sample(rows: int, wanted: int) -> np.ndarray:
    """Return as many rows as a trial used, seeded; all if that is not known."""
    import numpy as np

    from xautolm_core.tasks.sampling import stratified_sample

    return stratified_sample(np.zeros(rows), wanted or rows, 0)


def _write_split(file: Path, split: GenerationSplit, rows: np.ndarray) -> None:
    messages, answers = split.messages.take(rows), split.answers.take(rows)
    with file.open("w", encoding="utf-8") as out:
        out.writelines(_lines(messages.to_pylist(), answers.to_pylist()))


def _lines(messages: Iterable[list[dict[str, str]]], answers: Iterable[list[str]]) -> Iterable[str]:
    for before, accepted in zip(messages, answers, strict=True):
        row = {
            "prompt": before,
            "completion": [{"role": "assistant", "content": accepted[0]}],
        }
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _readme(model: FoundModel, left_out: Iterable[str], missing: str) -> str:
    configuration = model.card.configuration
    lines = [
        f"# {configuration.model} ({configuration.method}) with TRL",
        "",
        "The training that xautolm chose, for `SFTTrainer` of TRL (written for version "
        f"{TRL_VERSION}):",
        "",
        "```",
        f"pip install 'trl[peft]=={TRL_VERSION}.*'",
        f"trl sft --config {CONFIG_FILE}",
        "```",
        "",
        f"`{DATA_FOLDER}` holds `train.jsonl` and `validation.jsonl`, a row a line, with columns"
        " `prompt` and `completion` (lists of messages with `role` and `content`); the loss is that"
        " of the completion.",
        "Of rows longer than `max_length` TRL cuts the end, xautolm the beginning of the prompt.",
    ]
    if missing:
        lines += ["", f"**The data were not written** ({missing}). Put both files there yourself."]
    for one in left_out:
        lines.append(f"TRL's command line has no field for {one}.")
    return "\n".join(lines) + "\n"
