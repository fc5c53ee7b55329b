"""A trial that the local launcher looks after, and the result that it comes to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime

from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import ProcessEnd
from xautolm_core.trial.endings import result_of_end
from xautolm_core.trial.endings import with_launch
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.trial.saved_state import claim_saved
from xautolm_core.whole_files import write_json

_log = logging.getLogger(__name__)


@dataclass
class LocalTrial:
    """A trial of this machine, from submit on."""

    spec: TrialSpec
    launched_at: datetime
    concurrent: int
    pid: int | None = None
    ended: bool = False
    end: ProcessEnd | None = None
    ended_at: datetime | None = None
    cancelled: bool = False
    pruned: str = ""
    result: TrialResult | None = None

    def settle(self) -> TrialResult | None:
        """Return the result; the first time find it out, and complete the trial's folder."""
        if self.result is not None or not self.ended:
            return self.result
        spec = self.spec
        end, ended_at = self.end, self.ended_at or datetime.now(UTC)
        if end is None and self.cancelled:
            end = ProcessEnd(ended_by="cancel")
        result = result_of_end(
            spec,
            end,
            read_result(spec.out_folder),
            read_heartbeat(spec.out_folder) or {},
            claim_saved(spec),
            ended_at=ended_at,
        )
        self.result = with_launch(
            result,
            launched_at=self.launched_at,
            concurrent_trials=self.concurrent,
            ended_at=ended_at,
            peak_bytes=end.peak_bytes if end else None,
            pruned=self.pruned,
        )
        try:
            write_json(spec.out_folder / RESULT_FILE, self.result)
        except OSError as problem:
            # Who asked for the trial has its result; a resume runs it again.
            _log.info("the result of trial %d was not written: %s", spec.trial_number, problem)
        return self.result
