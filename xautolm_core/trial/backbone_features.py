"""Features of a frozen backbone: computed once a row, memory-mapped by all head-only trials.

With the backbone frozen (and its dropout off: nothing in it learns) the vector that the head reads
never changes, so an epoch of head-only training costs milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Literal

import numpy as np
import torch

from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.architectures import backbone
from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.batches import padded_tokens
from xautolm_core.trial.failures import outcome_of
from xautolm_core.trial.head_input import POSITIONS
from xautolm_core.trial.head_input import Head
from xautolm_core.trial.head_input import Position
from xautolm_core.trial.head_input import read_vectors
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.locking import make_folder_once
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.precision import autocast

Pooling = Literal["head", "mean"]
"""How one vector is made of a text's: what the model's own head reads, or the mean of all."""

# Of the largest logit, in float32. A head that is nearly linear as long as its weights are small
# must not pass for one that reads the mean.
_TOLERANCE = 1e-4
_WEIGHT_PATTERNS = ("*.safetensors", "*.safetensors.index.json", "config.json")


@dataclass(frozen=True)
class FeatureStore:
    """Features of a split's rows in the cache; a row without them has NaN seconds.

    Rows are filled in as trials need them. Two trials that fill the same row write the same values,
    and a row counts as filled only after its features are written, so no lock is needed.

    Attributes:
        features: float32, (rows, width), memory-mapped.
        seconds: What each row's features had cost, float32, (rows,); NaN where there are none.
        joules: Likewise in energy; NaN also where nothing could be read.
    """

    features: np.ndarray
    seconds: np.ndarray
    joules: np.ndarray

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Return those of the rows that have no features yet."""
        return rows[np.isnan(self.seconds[rows])]

    def cost(self, rows: np.ndarray) -> float:
        """Return the seconds that the features of some rows had cost, as far as they are there."""
        return float(np.nansum(self.seconds[rows]))

    def energy(self, rows: np.ndarray) -> float | None:
        """Return the joules that the features of some rows had cost, as far as they were read."""
        known = self.joules[rows]
        known = known[np.isfinite(known)]
        return float(known.sum()) if len(known) else None

    def put(self, rows: np.ndarray, features: np.ndarray, seconds: float) -> None:
        """Keep the features of some rows, and the seconds that they took together."""
        self.features[rows] = features
        self.seconds[rows] = seconds / max(len(rows), 1)


@dataclass(frozen=True)
class ReusedCost:
    """What features that a trial found in the cache had cost.

    Attributes:
        seconds: 0.0 if there were none.
        joules: As far as they were read; None if nothing was.
    """

    seconds: float
    joules: float | None


def reused_cost(used: Iterable[tuple[FeatureStore, np.ndarray]]) -> ReusedCost:
    """Return what the features that are there already of some rows of some stores had cost."""
    pairs = list(used)
    joules = [store.energy(rows) for store, rows in pairs]
    known = [one for one in joules if one is not None]
    seconds = sum(store.cost(rows) for store, rows in pairs)
    return ReusedCost(seconds, sum(known) if known else None)


def open_feature_store(folder: Path, rows: int, width: int) -> FeatureStore:
    """Return the store in a folder; it is created (without any features) if it does not exist."""

    def fill(target: Path) -> None:
        # A sparse file: rows that nobody asks for take no space.
        shape = (rows, width)
        np.lib.format.open_memmap(target / "features.npy", "w+", np.dtype(np.float32), shape)
        for name in ("seconds", "joules"):
            np.save(target / f"{name}.npy", np.full(rows, np.nan, dtype=np.float32))

    make_folder_once(folder, fill)
    return FeatureStore(
        np.load(folder / "features.npy", mmap_mode="r+"),
        np.load(folder / "seconds.npy", mmap_mode="r+"),
        np.load(folder / "joules.npy", mmap_mode="r+"),
    )


def backbone_key(
    model: ModelReference, tokens_key: str, precision: Precision, seed: int, pooling: Pooling
) -> str:
    """Return what identifies a backbone's features of some tokens."""
    parts = [model.id, str(model.blocks), model.revision or "", tokens_key, precision, pooling]
    if model.untrained_config is not None:
        parts += [json.dumps(dict(model.untrained_config), sort_keys=True), str(seed)]
    if model.path is not None:
        for pattern in _WEIGHT_PATTERNS:
            for file in sorted(Path(model.path).glob(pattern)):
                known = file.stat()
                parts.append(f"{file.name}:{known.st_size}:{known.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


class RowFeatures(ABC):
    """Computes features of rows, and keeps them in a store."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers a row."""

    @abstractmethod
    def compute(self, inputs: TokenInput, rows: np.ndarray) -> np.ndarray:
        """Return the features of some rows, float32, (rows, width)."""

    def fill(
        self,
        store: FeatureStore,
        inputs: TokenInput,
        rows: np.ndarray,
        *,
        max_tokens: int,
        between: Callable[[float], bool],
        joules: Callable[[], float | None],
    ) -> bool:
        """Compute what is missing of some rows.

        Args:
            store: Where the features are kept.
            inputs: The rows' tokens.
            rows: The rows.
            max_tokens: Padded tokens of one forward pass.
            between: Called before each pass, with the seconds that it will take as far as is
                known; returns whether to continue.
            joules: Returns the joules used so far; None if nothing can be read.

        Returns:
            Whether all was computed.
        """
        missing = store.missing(rows)
        lengths = inputs.lengths[missing]
        pace = 0.0
        before, done = joules(), 0
        for batch in evaluation_batches(lengths, max_tokens=max_tokens):
            tokens = padded_tokens(lengths, batch)
            if not between(pace * tokens):
                break
            since = time.perf_counter()
            chosen = missing[batch]
            found = self.compute(inputs, chosen)
            seconds = time.perf_counter() - since
            store.put(chosen, found, seconds)
            pace = seconds / tokens
            done += len(chosen)
        after = joules()
        if done and before is not None and after is not None:
            computed = missing[~np.isnan(store.seconds[missing])]
            store.joules[computed] = (after - before) / len(computed)
        return done == len(missing)


class BackboneFeatures(RowFeatures):
    """Computes what the head of a model reads.

    Args:
        model: The whole model.
        head: Its head.
        position: What the head reads.
        width: Numbers a row.
        device: Where the model is.
        precision: Of the matrix products.
    """

    def __init__(
        self,
        model: Any,
        head: Head,
        position: Position,
        *,
        width: int,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self._model = model
        self.head = head
        self.position = position
        self._width = width
        self._device = device
        self._precision = precision

    @property
    def width(self) -> int:
        """Numbers a row."""
        return self._width

    def compute(self, inputs: TokenInput, rows: np.ndarray) -> np.ndarray:
        """Return the features of some rows, float32, (rows, width)."""
        self._model.eval()
        arguments = inputs.arguments(rows)
        with torch.inference_mode(), autocast(self._device, self._precision):
            hidden, _ = _answer(self._model, arguments)
            found = _read(self._model, hidden, arguments, self.position)
        return found.float().cpu().numpy()


def find_features(
    model: Any, inputs: TokenInput, rows: np.ndarray, device: torch.device, precision: Precision
) -> BackboneFeatures | None:
    """Return what computes the one vector a row that a model's head reads.

    Which one it is is tried out on a few rows: with the right one the head gives the whole model's
    logits. That is done before any feature is kept, so no head is ever trained on wrong vectors.

    Args:
        model: The whole model, on its device.
        inputs: The rows' tokens.
        rows: Rows to try it on; longer ones are more reliable.
        device: Where the model is.
        precision: Of the matrix products, for the features.

    Returns:
        What computes them; None if the head reads more than one vector a row, or cannot be run
        alone.
    """
    model.eval()
    arguments = inputs.arguments(rows)
    errors: dict[Position, float] = {}
    width = 0
    try:
        head = Head(model)
        with torch.inference_mode():
            hidden, expected = _answer(model, arguments)
            for position in POSITIONS:
                vectors = _read(model, hidden, arguments, position)
                width = vectors.shape[1]
                errors[position] = float((head.logits(vectors) - expected).abs().max())
            scale = float(expected.abs().max())
    except (AttributeError, TypeError, IndexError, KeyError, ValueError):
        return None
    except RuntimeError as error:
        if outcome_of(error) is Outcome.INVALID:
            return None
        raise
    best = min(errors, key=errors.__getitem__)
    if not errors[best] <= _TOLERANCE * scale:
        return None
    return BackboneFeatures(model, head, best, width=width, device=device, precision=precision)


def _answer(model: Any, arguments: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the last hidden states of a model's backbone for some rows, and the model's logits."""
    found: list[torch.Tensor] = []
    handle = backbone(model).register_forward_hook(lambda *call: found.append(call[-1][0]))
    try:
        logits = model(**arguments).logits
    finally:
        handle.remove()
    return found[0], logits


def _read(
    model: Any, hidden: torch.Tensor, arguments: Mapping[str, torch.Tensor], position: Position
) -> torch.Tensor:
    end = model.config.get_text_config().eos_token_id
    ids, mask = arguments["input_ids"], arguments["attention_mask"]
    return read_vectors(hidden, ids, mask, position, end if isinstance(end, int) else None)
