"""Scores and times of published records, on the scales of this project."""

from __future__ import annotations

import math
from collections.abc import Mapping

from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.published_names import CLASSIFICATION
from xautolm_core.experience.importers.published_record import PublishedRecord
from xautolm_core.experience.importers.published_record import RecordFault
from xautolm_core.records.scores import Score

_CLASSIFICATION_SCORES = {"accuracy": "accuracy", "f1": "macro_f1"}
_GENERATION_SCORES = {"f1": "f1", "exact_match": "exact_match"}
_TRAIN, _EVALUATE, _BOTH = "time_train_mean_seconds", "time_valid_mean_seconds", "evaluation_time"
_TIMES = {_TRAIN, _EVALUATE, _BOTH}
_PERCENT_TASKS = ("squad",)
# How far the parts of a time may be from their sum, in relation to it.
_TOLERANCE = 0.01


def scores_of(
    record: PublishedRecord, task_type: str, task: str, account: Account
) -> Mapping[str, Score]:
    """Return the scores in 0..1 of a success; a failure has none.

    The official scores of SQuAD are in 0..100, all others in 0..1.

    Raises:
        RecordFault: A score is not within its range.
    """
    names = _CLASSIFICATION_SCORES if task_type == CLASSIFICATION else _GENERATION_SCORES
    divisor = 100.0 if task.lower().startswith(_PERCENT_TASKS) else 1.0
    scores: dict[str, Score] = {}
    for foreign, value in record.metrics.items():
        if foreign in _TIMES:
            continue
        if foreign not in names:
            account.drop_field(f"metric {foreign}", "not known")
        elif not record.succeeded:
            account.drop_field(foreign, _absent(value))
        elif value is None or not math.isfinite(value):
            account.drop_field(foreign, "not finite, in a success")
        else:
            if not 0 <= value <= divisor:
                raise RecordFault(f"{foreign} is not within 0..{divisor:g}")
            if divisor != 1:
                account.change(f"{foreign} of 0..{divisor:g} brought to 0..1")
            scores[names[foreign]] = Score(value=value / divisor)
    return scores


def seconds_of(record: PublishedRecord, account: Account) -> Mapping[str, float]:
    """Return seconds by phase of a success.

    Where only the sum of training and evaluation was recorded it stands under ``train``, so that
    the time of the trial is right.

    Raises:
        RecordFault: A time is negative.
    """
    values = {name: record.metrics.get(name) for name in (_TRAIN, _EVALUATE, _BOTH)}
    if not record.succeeded:
        for name, value in values.items():
            if name in record.metrics:
                account.drop_field(name, _absent(value))
        return {}
    finite = {n: v for n, v in values.items() if v is not None and math.isfinite(v)}
    if any(value < 0 for value in finite.values()):
        raise RecordFault("a time is negative")
    both = finite[_BOTH]
    train, evaluate = finite.get(_TRAIN), finite.get(_EVALUATE)
    if train is not None and evaluate is not None:
        if abs(train + evaluate - both) <= _TOLERANCE * both:
            return {"train": train, "evaluate": evaluate}
        account.drop_field(f"{_TRAIN}, {_EVALUATE}", "do not add up to evaluation_time")
    account.change("evaluation_time, training and evaluation in one, stands under train")
    return {"train": both}


def _absent(value: float | None) -> str:
    if value is None:
        return "null: a failure has none"
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}Infinity: stands for a failure"
    return "a value beside a failure"
