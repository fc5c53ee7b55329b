"""Loads the language model of a saved probe."""

from __future__ import annotations

from pathlib import Path

import torch

from xautolm_core.errors import ConfigError
from xautolm_core.trial.linear.mean_pooling import MeanPooling
from xautolm_core.trial.linear.mean_pooling import ProbeSource
from xautolm_core.trial.linear.mean_pooling import Scaler
from xautolm_core.trial.linear.saving import BACKBONE_FOLDER
from xautolm_core.trial.linear.saving import SavedArrays
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.saving import ModelCard


def load_probe(
    folder: Path, card: ModelCard, arrays: SavedArrays, device: str, threads: int | None
) -> tuple[ProbeSource, int]:
    """Return what makes a saved probe's features, and how many columns they have.

    Raises:
        ConfigError: The backbone cannot be loaded, or the arrays do not fit it.
        ImportError: transformers is not installed.
    """
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    if threads is not None:
        torch.set_num_threads(threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    place, reader = folder / BACKBONE_FOLDER, card.reader()
    where = choose_device(device)
    # As in the trial, as far as this machine has it.
    precision = choose_precision(where, reader.precision != "float32")
    try:
        backbone = AutoModel.from_pretrained(
            place,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
        pooling = MeanPooling(backbone.to(where).eval(), where, precision)
        shape = (pooling.width,)
        scaler = Scaler(arrays.array("probe.mean", shape), arrays.array("probe.scale", shape))
        return ProbeSource(pooling, scaler, reader, place), pooling.width
    except (ConfigError, ImportError):
        raise
    except Exception as error:
        raise ConfigError(
            f"The language model in {place} cannot be loaded",
            hint="Take the folder from the run that made it, or from the registry, again",
        ) from error
