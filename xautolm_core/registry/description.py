"""The description of a registered model, as one flat document."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from xautolm_core.registry.model import RegisteredModel


def describe_model(model: RegisteredModel) -> dict[str, Any]:
    """Return the description of a registered model as a flat JSON object, for people and pipelines.

    ``score`` is macro-F1 on the test split (on validation if there was no test, see ``score_on``),
    in [0, 1]; ``seconds`` are training plus evaluation; ``joules`` is by quality class, empty if
    nothing could be metered; ``params`` are the hyper-parameters.
    """
    record = model.record
    configuration = dict(record.configuration)
    scores = record.scores
    return {
        "registry": model.registry,
        "task": model.task_name,
        "version": model.version,
        "uri": model.uri,
        "digest": model.digest,
        "fingerprint": record.task_fingerprint,
        "labels": list(record.labels),
        "search_id": record.search_id,
        "trial": record.trial,
        "score": None if scores is None else scores.macro_f1,
        "score_on": None if scores is None else ("test" if record.test else "validation"),
        "score_rows": None if scores is None else scores.rows,
        "accuracy": None if scores is None else scores.accuracy,
        "seconds": record.seconds,
        "search_seconds": record.search_seconds,
        "joules": record.joules_by_quality,
        "base_model": configuration.get("model"),
        "method": configuration.get("method"),
        "params": configuration.get("parameters") or {},
        "versions": dict(record.versions),
        "created_at": record.created_at.isoformat(),
        "parent": record.parent,
        "rows_known": model.stored.rows_sha256 is not None,
    }
