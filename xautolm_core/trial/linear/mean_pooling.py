"""Features of a frozen backbone: the mean of a text's last hidden states."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xautolm_core.space.architectures import first_blocks
from xautolm_core.space.descriptor import CONFIG_FILE
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.download import model_files
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.task import Split
from xautolm_core.trial.backbone_features import RowFeatures
from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.encoding import Encoder
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.linear.saving import BACKBONE_FOLDER
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.precision import autocast
from xautolm_core.trial.saving import TextReader
from xautolm_core.trial.saving import make_readable
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokens import Tokens
from xautolm_core.trial.tokens import encode_rows
from xautolm_core.whole_files import write_json

_LEAST_SCALE = 1e-6


class MeanPooling(RowFeatures):
    """Averages the last hidden states of a text's tokens, padding left out.

    Args:
        backbone: A transformers model without a head; of an encoder with a decoder the encoder is
            read.
        device: Where it is.
        precision: Of the matrix products.
    """

    def __init__(self, backbone: Any, device: torch.device, precision: Precision) -> None:
        self.backbone = backbone
        self.device = device
        self.precision = precision
        is_double = bool(getattr(backbone.config, "is_encoder_decoder", False))
        self._reads = backbone.get_encoder() if is_double else backbone

    @property
    def width(self) -> int:
        """Numbers a row."""
        return int(self.backbone.config.get_text_config().hidden_size)

    def compute(self, inputs: TokenInput, rows: np.ndarray) -> np.ndarray:
        """Return the features of some rows, float32, (rows, width)."""
        arguments = inputs.arguments(rows)
        with torch.inference_mode(), autocast(self.device, self.precision):
            hidden = self._reads(**arguments).last_hidden_state
            mask = arguments["attention_mask"].unsqueeze(-1).float()
            mean = (hidden.float() * mask).sum(1) / mask.sum(1).clamp(min=1)
        return mean.float().cpu().numpy()

    def inputs(self, tokens: Tokens, traits: TokenizerTraits) -> TokenInput:
        """Return the rows of a split as the backbone takes them."""
        return TokenInput(self.backbone, tokens, traits, self.device, self.precision)


class Scaler:
    """Standardises features column by column, and brings each row to length 1.

    Args:
        mean: float32, (columns,).
        scale: Likewise, more than 0.
    """

    def __init__(self, mean: np.ndarray, scale: np.ndarray) -> None:
        self.mean = mean
        self.scale = scale

    @classmethod
    def of(cls, features: np.ndarray) -> Scaler:
        """Return the scaler of training rows."""
        scale = np.maximum(features.std(axis=0), _LEAST_SCALE)
        return cls(features.mean(axis=0).astype(np.float32), scale.astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the features scaled, float32."""
        scaled = (features - self.mean) / self.scale
        lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
        return (scaled / np.maximum(lengths, _LEAST_SCALE)).astype(np.float32)


class ProbeSource:
    """Makes a probe's features of texts.

    Args:
        pooling: Computes them.
        scaler: Scales them.
        reader: How texts become tokens.
        tokenizer_folder: Where the tokenizer is.
        origin: Where the backbone came from, and its tokenizer, for saving; None for one that was
            loaded from a saved model.
    """

    def __init__(
        self,
        pooling: MeanPooling,
        scaler: Scaler,
        reader: TextReader,
        tokenizer_folder: Path,
        origin: tuple[ModelReference, TokenizerFolder] | None = None,
    ) -> None:
        self._pooling = pooling
        self._scaler = scaler
        self._traits = reader.tokenizer
        self._encoder = Encoder(tokenizer_folder, reader.max_length)
        self._origin = origin

    def features(self, split: Split, *, max_rows: int = 256) -> np.ndarray:
        """Return features of all rows of a split, float32, (rows, columns)."""
        ids, offsets, types = encode_rows(
            split, self._encoder, uses_types=self._traits.uses_types, wide=True
        )
        inputs = self._pooling.inputs(Tokens(ids, offsets, types, ""), self._traits)
        found = np.empty((len(split), self._pooling.width), dtype=np.float32)
        max_tokens = evaluation_tokens(self._pooling.device)
        for rows in evaluation_batches(inputs.lengths, max_tokens=max_tokens, max_rows=max_rows):
            found[rows] = self._pooling.compute(inputs, rows)
        return self._scaler(found)

    def write(self, folder: Path) -> dict[str, np.ndarray]:
        """Write backbone and tokenizer to a model's folder; return the scaler's arrays.

        Raises:
            OSError: They cannot be written.
        """
        assert self._origin is not None, "a loaded model is not saved again"
        reference, tokenizer = self._origin
        target = folder / BACKBONE_FOLDER
        target.mkdir()
        if reference.path is None:
            self._pooling.backbone.save_pretrained(target)
            make_readable(target)
        else:
            source = Path(reference.path)
            for name in model_files(source):
                if name == CONFIG_FILE and reference.blocks is not None:
                    # The weights are a whole model's: of these its config takes the first blocks.
                    write_json(target / name, first_blocks(read_config(source), reference.blocks))
                elif name == CONFIG_FILE or ".safetensors" in name:
                    _link((source / name).resolve(), target / name)
        tokenizer.copy_to(target)
        return {"probe.mean": self._scaler.mean, "probe.scale": self._scaler.scale}


def _link(source: Path, target: Path) -> None:
    """Let a file stand in another folder too, without a copy where the disk can do so."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
