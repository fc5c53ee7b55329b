"""What is learnt on a history before the first trial, kept for the next search of the same store.

Scales and prior weights depend on nothing but the trials they are learnt on, so they are kept by a
digest of those: any change of the store, of the space or of what is learnt makes another digest,
and nothing is ever stale. A file that cannot be read or is not what it should be is made again, and
a folder that cannot be written is no error: all that is lost is a second or two.
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
"""Raised whenever scales or weights are learnt in another way."""

MOST_FILES = 256


@dataclass(frozen=True)
class Learnt:
    """What the trials of a history say of one objective.

    Attributes:
        scales: Of the covariance.
        prior_weights: Of the structures.
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
    """Keeps what was learnt in a folder, one small JSON file for each digest.

    Args:
        folder: Made when something is kept, for its owner alone.
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
        """Return what is known under a key, or make and keep it.

        Args:
            key: See ``key_of``.
            make: Learns it.
            usual: Scales as many as are wanted.
            allowed: The structures that are weighed.
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
    """Return a digest of everything that scales and weights are learnt from.

    Args:
        trials: Of one objective; None without a history.
        usual: The scales to start from.
        settings: What else decides: the structures that are weighed, whether scales are learnt.
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
