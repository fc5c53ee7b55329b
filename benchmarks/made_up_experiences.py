"""Made-up experiences in bulk, for the measurements of the store.

They are drawn so that they repeat and vary as real ones do: tasks that are retrained on growing
data, several tenants, the project's own search spaces with their models and active
hyper-parameters, failures with messages, meta-features of task and machine that differ from search
to search, joules, versions, and numbers with a full mantissa. A small share comes from another
optimiser, with learning rates off every grid.

The columns are built directly, some hundred searches at a time, in the layout of
``xautolm_core.experience.columns.to_table``: that function takes half a millisecond a row, which is
acceptable for a compaction, but not for a million. ``check_layout`` proves that the two agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from made_up_searches import SPACES
from made_up_searches import branches_of
from made_up_searches import descriptor_of
from made_up_searches import draw_search
from made_up_searches import revision_of
from made_up_searches import space_of
from made_up_searches import system_features_json
from made_up_searches import task_features_json

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.columns import PARAMETER
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.columns import to_table
from xautolm_core.features import task_features
from xautolm_core.records.experience import experience_id
from xautolm_core.records.outcome import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.search.samplers.selection import SearchContext

TRIALS = 40
"""Trials of a search."""

SEARCHES_A_CHUNK = 500

_BEGIN = np.datetime64("2024-01-01T00:00:00", "us")
_CHUNK_SECONDS = 14 * 86_400
_OUTCOMES = (
    (Outcome.OK, 0.76),
    (Outcome.OOM_GPU, 0.09),
    (Outcome.TIMEOUT, 0.06),
    (Outcome.PRUNED, 0.03),
    (Outcome.DIVERGED, 0.02),
    (Outcome.INVALID, 0.02),
    (Outcome.INFRA, 0.01),
    (Outcome.CANCELLED, 0.01),
)
_MESSAGES: Mapping[Outcome, str] = {
    Outcome.OOM_GPU: "OutOfMemoryError: CUDA out of memory. Tried to allocate {:.2f} GiB. GPU 0 has"
    " a total capacity of 23.64 GiB of which {:.2f} GiB is free.",
    Outcome.TIMEOUT: "The trial reached its limit of {:.0f} s",
    Outcome.DIVERGED: "The loss became nan at step {:.0f}",
    Outcome.INVALID: "ValueError: Target modules of rank {:.0f} were not found in the model",
    Outcome.INFRA: "ConnectionResetError: peer closed after {:.0f} bytes",
    Outcome.CANCELLED: "Cancelled after {:.0f} s",
}


def tables(count: int, seed: int) -> Iterator[pa.Table]:
    """Yield ``count`` experiences as columns, ordered by end time, some thousands at a time."""
    for chunk in range(-(-count // (TRIALS * SEARCHES_A_CHUNK))):
        rows = min(count - chunk * TRIALS * SEARCHES_A_CHUNK, TRIALS * SEARCHES_A_CHUNK)
        yield _table(*_chunk(chunk, rows, seed))


def texts(count: int, seed: int) -> Iterator[str]:
    """Yield the same experiences as canonical JSON, in the same order."""
    for chunk in range(-(-count // (TRIALS * SEARCHES_A_CHUNK))):
        rows = min(count - chunk * TRIALS * SEARCHES_A_CHUNK, TRIALS * SEARCHES_A_CHUNK)
        yield from _chunk(chunk, rows, seed)[1]


def check_layout(table: pa.Table, rows: Sequence[int]) -> None:
    """Prove on some rows that the columns are those that ``to_table`` makes, and nothing is lost.

    Raises:
        AssertionError: They are not.
    """
    sample = table.take(list(rows))
    again = to_table(Row(row.key, row.payload) for row in from_table(sample))
    for name in again.column_names:
        assert sample.column(name).to_pylist() == again.column(name).to_pylist(), name
        assert sample.column(name).type == again.column(name).type, name
    for name in set(sample.column_names) - set(again.column_names):
        assert sample.column(name).null_count == len(sample), name


def current_search() -> SearchContext:
    """Return a search to come on a task and a machine like those of the experiences."""
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.contract import Objective
    from xautolm_core.search.samplers.selection import SearchContext

    generator = np.random.default_rng(0)
    task = json.loads(
        task_features_json(3, 9, "text-classification", task_features.VERSION, generator)
    )
    system = json.loads(system_features_json(7, True, generator))
    return SearchContext(
        space=space_of(SPACES[0]),
        objectives=(Objective.F1, Objective.TIME),
        task_type="text-classification",
        task_features=FeatureVector(**task),
        system_features=FeatureVector(**system),
    )


# --- one chunk: half a thousand searches that run at the same time ---


def _chunk(chunk: int, rows: int, seed: int) -> tuple[dict[str, list[Any]], list[str]]:
    """Return column to values, and the JSON of each row, ordered by end time."""
    generator = np.random.default_rng([seed, chunk])
    searches = -(-rows // TRIALS)
    of_search = [draw_search(chunk, i, generator) for i in range(searches)]
    search = np.repeat(np.arange(searches), TRIALS)[:rows]
    trial = np.tile(np.arange(TRIALS), searches)[:rows]
    begin = generator.uniform(0, _CHUNK_SECONDS * 0.9, searches)[search]
    step = _CHUNK_SECONDS * 0.1 / TRIALS
    seconds = begin + (trial + generator.uniform(0.1, 0.9, rows)) * step
    micros = (chunk * _CHUNK_SECONDS + seconds) * 1e6
    # Never a whole second, so that every time is written with six decimals.
    micros = micros.astype(np.int64) // 1_000_000 * 1_000_000 + generator.integers(1, 10**6, rows)
    order = np.argsort(micros, kind="stable")
    search, trial, micros = search[order], trial[order], micros[order]
    values = _values(of_search, search, trial, generator)
    ended = _BEGIN + micros.astype("timedelta64[us]")
    length = generator.integers(20 * 10**6, 3_000 * 10**6, rows)
    length += (micros - length) % 1_000_000 == 0
    values["ended_at"] = micros + _BEGIN.astype(np.int64)
    values["started_at"] = values["ended_at"] - length
    values["ended_text"] = np.datetime_as_string(ended, unit="us").tolist()
    started = ended - length.astype("timedelta64[us]")
    values["started_text"] = np.datetime_as_string(started, unit="us").tolist()
    return _columns(values)


def _values(
    of_search: Sequence[Mapping[str, Any]],
    search: np.ndarray,
    trial: np.ndarray,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Return the columns that are drawn row by row, and the search of each row."""
    rows = len(search)
    outcomes = [outcome for outcome, _ in _OUTCOMES]
    drawn = generator.choice(len(outcomes), rows, p=[share for _, share in _OUTCOMES])
    shared = [of_search[i] for i in search]
    quality = np.asarray([s["quality"] for s in shared])
    return {
        **_configurations(of_search, search, generator),
        "search": shared,
        "trial": trial.tolist(),
        "outcome": [outcomes[i] for i in drawn],
        "f1": np.clip(quality * generator.beta(8, 2, rows) * 1.2, 0, 1).tolist(),
        "accuracy": generator.uniform(0.3, 1, rows).tolist(),
        "load": generator.lognormal(0, 0.5, rows).tolist(),
        "train": generator.lognormal(5, 1.2, rows).tolist(),
        "evaluate": generator.lognormal(2, 0.6, rows).tolist(),
        "latency": generator.lognormal(1, 0.8, rows).tolist(),
        "joules": generator.lognormal(10, 1, (rows, 2)).tolist(),
        "noise": generator.uniform(1, 5_000, (rows, 2)).tolist(),
        "host": generator.integers(10**9, 10**10, rows).tolist(),
        "gpu": generator.integers(10**9, 2 * 10**10, rows).tolist(),
        "seed": generator.integers(2**31, size=rows).tolist(),
    }


def _configurations(
    of_search: Sequence[Mapping[str, Any]], search: np.ndarray, generator: np.random.Generator
) -> dict[str, Any]:
    """Return branch, method, model and the JSON of the hyper-parameters, row by row."""
    rows = len(search)
    empty = np.full(rows, None, dtype=object)
    found: dict[str, Any] = {"branch": empty.copy(), "method": empty.copy(), "model": empty.copy()}
    parameters: dict[str, np.ndarray] = {}
    of_space = np.asarray([SPACES.index(s["space"]) for s in of_search])[search]
    imported = np.asarray([s["imported"] for s in of_search])[search]
    for i, name in enumerate(SPACES):
        known = branches_of(name)
        which = generator.integers(len(known.values), size=rows)
        for j, branch in enumerate(known.space.branches):
            members = np.flatnonzero((of_space == i) & (which == j))
            found["branch"][members] = branch.name
            found["method"][members] = branch.method
            models = np.asarray(branch.model.choices, dtype=object)
            found["model"][members] = models[generator.integers(len(models), size=len(members))]
            for parameter, values in known.values[j].items():
                column = parameters.setdefault(parameter, empty.copy())
                drawn = generator.integers(len(values), size=len(members))
                column[members] = np.asarray(values, dtype=object)[drawn]
    free = np.flatnonzero(imported)
    rates = 10 ** generator.uniform(-6, -3, len(free))
    parameters["learning_rate"][free] = np.asarray([repr(float(r)) for r in rates], dtype=object)
    return found | {"parameters": parameters}


# --- columns and JSON ---


def _columns(values: dict[str, Any]) -> tuple[dict[str, list[Any]], list[str]]:
    """Return column to values, and the JSON of each row."""
    parameters: dict[str, np.ndarray] = values.pop("parameters")
    names = sorted(parameters)
    of_row = [
        {n: v for n, v in zip(names, row, strict=True) if v is not None}
        for row in zip(*(parameters[n] for n in names), strict=True)
    ]
    fields = list(values)
    cells: list[dict[str, Any]] = []
    texts: list[str] = []
    for row, active in zip(zip(*values.values(), strict=True), of_row, strict=True):
        cell, text = _row(dict(zip(fields, row, strict=True)), active)
        cells.append(cell)
        texts.append(text)
    columns = {name: [cell[name] for cell in cells] for name in cells[0]}
    return columns | {PARAMETER + n: parameters[n].tolist() for n in names}, texts


def _row(row: Mapping[str, Any], active: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Return the cells of one experience, and its canonical JSON."""
    search, outcome = row["search"], row["outcome"]
    ok, gpu = outcome is Outcome.OK, search["device"] == "cuda"
    identity = experience_id(search["search_id"], row["trial"], 0)
    model = row["model"]
    latency = row["latency"] if ok and search["with_latency"] else None
    energy = "[]"
    if gpu and outcome is not Outcome.CANCELLED:
        energy = (
            f'[{{"component":"gpu","joules":{row["joules"][0]!r},"quality":"A","source":"nvml"}},'
            f'{{"component":"cpu","joules":{row["joules"][1]!r},"quality":"B","source":"rapl"}}]'
        )
    failure = None
    if outcome in _MESSAGES:
        message = _MESSAGES[outcome].format(*row["noise"])
        mark = hashlib.sha256(message.split()[0].encode()).hexdigest()[:16]
        failure = canonical(
            {"kind": message.split(":")[0], "message": message, "traceback_hash": mark}
        )
    seconds = {"load": row["load"]}
    if ok or outcome in (Outcome.TIMEOUT, Outcome.PRUNED, Outcome.DIVERGED):
        seconds |= {"train": row["train"]}
    if ok or outcome is Outcome.PRUNED:
        seconds |= {"evaluate": row["evaluate"]}
    cells = {
        "id": bytes.fromhex(identity),
        "key": None,
        "attempt": 0,
        "trial_number": row["trial"],
        "seed": row["seed"],
        "threads": search["threads"],
        "peak_gpu_bytes": row["gpu"] if gpu else None,
        "peak_host_bytes": row["host"],
        "data_fraction": 1.0,
        "schedule_fraction": 1.0,
        "latency_ms": latency,
        "warm_started": search["warm_started"],
        "ended_at": int(row["ended_at"]),
        "started_at": int(row["started_at"]),
        "outcome": outcome.value,
        "energy": energy,
        "failure": failure,
        "provenance": '{"source":"optuna"}' if search["imported"] else "{}",
        "model_descriptor": descriptor_of(model),
        "configuration.branch": row["branch"],
        "configuration.method": row["method"],
        "configuration.model": model,
        "scores.macro_f1": row["f1"] if ok else None,
        "scores.accuracy": row["accuracy"] if ok else None,
        "seconds.load": row["load"],
        "seconds.train": seconds.get("train"),
        "seconds.evaluate": seconds.get("evaluate"),
        "rest": _rest(
            model,
            search["concurrent_trials"],
            ok=ok,
            no_latency=latency is None,
            no_failure=failure is None,
            gpu=gpu,
        ),
        **{name: search[name] for name in _OF_SEARCH},
    }
    text = _text(row, cells, active, failure or "null")
    cells["digest"] = hashlib.sha256(text.encode()).digest()
    return cells, text


_OF_SEARCH = (
    "tenant",
    "origin",
    "search_id",
    "task_name",
    "task_fingerprint",
    "task_type",
    "device",
    "sampler",
    "task_features",
    "system_features",
    "versions",
)


@cache
def _rest(
    model: str, concurrent: int, *, ok: bool, no_latency: bool, no_failure: bool, gpu: bool
) -> str:
    """Return the fields of an experience that have no column."""
    score = {"high": 1.0, "low": 0.0, "maximize": True}
    rest: dict[str, Any] = {
        "concurrent_trials": concurrent,
        "configuration": {"parameters": {}, "revision": revision_of(model)},
        "schema_version": 1,
        "scores": {"accuracy": score, "macro_f1": score} if ok else {},
        "seconds": {},
    }
    missing = {"latency_ms": no_latency, "failure": no_failure, "peak_gpu_bytes": not gpu}
    return canonical(rest | {name: None for name, absent in missing.items() if absent})


def _text(
    row: Mapping[str, Any], cells: Mapping[str, Any], active: Mapping[str, str], failure: str
) -> str:
    """Return the canonical JSON of one experience, put together from pieces that are canonical."""
    search = row["search"]
    gpu = cells["peak_gpu_bytes"]
    latency = cells["latency_ms"]
    scores = "{}"
    if cells["scores.macro_f1"] is not None:
        ends = '{"high":1.0,"low":0.0,"maximize":true,"value":'
        scores = f'{{"accuracy":{ends}{row["accuracy"]!r}}},"macro_f1":{ends}{row["f1"]!r}}}}}'
    named = (("evaluate", "seconds.evaluate"), ("load", "seconds.load"), ("train", "seconds.train"))
    seconds = ",".join(f'"{n}":{cells[c]!r}' for n, c in named if cells[c] is not None)
    parameters = ",".join(f'"{name}":{value}' for name, value in active.items())
    return (
        f'{{"attempt":0,"concurrent_trials":{search["concurrent_trials"]},"configuration":'
        f'{{"branch":"{row["branch"]}","method":"{row["method"]}","model":"{row["model"]}",'
        f'"parameters":{{{parameters}}},"revision":"{revision_of(row["model"])}"}},'
        f'"data_fraction":1.0,"device":"{search["device"]}","ended_at":"{row["ended_text"]}Z",'
        f'"energy":{cells["energy"]},"failure":{failure},"id":"{cells["id"].hex()}",'
        f'"latency_ms":{"null" if latency is None else repr(latency)},'
        f'"model_descriptor":{cells["model_descriptor"]},"origin":"{search["origin"]}",'
        f'"outcome":"{cells["outcome"]}","peak_gpu_bytes":{"null" if gpu is None else gpu},'
        f'"peak_host_bytes":{row["host"]},"provenance":{cells["provenance"]},'
        f'"sampler":"{search["sampler"]}",'
        f'"schedule_fraction":1.0,"schema_version":1,"scores":{scores},'
        f'"search_id":"{search["search_id"]}","seconds":{{{seconds}}},"seed":{row["seed"]},'
        f'"started_at":"{row["started_text"]}Z","system_features":{search["system_features"]},'
        f'"task_features":{search["task_features"]},'
        f'"task_fingerprint":"{search["task_fingerprint"]}","task_name":"{search["task_name"]}",'
        f'"task_type":"{search["task_type"]}","tenant":"{search["tenant"]}",'
        f'"threads":{search["threads"]},"trial_number":{row["trial"]},'
        f'"versions":{search["versions"]},'
        f'"warm_started":{"true" if search["warm_started"] else "false"}}}'
    )


def _table(columns: dict[str, list[Any]], texts: list[str]) -> pa.Table:
    import pyarrow as pa

    del texts
    arrays = {}
    for name in sorted(columns):
        kind = column_type(name)
        if pa.types.is_dictionary(kind):
            arrays[name] = pa.array(columns[name], kind.value_type).dictionary_encode()
        else:
            arrays[name] = pa.array(columns[name], kind)
    return pa.table(arrays)
