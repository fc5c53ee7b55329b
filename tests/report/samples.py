"""Search results with everything in them that a report has to show."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from xautolm_core.records.attempt import TrialProgress
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.methods import has_model
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.explanation import NearTask
from xautolm_core.search.explanation import PredictedRange
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.records import choose_alternative
from xautolm_core.search.test_report import ModelComparison
from xautolm_core.search.test_report import TestReport
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.model import ModelKind
from xautolm_core.tasks.spec import TaskSpec

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
UNTRAINED = "untrained/tiny-bert"
_FIRST = "cheap candidate, tried first"
LABELS = ("business", "science & <technology>", "sports", "world")


def descriptor(*, pretrained: bool) -> ModelDescriptor:
    """Return a small encoder's descriptor."""
    return ModelDescriptor(
        architecture="bert",
        kind=ModelKind.ENCODER,
        parameters=22_700_000,
        embedding_parameters=11_900_000,
        layers=6,
        width=384,
        feed_forward_width=1536,
        heads=12,
        vocabulary=30_522,
        max_length=512,
        pretrained=pretrained,
    )


def record(
    number: int,
    *,
    outcome: Outcome = Outcome.OK,
    f1: float | None = None,
    train_seconds: float | None = None,
    method: str = "full",
    model: str = MINILM,
    on_front: bool = False,
    latency_ms: float | None = None,
    failure: Failure | None = None,
    why: str = "start configuration of the space",
    extra: Mapping[str, Value] | None = None,
) -> TrialRecord:
    """Return a trial's record."""
    parameters: dict[str, Value] = {"C": 10.0, **(extra or {})}
    progress = TrialProgress(rows=4800)
    if not is_cheap(method):
        progress = TrialProgress(
            rows=2000, planned_steps=250, scheduled_steps=250, steps=250, epochs=2
        )
        parameters = {
            "learning_rate": 5e-5,
            "batch_size": 16,
            "epochs": 2,
            "max_length": 128,
            "class_weighted_loss": False,
            **(extra or {}),
        }
    seconds = {"startup": 0.4, "load_data": 0.1, "tokenize": 0.8}
    if train_seconds is not None:
        seconds |= {"train": train_seconds, "evaluate": train_seconds / 10, "save": 0.3}
    began = START + timedelta(seconds=30 * number)
    scores = {}
    if f1 is not None:
        scores = {"macro_f1": Score(value=f1), "accuracy": Score(value=f1 + 0.004)}
    result = TrialResult(
        search_id="s1",
        trial_number=number,
        outcome=outcome,
        scores=scores,
        seconds=seconds,
        latency_ms=latency_ms,
        progress=progress,
        peak_host_bytes=880 * 2**20,
        failure=failure,
        model_folder=None if f1 is None else "model",
        versions={"torch": "2.13.0", "transformers": "5.23.0"},
        launched_at=began,
        started_at=began + timedelta(seconds=0.4),
        ended_at=began + timedelta(seconds=sum(seconds.values())),
    )
    values = {} if f1 is None else {"f1": f1, "time": result.time_seconds or 0.0}
    configuration = Configuration(
        branch=method if is_cheap(method) else f"minilm-{method}",
        model=model if has_model(method) else None,
        revision=None,
        method=method,
        parameters=parameters,
    )
    return TrialRecord(number, configuration, result, why, values, on_front)


def trials() -> list[TrialRecord]:
    """Return trials of all sorts; number 4 has the best score, number 1 that of the cheap ones."""
    return [
        record(0, f1=0.7990, train_seconds=2.2, method="tfidf", on_front=True, why=_FIRST),
        record(
            1,
            f1=0.8213,
            train_seconds=3.1,
            method="linear_probe_tfidf",
            on_front=True,
            why=_FIRST,
        ),
        record(2, f1=0.8534, train_seconds=22.4, method="lora", on_front=True, extra={"lora_r": 8}),
        record(
            3,
            outcome=Outcome.TIMEOUT,
            train_seconds=60.0,
            failure=Failure(kind="WallLimit", message="the trial ran past its limit of 60 s"),
            why="generation 1 <script>alert(1)</script>",
        ),
        record(
            4,
            f1=0.8877,
            train_seconds=44.2,
            on_front=True,
            why="nearest tasks: docstrings-a (0.93), docstrings-b (0.41)",
            extra={"epochs": 3},
        ),
        record(5, f1=0.6120, train_seconds=5.7, model=UNTRAINED, extra={"vocabulary": 8000}),
        record(
            6,
            outcome=Outcome.OOM_HOST,
            failure=Failure(kind="MemoryLimit", message="memory limit of 2.0 GiB reached"),
        ),
        record(
            7,
            outcome=Outcome.DIVERGED,
            train_seconds=1.3,
            failure=Failure(kind="NonFiniteLoss", message="the loss was not finite at step 12"),
        ),
        record(8, f1=0.8302, train_seconds=9.3, method="partial", on_front=True),
    ]


def explanation(number: int = 4, *, tasks: Sequence[str] = ("docstrings-a",)) -> TrialExplanation:
    """Return what a sampler that weighs structures expected of a trial."""
    return TrialExplanation(
        structures={
            "f1": {"without history": 0.25, "history as the mean": 0.75},
            "time": {"without history": 0.9, "history as the mean": 0.1},
        },
        nearest_tasks=tuple(
            NearTask(name=name, weight=0.5 / (i + 1), trials=21) for i, name in enumerate(tasks)
        ),
        predictions={
            "f1": PredictedRange(median=0.88, low=0.85, high=0.91),
            "time": PredictedRange(median=40.5, low=30.0, high=47.0 + number),
        },
        failure_probabilities={"oom": 0.015, "timeout": 0.02, "diverged": 0.0},
        failure_probability=0.034,
    )


def explained_trials(tasks: Sequence[str] = ("docstrings-a",)) -> list[TrialRecord]:
    """Return trials of all sorts, those of language models with what was expected of them."""
    return [
        one
        if is_cheap(one.configuration.method)
        else replace(one, explanation=explanation(one.number, tasks=tasks))
        for one in trials()
    ]


def search_result(
    folder: Path,
    *,
    records: list[TrialRecord] | None = None,
    best: int | None = 4,
    test_f1: float = 0.8790,
    other_f1: float | None = 0.8004,
    half_width: float = 0.0196,
    rare_classes: Mapping[str, int] | None = None,
    objectives: tuple[Objective, ...] = (Objective.F1, Objective.TIME),
    task_name: str = "news",
    labels: tuple[str, ...] = LABELS,
    stopped_by: str = "budget",
    warnings: Sequence[str] = ("12 rows of test also stand in train",),
) -> SearchResult:
    """Return a finished search whose files would go to ``folder``.

    Args:
        folder: The run folder.
        records: Its trials.
        best: The chosen one.
        test_f1: Of the chosen one, on test.
        other_f1: Of the best one of the other kind; None for no comparison.
        half_width: Of the gain's interval.
        rare_classes: Of the comparison.
        objectives: Of the search.
        task_name: Name of the task.
        labels: Its classes.
        stopped_by: Why it ended.
        warnings: Of its data.
    """
    trials_run = trials() if records is None else records
    per_class = {
        name: {"precision": 0.88, "recall": 0.87, "f1": 0.875, "support": 500.0} for name in labels
    }
    count = len(labels)
    confusion = [[440 if i == j else 60 // (count - 1) for j in range(count)] for i in range(count)]
    chosen = next((r for r in trials_run if r.number == best), None)
    other = choose_alternative(trials_run, chosen)
    comparison = None
    if chosen is not None and other is not None and other_f1 is not None:
        pair = ((chosen, test_f1), (other, other_f1))
        cheap, language_model = sorted(
            pair, key=lambda one: is_cheap(one[0].configuration.method), reverse=True
        )
        gain = language_model[1] - cheap[1]
        comparison = ModelComparison(
            language_model=language_model[0].number,
            cheap=cheap[0].number,
            language_model_score=language_model[1],
            cheap_score=cheap[1],
            low=gain - half_width,
            high=gain + half_width,
            rare_classes=rare_classes or {},
        )
    return SearchResult(
        spec=SearchSpec(
            search_id="20260301T120000Z-ab12cd34",
            task=TaskSpec(name=task_name, data="news.csv"),
            objectives=objectives,
            budget_seconds=600,
            workers=1,
            store=str(folder / "store"),
        ),
        out_folder=folder,
        task={
            "name": task_name,
            "type": "text-classification",
            "fingerprint": "9f" * 32,
            "labels": list(labels),
            "rows": {"train": 4800, "validation": 600, "test": 2000},
            "warnings": list(warnings),
            "languages": ["en"],
        },
        task_features={"documents": 4800.0, "class_entropy": 1.9987, "fertility": None},
        system_features={"ram_gb": 24.0, "gpu_name": None, "cpu_cores": 2.0, "bf16": "no"},
        trials=trials_run,
        best=best,
        test=None
        if best is None
        else TestReport(test_f1, test_f1 + 0.001, per_class, confusion, 2000, 6.2, comparison),
        warm_start=WarmStartReport(
            applied=37,
            mapped=4,
            dropped={"another extractor version": 3},
            prior_shift=0.214,
            neighbours=[("docstrings-a", 0.93, 21), ("docstrings-b", 0.41, 16)],
            branch_probabilities={"minilm-full": 0.5, "minilm-lora": 0.3, "minilm-head": 0.2},
        ),
        seconds=598.2,
        phase_seconds={"load": 0.4, "features": 3.2, "trials": 560.0, "test": 6.2},
        stopped_by=stopped_by,
        notes=[*warnings, "3 experiences of another extractor version were not used"],
        models={MINILM: descriptor(pretrained=True), UNTRAINED: descriptor(pretrained=False)},
    )
