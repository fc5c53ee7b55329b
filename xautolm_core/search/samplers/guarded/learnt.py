"""Cache of what is learnt on a history before the first trial, for searches of the same store.

Scales and prior weights depend only on the trials they are learnt on, so they are cached under a
digest of those: any change of the store, of the space or of the algorithm gives another digest, and
nothing becomes stale. A damaged file is replaced, and a folder that cannot be written is not an
error: only a second or two are lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.structures import Structure
from xautolm_core.search.samplers.guarded.transfer import TaskTrials
from xautolm_core.whole_files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Collection
    from pathlib import Path

VERSION = 1
"""Version; to increase whenever scales or weights are learnt in another way."""

MOST_FILES = 256


@dataclass(frozen=True)
class Learnt:
    """Scales and weights learnt on the trials of a history, for one objective.

    Attributes:
        scales: Scales of the covariance.
        prior_weights: Prior weights of the structures.
    """

    scales: KernelScales
    prior_weights: dict[Structure, float]


class _Scales(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    identity_share: float
    model_length: float
    linear_share: float
    method_factor: float
    lengths: list[float]
    choice_factors: list[float]
    number_floors: list[float]
    choice_floors: list[float]
    cost_share: float
    own_share: float
    noise: float


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    scales: _Scales
    prior_weights: dict[Structure, float]


class LearntCache:
    """Caches learnt scales and weights in a folder, one small JSON file per digest.

    Args:
        folder: Created on the first write, with permissions for its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(
        self,
        key: str,
        make: Callable[[], Learnt],
        *,
        usual: KernelScales,
        allowed: Collection[Structure],
    ) -> Learnt:
        """Return the cached value of a key, or compute and store it.

        Args:
            key: See ``key_of``.
            make: Computes it.
            usual: The default scales, which give the expected shape.
            allowed: The structures in use.
        """
        path = self._folder / f"{key}.json"
        known = _read(path)
        if known is not None and _fits(known, usual, allowed):
            return known
        found = make()
        with contextlib.suppress(OSError):
            self._write(path, found)
        return found

    def _write(self, path: Path, learnt: Learnt) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_bytes(path, _document(learnt).model_dump_json().encode(), durable=False)
        kept = sorted(self._folder.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-MOST_FILES]:
            old.unlink(missing_ok=True)


def key_of(trials: TaskTrials | None, usual: KernelScales, *settings: str) -> str:
    """Return a digest of all inputs of learning.

    Args:
        trials: Trials for one objective; None without a history.
        usual: The scales to start from.
        settings: Other inputs: the structures in use, whether scales are learnt.
    """
    digest = hashlib.sha256(json.dumps([VERSION, repr(usual), *settings]).encode())
    if trials is not None:
        design = trials.design
        arrays = (
            *(design.method, design.model, design.model_numbers, design.numbers, design.choices),
            design.cost,
            *(trials.task, trials.scores, trials.weight, np.asarray(trials.own)),
        )
        for array in arrays:
            digest.update(json.dumps([array.dtype.str, array.shape]).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> Learnt | None:
    try:
        found = _Document.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    values: dict[str, Any] = found.scales.model_dump()
    scales: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Learnt(KernelScales(**scales), found.prior_weights)


def _fits(learnt: Learnt, usual: KernelScales, allowed: Collection[Structure]) -> bool:
    """Return whether there is a scale for each column, and a weight for each structure."""
    shapes = [
        [len(value) for value in vars(one).values() if isinstance(value, tuple)]
        for one in (learnt.scales, usual)
    ]
    return shapes[0] == shapes[1] and set(learnt.prior_weights) == set(allowed)


def _document(learnt: Learnt) -> _Document:
    scales: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(learnt.scales).items()
    }
    return _Document(scales=_Scales(**scales), prior_weights=learnt.prior_weights)
