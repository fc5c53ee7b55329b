"""How long does a sampler take to propose a trial, with a history of thousands of experiences?

For each size a history of made-up experiences (``made_up_experiences.py``) is built in memory; then
a search of made-up outcomes runs, and the CPU seconds of each proposal are measured: of the first
one with all that is made before it (scales, prior weights, portfolio), and of others. ``--also``
adds experiences of another kind of task, which a store may hold as well.

    OMP_NUM_THREADS=1 python benchmarks/sampler_latency.py --rows 0,40,5000 --also 0,95000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import optuna
from made_up_experiences import current_search
from made_up_experiences import tables

from xautolm_core.records.outcome import Outcome
from xautolm_core.search.history import History
from xautolm_core.search.history.layout import to_history_table
from xautolm_core.search.history.table import joined
from xautolm_core.search.history.table import with_trust
from xautolm_core.search.samplers import SAMPLER_NAMES
from xautolm_core.search.samplers import make_sampler
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.samplers.selection import SearchContext

_ENDLESS = 10**8


def history_of(relevant: int, also: int, context: SearchContext, seed: int) -> History:
    """Return a history with so many experiences that can inform the search, and so many others."""
    useful: list[pa.Table] = []
    others: list[pa.Table] = []
    for table in tables(_ENDLESS, seed):
        rows = with_trust(to_history_table(table), 1.0)
        dropped, _ = History(joined([rows])).irrelevant(context.relevance)
        useful.append(rows.take(np.flatnonzero(~dropped)[: relevant - _count(useful)]))
        others.append(rows.take(np.flatnonzero(dropped)[: also - _count(others)]))
        if _count(useful) == relevant and _count(others) == also:
            break
    return History.of_tables([*useful, *others])


def _count(parts: Sequence[pa.Table]) -> int:
    return sum(map(len, parts))


def outcome_of(configuration: Configuration) -> tuple[float, float] | None:
    """Return a score and seconds that depend on the configuration; None for a failure."""
    text = json.dumps(configuration.model_dump(mode="json"), sort_keys=True)
    share = zlib.crc32(text.encode()) / 2**32
    if share < 0.2:
        return None
    epochs = configuration.parameters.get("epochs")
    return share, 10.0 * float(epochs if isinstance(epochs, int) else 1) * (1 + share)


def measure(name: str, history: History, context: SearchContext, trials: int) -> dict[str, Any]:
    """Run a search; return the CPU seconds of its proposals."""
    begin = time.process_time()
    sampler = make_sampler(
        name,
        space=context.space,
        objectives=context.objectives,
        seed=0,
        task_type=context.task_type,
        task_features=context.task_features,
        system_features=context.system_features,
        history=history,
        expected_trials=trials,
        task_name="a task of today",
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    seconds = []
    for _ in range(trials):
        trial = study.ask()
        configuration = ask_configuration(trial, context.space)
        seconds.append(time.process_time() - begin)
        found = outcome_of(configuration)
        outcome = Outcome.OK if found else Outcome.OOM_HOST
        trial.set_user_attr(OUTCOME_ATTRIBUTE, outcome.value)
        state = optuna.trial.TrialState.COMPLETE if found else optuna.trial.TrialState.FAIL
        study.tell(trial, found, state=state)
        begin = time.process_time()
    later = np.asarray(seconds[1:])
    return {
        "first_seconds": seconds[0],
        "median_seconds": float(np.median(later)),
        "p95_seconds": float(np.quantile(later, 0.95)),
        "last_tenth_seconds": float(later[-max(1, trials // 10) :].mean()),
    }


def main() -> None:
    """Measure all sizes; print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samplers", default="guarded", help=", ".join(SAMPLER_NAMES))
    parser.add_argument("--rows", default="0,40,1000,5000", help="experiences that inform")
    parser.add_argument("--also", default="0", help="experiences of other kinds of task besides")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/sampler-latency.json"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    context = current_search()
    rows = []
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.ctime()}, one thread\n")
    print("| sampler | experiences | others | first ask s | median s | p95 s | last tenth s |")
    print("|---|---|---|---|---|---|---|")
    for relevant in map(int, arguments.rows.split(",")):
        for also in map(int, arguments.also.split(",")):
            history = history_of(relevant, also, context, arguments.seed)
            for name in arguments.samplers.split(","):
                found = measure(name, history, context, arguments.trials)
                rows.append({"sampler": name, "rows": relevant, "also": also, **found})
                cells = " | ".join(f"{value:.3f}" for value in found.values())
                print(f"| {name} | {relevant} | {also} | {cells} |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory {peak:.0f} MiB")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"settings": vars(arguments), "rows": rows}, default=str))


if __name__ == "__main__":
    main()
