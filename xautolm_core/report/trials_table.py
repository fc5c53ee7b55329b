"""``trials.parquet``: one flat row per trial, for data frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.report.document import is_untrained
from xautolm_core.report.predictions import predicted_columns
from xautolm_core.whole_files import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord


def trials_table(result: SearchResult) -> pa.Table:
    """Return all trials as a table.

    Columns of hyper-parameters begin with ``parameter.``, of scores on validation with ``score.``,
    of objectives with ``objective.``, of what the sampler expected with ``predicted.`` (its median;
    ``.low`` and ``.high`` hold 80 %), of seconds by phase with ``seconds.``, of joules by component
    with ``energy.`` (the worst quality class counts). Values that a trial does not
    have are null. A hyper-parameter whose values are of different types over the trials is a string
    column of JSON values.

    Args:
        result: The result of the search.
    """
    import pyarrow as pa

    rows = [_row(result, record) for record in result.trials]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["trial"]
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    return pa.table(columns)


def write_trials_table(result: SearchResult, path: Path) -> None:
    """Write all trials as Parquet, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(trials_table(result), sink, compression="zstd")
    write_bytes(path, sink.getvalue().to_pybytes())


def _row(result: SearchResult, record: TrialRecord) -> dict[str, Any]:
    outcome = record.result
    configuration = record.configuration
    row: dict[str, Any] = {
        "trial": record.number,
        "attempt": outcome.attempt,
        "outcome": outcome.outcome.value,
        "on_front": record.on_front,
        "chosen": record.number == result.best,
        "branch": configuration.branch,
        "model": configuration.model,
        "revision": configuration.revision,
        "method": configuration.method,
        "pretrained": not is_untrained(result, configuration),
        "why": record.why,
    }
    row |= {f"objective.{name}": float(value) for name, value in record.values.items()}
    row |= {f"score.{name}": score.value for name, score in outcome.scores.items()}
    row |= predicted_columns(record.explanation)
    row["time_seconds"] = outcome.time_seconds
    row["latency_ms"] = outcome.latency_ms
    row["energy_joules"] = outcome.energy_joules
    for component in ("gpu", "cpu", "dram", "other"):
        readings = [one for one in outcome.energy if one.component == component]
        if readings:
            row[f"energy.{component}"] = sum(one.joules for one in readings)
            row[f"energy.{component}.quality"] = max(one.quality for one in readings)
            row[f"energy.{component}.source"] = ", ".join(sorted({r.source for r in readings}))
    row |= {f"seconds.{phase}": float(value) for phase, value in outcome.seconds.items()}
    row |= {f"parameter.{name}": value for name, value in configuration.parameters.items()}
    row |= {f"progress.{name}": value for name, value in outcome.progress.model_dump().items()}
    row |= {
        "peak_host_bytes": outcome.peak_host_bytes,
        "peak_gpu_bytes": outcome.peak_gpu_bytes,
        "device": outcome.device,
        "precision": outcome.precision,
        "threads": outcome.threads,
        "concurrent_trials": outcome.concurrent_trials,
        "failure_kind": outcome.failure.kind if outcome.failure else None,
        "failure_message": outcome.failure.message if outcome.failure else None,
        "launched_at": outcome.launched_at,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
    }
    return row


def _column(values: Sequence[Any]) -> pa.Array:
    """Return an Arrow column; mixed integers and floats become floats, other mixtures JSON."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    elif len(kinds) > 1:
        values = [None if value is None else json.dumps(value) for value in values]
    # A column of nulls alone would get Arrow's null type, which many readers do not know.
    return pa.array(values) if kinds else pa.array(values, type=pa.string())
