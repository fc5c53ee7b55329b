"""Running trials: launched, and not ended yet."""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.records.methods import has_model
from xautolm_core.search.spending import Use
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.heartbeat_facts import joules_of

if TYPE_CHECKING:
    import optuna

    from xautolm_core.launch.contract import TrialHandle
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.folders import Proposal
    from xautolm_core.trial.contract import TrialSpec


@dataclass
class RunningTrial:
    """A running trial.

    Attributes:
        trial: Its trial in the study.
        spec: Its specification.
        handle: Handle of the launcher.
        proposal: The proposed trial.
        infra_attempts: Earlier attempts that ended by a fault of their machine.
        launched_seconds: Time of the launch, on the monotonic clock.
    """

    trial: optuna.Trial
    spec: TrialSpec
    handle: TrialHandle
    proposal: Proposal
    infra_attempts: int
    launched_seconds: float = field(default_factory=time.monotonic)


def heartbeats_of(running: Mapping[int, RunningTrial]) -> dict[int, Mapping[str, Any]]:
    """Return number to last heartbeat; empty where there is none yet."""
    return {n: read_heartbeat(one.spec.out_folder) or {} for n, one in running.items()}


def tried(
    running: Mapping[int, RunningTrial], records: Iterable[TrialRecord]
) -> list[Configuration]:
    """Return the configurations of all trials so far, running ones included."""
    return [
        *(record.configuration for record in records),
        *(one.spec.configuration for one in running.values()),
    ]


def uses_of(running: Mapping[int, RunningTrial]) -> list[Use]:
    """Return the resources that each has used: time since its launch, energy by its heartbeat."""
    now, heartbeats = time.monotonic(), heartbeats_of(running)
    return [
        Use(
            now - one.launched_seconds,
            joules_of(heartbeats[number]),
            has_model(one.spec.configuration.method),
        )
        for number, one in running.items()
    ]
