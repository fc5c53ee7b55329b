"""The steps of a search without a controller: sample trials, run each, record how they ended."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.steps.entry import step
from xautolm_core.steps.notification import SUMMARY_KEY
from xautolm_core.steps.notification import keep_for_the_end
from xautolm_core.steps.request import read_request
from xautolm_core.steps.search import copy_result
from xautolm_core.steps.search import read_features

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchSpec

NO_TRIAL = ""
"""Stands for the trials of a round once there are none."""
MEMORY_LIMIT_FRACTION = 0.9
"""A trial beyond this share of its container's memory is ended, before the kernel ends the pod."""


@step
def sample_trials(request: str, features_file: str, history: str, size: int) -> list[str]:
    """Propose the trials of a round.

    Args:
        request: The checked request.
        features_file: What ``extract_meta_features`` wrote.
        history: Digest of what to learn from; empty for what the store holds now.
        size: How many.

    Returns:
        The addresses of the trials; fewer once the search is nearly over, and then ``NO_TRIAL``.

    Raises:
        ConfigError: The search cannot begin.
        StoreError: A bucket cannot be used.
    """
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.launch.rounds import RoundLauncher
    from xautolm_core.progress.line_view import LineView
    from xautolm_core.search.rounds import propose_round

    asked = read_request(request)
    exchange = TrialExchange.open(asked.exchange_address)
    with tempfile.TemporaryDirectory(prefix="xautolm-round-") as name:
        out_folder = Path(name) / "run"
        spec = _started(asked.search_spec(Path(name)), history, size)
        resume = exchange.restore(out_folder)
        launcher = RoundLauncher(exchange, round_is_over=False)
        found = propose_round(
            spec,
            out_folder,
            launcher=launcher,
            observer=LineView(spec, sys.stdout, resumed=resume),
            size=size,
            resume=resume,
            measured=read_features(features_file),
        )
        exchange.mirror(out_folder).sync()
    if found.stopped_by is not None:
        print(f"no further trials: {found.stopped_by}", flush=True)
    # What a loop over nothing gives cannot be collected everywhere.
    return [launcher.address(trial) for trial in found.specs] or [NO_TRIAL]


@step
def run_trial(address: str) -> str:
    """Run one trial in this container, and return how it ended; the step itself never fails by it.

    Args:
        address: One of those that ``sample_trials`` returned.

    Returns:
        The outcome; ``none`` of ``NO_TRIAL``.

    Raises:
        ConfigError: There is no such trial, or its model cannot be had here.
        StoreError: The storage cannot be used.
        LaunchError: No process can be started.
    """
    if address == NO_TRIAL:
        print("the search is over", flush=True)
        return "none"
    from xautolm_core.launch.container_memory import ContainerMemory
    from xautolm_core.trial.remote import run_remote
    from xautolm_core.trial.remote import told_outcome

    cache = os.environ.get("XAUTOLM_MODEL_CACHE")
    with tempfile.TemporaryDirectory(prefix="xautolm-trial-") as name:
        run_remote(
            address,
            Path(name),
            model_cache=Path(cache) if cache else None,
            memory=ContainerMemory.within(MEMORY_LIMIT_FRACTION),
        )
    outcome = told_outcome(address)
    print(f"outcome: {outcome}", flush=True)
    return outcome


@step
def record_experiences(request: str, features_file: str, history: str, result_folder: str) -> int:
    """Take the results of a round: into the experience store, then into the study.

    Args:
        request: The checked request.
        features_file: What ``extract_meta_features`` wrote.
        history: As for ``sample_trials``.
        result_folder: Where the result so far goes: summary, report, trials, model.

    Returns:
        How many trials have ended so far.

    Raises:
        ConfigError: The data have changed.
        StoreError: A bucket cannot be used, or has not taken all experiences: a retry writes them.
    """
    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.launch.rounds import RoundLauncher
    from xautolm_core.progress.line_view import LineView
    from xautolm_core.report.document import summary_document
    from xautolm_core.report.folder import write_result_folder
    from xautolm_core.search.outbox import require_kept
    from xautolm_core.search.rounds import record_round

    asked = read_request(request)
    exchange = TrialExchange.open(asked.exchange_address)
    with tempfile.TemporaryDirectory(prefix="xautolm-round-") as name:
        out_folder = Path(name) / "run"
        spec = _started(asked.search_spec(Path(name)), history, 1)
        exchange.restore(out_folder)
        result = record_round(
            spec,
            out_folder,
            launcher=RoundLauncher(exchange, round_is_over=True),
            observer=LineView(spec, sys.stdout, resumed=True),
            measured=read_features(features_file),
        )
        exchange.mirror(out_folder).sync()
        write_result_folder(result)
        keep_for_the_end(asked, SUMMARY_KEY, summary_document(result))
        copy_result(out_folder, Path(result_folder))
        require_kept(result)
    return len(result.trials)


def _started(spec: SearchSpec, history: str, workers: int) -> SearchSpec:
    return spec.model_copy(update={"history": history or None, "workers": workers})
