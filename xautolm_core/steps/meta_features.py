"""The step that measures the task, and the machines that its trials will run on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.cluster_search import probed
from xautolm_core.features import system_features
from xautolm_core.features import task_features
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.search.measured import Measured
from xautolm_core.search.measured import TrialMachine
from xautolm_core.search.opening import share_of_this_machine
from xautolm_core.steps.entry import step
from xautolm_core.steps.request import MeasurementRequest
from xautolm_core.steps.request import read_measurement
from xautolm_core.steps.request import space_file
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.records.features import FeatureVector

EXTRACTORS = f"{task_features.VERSION}/{system_features.VERSION}"
"""Versions of both extractors: with the fingerprint, what a cached answer is good for."""


@step
def extract_meta_features(measurement: str, fingerprint: str, features_file: str) -> None:
    """Measure a task and the machine of a trial; write both as JSON.

    Args:
        measurement: What to measure, as ``fingerprint_task`` handed it on.
        fingerprint: What the data must still be.
        features_file: Where to.

    Raises:
        DataError: The data have changed since they were checked.
        LaunchError: No pod tells what its machine is like.
    """
    from xautolm_core.errors import DataError
    from xautolm_core.features.task_extractors import extract_task_features
    from xautolm_core.space.load import load_space
    from xautolm_core.space.space import tokenizer_files
    from xautolm_core.tasks.load import load_task

    asked = read_measurement(measurement)
    path = Path(features_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    task = load_task(asked.task)
    if task.fingerprint != fingerprint:
        raise DataError(
            f"The data of task {task.name} have changed since this run began",
            hint="Start the run again",
        )
    if asked.space_text is None:
        space = load_space(asked.space)
    else:
        with tempfile.TemporaryDirectory(prefix="xautolm-space-") as folder:
            space = load_space(str(space_file(asked.space_text, Path(folder))))
    of_task = extract_task_features(task, tokenizers=tokenizer_files(space))
    system, machine = _machine(asked)
    write_json(path, Measured(of_task, system, machine).document())
    print(f"{len(of_task.values)} features of the task, {len(system.values)} of its machine")


def _machine(asked: MeasurementRequest) -> tuple[FeatureVector, TrialMachine | None]:
    if asked.cluster is None:
        # In rounds this step has the container of a trial; a local launcher shares its own.
        machine = share_of_this_machine(1) if asked.launcher == "rounds" else None
        return system_features.extract_system_features(), machine
    return probed(
        asked.cluster,
        run_id=asked.digest,
        exchange_address=join_s3_uri(asked.workspace, f"probes/{asked.digest}"),
        notes=_Printed(),
    )


class _Printed:
    """Notes for a step's log."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Print a line."""
        print(f"warning: {text}" if warning else text, flush=True)
