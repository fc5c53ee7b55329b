"""What the launcher keeps of a trial: heartbeat, result, and the last lines of its pod's log."""

from __future__ import annotations

import logging
import time

from xautolm_core.errors import StoreError
from xautolm_core.launch.kubernetes.exchange_port import Exchange
from xautolm_core.launch.kubernetes.jobs import Jobs
from xautolm_core.launch.kubernetes.tracked import TrackedTrial
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import LOG_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.heartbeat_facts import WAITS_FOR
from xautolm_core.whole_files import write_json

_log = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 15.0


def fetch_heartbeat(exchange: Exchange, trial: TrackedTrial, *, at_once: bool = False) -> None:
    """Bring a trial's heartbeat into its folder, four times a minute at most unless at once."""
    now = time.monotonic()
    if not at_once and now - trial.heartbeat_at < _HEARTBEAT_SECONDS:
        return
    trial.heartbeat_at = now
    try:
        told = exchange.heartbeat(trial.spec)
        if told is not None and told != trial.heartbeat:
            trial.heartbeat = told
            write_json(trial.spec.out_folder / HEARTBEAT_FILE, told, durable=False)
    except (StoreError, OSError) as error:
        _log.info("no heartbeat of trial %d: %s", trial.spec.trial_number, error)


def tell_waiting(trial: TrackedTrial) -> None:
    """Write what a trial waits for where its heartbeat will be, once it has one."""
    if trial.heartbeat:
        return
    told = {"phase": "starting"}
    if trial.waiting is not None:
        told = {"phase": "waiting", WAITS_FOR: trial.waiting.text}
    try:
        write_json(trial.spec.out_folder / HEARTBEAT_FILE, told, durable=False)
    except OSError as error:
        _log.info("trial %d waits, unseen: %s", trial.spec.trial_number, error)


def store_result(exchange: Exchange, trial: TrackedTrial, result: TrialResult) -> TrialResult:
    """Store a result there and in the trial's folder; return the one that stands."""
    try:
        standing = exchange.keep(trial.spec, result)
        if standing.outcome is result.outcome:
            standing = result  # with what only the launcher knows
        write_json(trial.spec.out_folder / RESULT_FILE, standing)
    except (StoreError, OSError) as error:
        _log.warning("the result of trial %d was not stored: %s", trial.spec.trial_number, error)
        return result
    return standing


def append_log(jobs: Jobs, trial: TrackedTrial, pod_name: str) -> None:
    """Put a pod's last lines into the local log, and nowhere else: they may hold texts."""
    tail = jobs.log_tail(pod_name)
    if not tail:
        return
    try:
        trial.spec.out_folder.mkdir(parents=True, exist_ok=True)
        with (trial.spec.out_folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"--- the last lines of pod {pod_name} ---\n{tail.rstrip()}\n")
    except OSError as error:
        _log.warning("the log of trial %d was not written: %s", trial.spec.trial_number, error)
