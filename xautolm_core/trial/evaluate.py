"""``python -m xautolm_core.trial.evaluate REQUEST.json`` scores a saved model on a split."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from xautolm_core.errors import ConfigError
from xautolm_core.tasks.task import SplitName
from xautolm_core.trial.files import write_json_atomic
from xautolm_core.trial.request_file import serve_request

MODULE = "xautolm_core.trial.evaluate"


class EvaluationRequest(BaseModel):
    """What to evaluate.

    Attributes:
        model_folder: Folder of a saved model.
        task_folder: Folder of the prepared task.
        split: Which split.
        out_file: Where the report is written.
        threads: CPU threads.
        device: ``auto`` takes a GPU where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model_folder: Path
    task_folder: Path
    split: SplitName = "test"
    out_file: Path
    threads: int = Field(default=1, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"


class EvaluationReport(BaseModel):
    """How well a model does on a split.

    Attributes:
        macro_f1: In [0, 1].
        accuracy: In [0, 1].
        per_class: Class name to precision, recall, F1 and support.
        confusion: Rows of true class i that were taken for class j.
        rows: Rows of the split.
        seconds: Wall-clock seconds of tokenising and answering, the model's loading left out.
        predicted: Class index that the model gives to each row, in the split's order.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    macro_f1: float
    accuracy: float
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]
    rows: int
    seconds: float
    predicted: list[int]


def evaluate_model(request: EvaluationRequest) -> EvaluationReport:
    """Score a saved model on a split and write the report.

    Raises:
        ConfigError: The model does not belong to the task, or one of them cannot be read.
    """
    from xautolm_core.tasks.prepared import open_prepared
    from xautolm_core.trial.predict import load_classifier
    from xautolm_core.trial.process import prepare_process
    from xautolm_core.trial.scoring import score_logits

    prepare_process(request.threads, seed=0)
    task = open_prepared(request.task_folder)
    classifier = load_classifier(
        request.model_folder, device=request.device, threads=request.threads
    )
    if classifier.labels != task.labels or classifier.has_pairs != task.has_pairs:
        raise ConfigError(
            "The model was trained on a task with other classes or columns",
            hint="Evaluate it on the task that it was trained on",
        )
    split = task.splits[request.split]
    since = time.perf_counter()
    logits = classifier.logits(split)
    found = score_logits(logits, split.labels, task.labels)
    report = EvaluationReport(
        macro_f1=found.macro_f1,
        accuracy=found.accuracy,
        per_class={name: dict(values) for name, values in found.per_class.items()},
        confusion=found.confusion,
        rows=len(split),
        seconds=time.perf_counter() - since,
        predicted=logits.argmax(1).tolist(),
    )
    write_json_atomic(request.out_file, report)
    return report


def main(arguments: list[str]) -> int:
    """Evaluate what a request file asks for; return the exit code."""
    return serve_request(
        arguments, "xautolm_core.trial.evaluate", EvaluationRequest, evaluate_model
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
