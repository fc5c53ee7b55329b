"""A linear probe: logistic regression on a frozen backbone's features, cached for all trials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from xautolm_core.space.model import ModelReference
from xautolm_core.trial.backbone_features import FeatureStore
from xautolm_core.trial.backbone_features import backbone_key
from xautolm_core.trial.backbone_features import open_feature_store
from xautolm_core.trial.backbone_features import reused_cost
from xautolm_core.trial.batches import stratified_order
from xautolm_core.trial.contract import FEATURES_FOLDER
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.failures import DeadlineExceeded
from xautolm_core.trial.linear.fitting import FittedPart
from xautolm_core.trial.linear.fitting import LinearTrial
from xautolm_core.trial.linear.mean_pooling import MeanPooling
from xautolm_core.trial.linear.mean_pooling import ProbeSource
from xautolm_core.trial.linear.mean_pooling import Scaler
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.regression import Limits
from xautolm_core.trial.linear.regression import Setting
from xautolm_core.trial.linear.regression import Strengths
from xautolm_core.trial.linear.regression import fit_chosen
from xautolm_core.trial.saving import TextReader
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokens import Tokens

# What won on the sets of docs/trials.md lies between the outer ones.
_STRENGTHS = Strengths((0.1, 0.3, 1.0, 3.0), first=1)

_PART_ROWS = 1_024
_FEWEST_ROWS = 64
# Making features may take so much of the time; the rest is for the fits.
_FEATURE_SHARE = 0.7


@dataclass(frozen=True)
class Probe:
    """What a probe's features are made of.

    Attributes:
        reference: Where the backbone came from.
        pooling: The backbone.
        tokenizer: Its tokenizer.
        reader: How texts become tokens.
        train: Tokens of the training split.
        validation: Tokens of the validation split.
    """

    reference: ModelReference
    pooling: MeanPooling
    tokenizer: TokenizerFolder
    reader: TextReader
    train: Tokens
    validation: Tokens


def fit_probe_part(
    trial: LinearTrial, probe: Probe, *, share: float, setting: Setting | None = None
) -> FittedPart:
    """Fit a logistic regression on as many rows' features as the time allows.

    Args:
        trial: The trial.
        probe: What its features are made of.
        share: Of the time that is left, in (0, 1].
        setting: What to fit with, where it was chosen before.

    Raises:
        DeadlineExceeded: It is to be all of them or none, and there is no time for all.
    """
    limits = trial.limits(share)
    stores = _open_store(trial, probe, probe.train), _open_store(trial, probe, probe.validation)
    rows = _fill(trial, probe, stores, limits)
    trial.interruption.check()
    known = stores[0].features[rows]
    scaler = Scaler.of(known)
    validation = scaler(stores[1].features[trial.rows.validation])
    chosen = fit_chosen(
        scaler(known),
        trial.labels[rows],
        classes=trial.classes,
        settings=setting or _STRENGTHS,
        score=lambda model: trial.score(model, validation),
        limits=limits,
    )
    source = ProbeSource(
        probe.pooling,
        scaler,
        probe.reader,
        probe.tokenizer.path,
        (probe.reference, probe.tokenizer),
    )
    return FittedPart(
        part=LinearPart("probe", source, chosen.model),
        setting=chosen.setting,
        logits=chosen.model.logits(validation),
        rows=len(chosen.rows),
    )


def _open_store(trial: LinearTrial, probe: Probe, tokens: Tokens) -> FeatureStore:
    pooling = probe.pooling
    key = backbone_key(probe.reference, tokens.key, pooling.precision, trial.spec.seed, "mean")
    folder = trial.spec.cache_folder / FEATURES_FOLDER / key
    return open_feature_store(folder, len(tokens), pooling.width)


def _fill(
    trial: LinearTrial, probe: Probe, stores: tuple[FeatureStore, FeatureStore], limits: Limits
) -> np.ndarray:
    """Compute features that are not there; return the training rows that have them now.

    Validation comes first, because without it nothing can be scored; the training rows follow in a
    stratified order, so that whatever is there when the time is over is a fair sample.

    Raises:
        DeadlineExceeded: There is no time for all of them, and the budget says to stop then.
    """
    state, pooling, rows = trial.state, probe.pooling, trial.rows
    train, validation = (
        pooling.inputs(tokens, probe.reader.tokenizer) for tokens in (probe.train, probe.validation)
    )
    used = ((stores[0], rows.train), (stores[1], rows.validation))
    reused = reused_cost(used)
    state.reused_seconds, state.reused_joules = reused.seconds, reused.joules
    left = limits.seconds_left()
    reserve = (1 - _FEATURE_SHARE) * left if np.isfinite(left) else 0.0

    def always(_seconds: float) -> bool:
        limits.check()
        return True

    def in_time(seconds: float) -> bool:
        limits.check()
        return limits.seconds_left() - seconds > reserve

    max_tokens = evaluation_tokens(pooling.device)
    fill = partial(pooling.fill, max_tokens=max_tokens, joules=state.joules)
    with state.clock.phase("evaluate"):
        fill(stores[1], validation, rows.validation, between=always)
    generator = np.random.default_rng(trial.spec.seed)
    order = stratified_order(trial.labels[rows.train], generator)
    for start in range(0, len(order), _PART_ROWS):
        part = rows.train[order[start : start + _PART_ROWS]]
        if not fill(stores[0], train, part, between=in_time):
            if trial.spec.budget.on_overrun == "stop":
                raise DeadlineExceeded(f"Features of {len(order):,} rows do not fit into the time")
            break
    there = np.setdiff1d(rows.train, stores[0].missing(rows.train))
    if len(there) < min(_FEWEST_ROWS, len(rows.train)):
        # The validation rows have used up the time: a few rows make a model nevertheless.
        few = rows.train[order[:_FEWEST_ROWS]]
        fill(stores[0], train, few, between=always)
        there = np.union1d(there, few)
    return there
