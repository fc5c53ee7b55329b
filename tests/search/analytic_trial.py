"""A trial in a real process that is over in an instant: the target of a real launcher in tests."""

from __future__ import annotations

import os
import time

from tests.search.instant import analytic_result
from tests.search.instant import write_model
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json


def run(spec: TrialSpec) -> TrialResult:
    """Write the analytic result after a moment."""
    time.sleep(float(os.environ.get("XAUTOLM_TEST_TRIAL_SECONDS", "0.05")))
    result = analytic_result(spec)
    write_model(spec, result)
    write_json(spec.out_folder / RESULT_FILE, result)
    return result
