"""The step that lets models meet the test split: once, at the end."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import DataError
from xautolm_core.errors import LaunchError
from xautolm_core.steps.entry import step
from xautolm_core.steps.finished import require_model
from xautolm_core.steps.request import read_request
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord

LIMIT_SECONDS = 3600.0


@step
def evaluate(request: str, result_folder: str, test_file: str) -> None:
    """Evaluate the chosen model on the test split, and write what came out as JSON.

    The best model of the other kind answers the same rows, if the search has left one: the report
    compares both.

    Args:
        request: The checked request.
        result_folder: What the search wrote.
        test_file: Where to.

    Raises:
        DataError: The data have changed since the search began.
        LaunchError: There is no model, or the evaluation did not succeed.
    """
    from xautolm_core.search.asking import Asking
    from xautolm_core.search.asking import score_on_test
    from xautolm_core.search.contract import ALTERNATIVE_FOLDER
    from xautolm_core.search.contract import BEST_MODEL_FOLDER
    from xautolm_core.search.final_test import run_test
    from xautolm_core.search.final_test_kinds import TestedModel
    from xautolm_core.search.records import choose_alternative
    from xautolm_core.search.result_file import read_result
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.prepared import write_prepared

    asked = read_request(request)
    folder = Path(result_folder)
    result = read_result(folder)
    best = require_model(result)
    task = load_task(asked.spec.task)
    if task.fingerprint != result.task.get("fingerprint"):
        raise DataError(
            f"The data of task {task.name} have changed since the search began: the test split"
            " may hold rows that the model was trained on",
            hint="Start the run again",
        )
    other = choose_alternative(result.trials, best)
    if other is not None and not (folder / ALTERNATIVE_FOLDER).is_dir():
        print(f"trial {other.number} has left no model: it is not compared")
        other = None
    with tempfile.TemporaryDirectory(prefix="xautolm-test-") as name:
        work = Path(name)
        task_folder = write_prepared(task, work)

        def evaluate_model(record: TrialRecord) -> tuple[TestedModel | None, str]:
            is_best = record.number == best.number
            return score_on_test(
                folder / (BEST_MODEL_FOLDER if is_best else ALTERNATIVE_FOLDER),
                task_folder,
                work,
                Asking(limit_seconds=LIMIT_SECONDS),
                task=task,
            )

        report, problem = run_test(
            best, other, task=task, evaluate=evaluate_model, seed=result.spec.seed
        )
    if report is None:
        raise LaunchError(
            problem, hint="The step needs the trial image and the memory for one model"
        )
    if problem:
        print(problem)
    Path(test_file).parent.mkdir(parents=True, exist_ok=True)
    write_json(Path(test_file), asdict(report))
    print(f"test: {result.primary.title} {report.score:.4f} on {report.rows:,} rows")
