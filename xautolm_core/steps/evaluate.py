"""The step that lets the chosen model meet the test split: once, at the end."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from xautolm_core.errors import DataError
from xautolm_core.errors import LaunchError
from xautolm_core.report.files import write_json
from xautolm_core.steps.entry import step
from xautolm_core.steps.finished import require_model
from xautolm_core.steps.request import read_request

LIMIT_SECONDS = 3600.0


@step
def evaluate(request: str, result_folder: str, test_file: str) -> None:
    """Evaluate the chosen model on the test split, and write what came out as JSON.

    Args:
        request: The checked request.
        result_folder: What the search wrote.
        test_file: Where to.

    Raises:
        DataError: The data have changed since the search began.
        LaunchError: There is no model, or the evaluation did not succeed.
    """
    from xautolm_core.features.cgroup import cpu_count
    from xautolm_core.search.contract import BEST_MODEL_FOLDER
    from xautolm_core.search.final import evaluate_on_test
    from xautolm_core.search.result_file import read_result
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.prepared import write_prepared

    asked = read_request(request)
    folder = Path(result_folder)
    result = read_result(folder)
    require_model(result)
    task = load_task(asked.spec.task)
    if task.fingerprint != result.task.get("fingerprint"):
        raise DataError(
            f"The data of task {task.name} have changed since the search began: the test split"
            " may hold rows that the model was trained on",
            hint="Start the run again",
        )
    with tempfile.TemporaryDirectory(prefix="xautolm-test-") as name:
        work = Path(name)
        report, problem = evaluate_on_test(
            model_folder=folder / BEST_MODEL_FOLDER,
            task_folder=write_prepared(task, work),
            work_folder=work,
            threads=cpu_count(),
            limit_seconds=LIMIT_SECONDS,
            give_up=lambda: False,
        )
    if report is None:
        raise LaunchError(
            f"The chosen model could not be evaluated on the test split: {problem}",
            hint="The step needs the trial image and the memory for one model",
        )
    Path(test_file).parent.mkdir(parents=True, exist_ok=True)
    write_json(Path(test_file), asdict(report))
    print(f"test: macro F1 {report.macro_f1:.4f} on {report.rows:,} rows")
