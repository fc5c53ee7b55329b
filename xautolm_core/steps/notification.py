"""The last step of a run: notify a webhook of any outcome."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from dataclasses import is_dataclass
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import XautolmError
from xautolm_core.objects.open import open_objects
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.steps.entry import step
from xautolm_core.steps.notify import notify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xautolm_core.steps.request import PipelineRequest

SUMMARY_KEY = "summary.json"
REGISTERED_KEY = "registered.json"

_log = logging.getLogger(__name__)


def keep_for_the_end(request: PipelineRequest, key: str, document: Mapping[str, Any]) -> None:
    """Store a document for the notification, below the address of a search.

    Raises:
        StoreError: It cannot be written.
    """
    open_objects(request.exchange_address).put(key, json.dumps(document, default=str).encode())


@step
def tell_end(pipeline: str, workspace: str, run_id: str, status: Any = None) -> bool:
    """Notify a webhook of the outcome of a run. A failure to do so is a warning.

    Args:
        pipeline: Name of the pipeline.
        workspace: Address below which searches keep their objects.
        run_id: Id of the run.
        status: KFP's ``PipelineTaskFinalStatus``; None in a last step, which does not get it: a run
            with a registered model has then succeeded.

    Returns:
        Whether the webhook has taken it.
    """
    kept = {key: _kept(workspace, run_id, key) for key in (SUMMARY_KEY, REGISTERED_KEY)}
    summary, registered = kept[SUMMARY_KEY], kept[REGISTERED_KEY]
    if status is None:
        state: Mapping[str, Any] = {"state": "SUCCEEDED" if registered else "FAILED"}
    else:
        state = asdict(status) if is_dataclass(status) and not isinstance(status, type) else status
    score = registered.get("score")
    print(f"{pipeline} {run_id}: {state.get('state')}", flush=True)
    return notify(
        status=state,
        pipeline=pipeline,
        run_id=run_id,
        task=str(summary.get("task") or registered.get("task") or ""),
        best_score=float(score) if isinstance(score, int | float) else None,
        score_name=f"macro F1 on {registered.get('score_on') or 'test'}",
        spent=_spent(summary),
    )


def _spent(summary: Mapping[str, Any]) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    if isinstance(summary.get("trials"), int):
        found["trials"] = str(summary["trials"])
    if isinstance(summary.get("seconds"), int | float):
        found["hours"] = float(summary["seconds"]) / 3600
    return found


def _kept(workspace: str, run_id: str, key: str) -> dict[str, Any]:
    """Return the document of an earlier step; empty if missing or unreadable."""
    try:
        found = json.loads(open_objects(join_s3_uri(workspace, run_id)).get(key))
    except KeyError:
        return {}
    except (XautolmError, ValueError) as error:
        _log.warning("the outcome of the run cannot be read: %s", error)
        return {}
    return found if isinstance(found, dict) else {}
