"""Target for the launcher's tests: real trials that save each state at once, and may hang then."""

from __future__ import annotations

import signal
import time
from typing import Any

from xautolm_core.trial import saving
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.run import run_trial
from xautolm_core.trial.saved_state import saved_folders
from xautolm_core.trial.training import FineTuning


def run(spec: TrialSpec) -> None:
    """Run a trial whose saves count as cheap."""
    saving.SAVE_SHARE = 1e9
    run_trial(spec)


def hang(spec: TrialSpec) -> None:
    """Run a trial that hangs in a step after its first saved state, but takes SIGTERM."""
    take_step = FineTuning._take_step

    def take_step_or_hang(self: FineTuning, batches: Any) -> None:
        if saved_folders(spec.out_folder):
            time.sleep(120)
        take_step(self, batches)

    FineTuning._take_step = take_step_or_hang  # type: ignore[method-assign]
    run(spec)


def hang_deaf(spec: TrialSpec) -> None:
    """Hang in the same way, and do not hear SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    hang(spec)


def run_by_name(spec: TrialSpec) -> None:
    """Do what the spec's branch names."""
    {"run": run, "hang": hang, "hang_deaf": hang_deaf}[spec.configuration.branch](spec)
