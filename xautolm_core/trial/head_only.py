"""Head-only training without the backbone: its features take the place of the tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xautolm_core.space.model import ModelReference
from xautolm_core.trial.backbone_features import FeatureStore
from xautolm_core.trial.backbone_features import ReusedCost
from xautolm_core.trial.backbone_features import backbone_key
from xautolm_core.trial.backbone_features import find_features
from xautolm_core.trial.backbone_features import open_feature_store
from xautolm_core.trial.backbone_features import reused_cost
from xautolm_core.trial.batches import stratified_order
from xautolm_core.trial.contract import FEATURES_FOLDER
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.inputs import FeatureInput
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.tokens import Tokens

_TRIED_ROWS = 256
_TRIED_SHARES = (0.5, 0.75, 0.9, 1.0)
_PART_ROWS = 1_024
_FEWEST_ROWS = 64


@dataclass(frozen=True)
class FrozenRows:
    """Rows of a split that a trial uses.

    Attributes:
        tokens: The split's tokens.
        inputs: The split as the whole model takes it.
        rows: Row numbers, int64.
        labels: Class of each row of the whole split.
    """

    tokens: Tokens
    inputs: TokenInput
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class HeadOnlyRows:
    """The next stage of head-only training.

    Attributes:
        train: The training split's features.
        validation: The validation split's features.
        train_rows: Training rows that have features.
        reused: What features that were there already had cost.
    """

    train: FeatureInput
    validation: FeatureInput
    train_rows: np.ndarray
    reused: ReusedCost


def replace_backbone(
    model: Any,
    train: FrozenRows,
    validation: FrozenRows,
    *,
    reference: ModelReference,
    cache_folder: Path,
    device: torch.device,
    precision: Precision,
    seed: int,
    goes_on: Callable[[], None],
    has_time: Callable[[float], bool],
    joules: Callable[[], float | None],
) -> HeadOnlyRows | None:
    """Compute the features of a frozen backbone that are not in the cache yet.

    Validation comes first, because without it nothing can be scored; the training rows follow in a
    stratified order, so that whatever is there when the time is over is a fair sample.

    Args:
        model: The model, on its device.
        train: Training rows.
        validation: Validation rows.
        reference: Where the model came from.
        cache_folder: The trials' common cache.
        device: Where the model is.
        precision: Of the matrix products.
        seed: Of the order of the rows, and of an untrained model's weights.
        goes_on: Called before each forward pass; what it raises ends the trial.
        has_time: Whether a number of seconds is left for another pass.
        joules: Returns the joules used so far; None if nothing can be read.

    Returns:
        The features; None if the architecture's head cannot be run alone.
    """
    backbone = find_features(model, train.inputs, _longer_rows(train), device, precision)
    if backbone is None:
        return None

    def open_store(split: FrozenRows) -> FeatureStore:
        key = backbone_key(reference, split.tokens.key, precision, seed, "head")
        rows = len(split.tokens)
        return open_feature_store(cache_folder / FEATURES_FOLDER / key, rows, backbone.width)

    def always(_seconds: float) -> bool:
        goes_on()
        return True

    def in_time(seconds: float) -> bool:
        goes_on()
        return has_time(seconds)

    stores = open_store(train), open_store(validation)
    used = ((stores[0], train.rows), (stores[1], validation.rows))
    reused = reused_cost(used)
    fill = partial(backbone.fill, max_tokens=evaluation_tokens(device), joules=joules)
    fill(stores[1], validation.inputs, validation.rows, between=always)
    order = stratified_order(train.labels[train.rows], np.random.default_rng(seed))
    for start in range(0, len(order), _PART_ROWS):
        part = train.rows[order[start : start + _PART_ROWS]]
        if not fill(stores[0], train.inputs, part, between=in_time):
            break
    train_rows = np.setdiff1d(train.rows, stores[0].missing(train.rows))
    if not len(train_rows):
        # The validation rows have used up the time: a few rows make a model nevertheless.
        train_rows = train.rows[order[:_FEWEST_ROWS]]
        fill(stores[0], train.inputs, train_rows, between=always)
    return HeadOnlyRows(
        FeatureInput(backbone.head, stores[0].features, device),
        FeatureInput(backbone.head, stores[1].features, device),
        train_rows,
        reused,
    )


def _longer_rows(split: FrozenRows) -> np.ndarray:
    """Return a few rows that are not short: of a text of one token all vectors are the same."""
    some = split.rows[:_TRIED_ROWS]
    by_length = some[np.argsort(split.inputs.lengths[some], kind="stable")]
    return by_length[[round(share * (len(some) - 1)) for share in _TRIED_SHARES]]
