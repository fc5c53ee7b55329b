"""A fine-tuned language model as ONNX, checked against its own answers before it is handed over.

The only module that imports onnx and onnxruntime.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.trial.agreement import Agreement
from xautolm_core.trial.agreement import require_agreement
from xautolm_core.trial.agreement import sample_texts
from xautolm_core.trial.architectures import takes_types
from xautolm_core.trial.predict import LanguageModelClassifier
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.predict import read_card
from xautolm_core.trial.saving import ModelCard
from xautolm_core.whole_files import whole_folder

ONNX_FILE = "model.onnx"
_WEIGHTS = "*.safetensors*"
_MOST_INLINE_BYTES = 1_800_000_000
"""A file of protocol buffers holds 2 GiB at most; larger weights go to a file beside it."""


@dataclass(frozen=True)
class OnnxExport:
    """What was exported.

    Attributes:
        opset: Version of the operator set.
        agreement: How far both answer alike.
    """

    opset: int
    agreement: Agreement


class _Logits(nn.Module):
    """The model with tensors in and the logits out."""

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self._model = model
        self._names = names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        arguments = dict(zip(self._names, tensors, strict=True))
        found: torch.Tensor = self._model(**arguments).logits
        return found


class _Session(nn.Module):
    """An ONNX model in the place of the original: it reads the same batches."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self._names = {one.name for one in self._session.get_inputs()}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> SimpleNamespace:
        """Return what has the logits."""
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        feed = {
            name: tensor.long().numpy()
            for name, tensor in given.items()
            if tensor is not None and name in self._names
        }
        (logits,) = self._session.run(["logits"], feed)
        return SimpleNamespace(logits=torch.from_numpy(logits))


class OnnxClassifier(LanguageModelClassifier):
    """A model that ``export_onnx`` wrote, on the CPU.

    Args:
        folder: Its folder.

    Raises:
        ConfigError: The folder holds no model.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, folder: Path) -> None:
        card = read_card(folder)
        super().__init__(_Session(folder / ONNX_FILE), _in_float32(card), folder, "cpu")


def export_onnx(model_folder: Path, target: Path) -> OnnxExport:
    """Write a language model as ONNX, with its tokenizer, its config and its cards.

    Args:
        model_folder: Folder of a fine-tuned language model.
        target: The folder to make; what is there is replaced.

    Raises:
        ConfigError: It is no such model, its architecture cannot be exported, or the other form
            would not answer as it does. Nothing is written.
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        OSError: It cannot be written. Nothing is left behind.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401 - what is missing is said before the work
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("onnx", "A model as ONNX") from error
    card = read_card(model_folder)
    original = load_classifier(model_folder, mixed=False)
    if not isinstance(original, LanguageModelClassifier):
        raise ConfigError("The model is no language model", hint="Export one of the front")
    with whole_folder(target) as new:
        shutil.copytree(
            model_folder, new, ignore=shutil.ignore_patterns(_WEIGHTS), dirs_exist_ok=True
        )
        _write_graph(original.model, card, new / ONNX_FILE)
        onnx.checker.check_model(str(new / ONNX_FILE))
        graph = onnx.load(str(new / ONNX_FILE), load_external_data=False)
        opset = max(one.version for one in graph.opset_import if one.domain in ("", "ai.onnx"))
        agreement = require_agreement(
            original.probabilities,
            OnnxClassifier(new).probabilities,
            sample_texts(has_pairs=card.has_pairs),
            form="ONNX",
        )
    return OnnxExport(opset, agreement)


def _write_graph(model: Any, card: ModelCard, file: Path) -> None:
    """Trace a model and write it, both axes of its input free.

    Raises:
        ConfigError: The exporter cannot trace its architecture.
    """
    reader = card.reader()
    names: tuple[str, ...] = ("input_ids", "attention_mask")
    if reader.tokenizer.uses_types and takes_types(model):
        names = (*names, "token_type_ids")
    # Two rows of unlike length: an axis of length one would pass for one that never changes.
    length = min(16, reader.max_length)
    ids = torch.randint(0, reader.tokenizer.vocabulary, (2, length))
    mask = torch.ones_like(ids)
    mask[1, length // 2 :] = 0
    tensors = (ids, mask, torch.zeros_like(ids))[: len(names)]
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim.AUTO}
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    try:
        with _quiet(), torch.inference_mode():
            torch.onnx.export(
                _Logits(model, names).eval(),
                tensors,
                str(file),
                input_names=list(names),
                output_names=["logits"],
                dynamic_shapes=(tuple(axes for _ in names),),
                dynamo=True,
                external_data=size > _MOST_INLINE_BYTES,
                verbose=False,
            )
    except Exception as error:
        kind = type(model).__name__
        raise ConfigError(
            f"{kind} cannot be exported to ONNX ({type(error).__name__})",
            hint="Serve the folder as it is (--to kserve), or export it with --to mlflow",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own inner life from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _in_float32(card: ModelCard) -> ModelCard:
    return card.model_copy(update={"precision": "float32"})
