"""The types of tasks that models are fine-tuned for, by name."""

from __future__ import annotations

from xautolm_core.plugins import Registry
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.objective import FineTuningKind

FINE_TUNING_KINDS = Registry(
    "xautolm.fine_tuning",
    "type of task to fine-tune for",
    {
        TaskType.TEXT_CLASSIFICATION: "xautolm_core.trial.classification:ClassificationKind",
        TaskType.QUESTION_ANSWERING: "xautolm_core.trial.spans.training:SpanKind",
        TaskType.TEXT_GENERATION: "xautolm_core.trial.generation.training:GenerationKind",
    },
)


def fine_tuning_kind(task_type: str) -> FineTuningKind:
    """Return how models are fine-tuned for a type of task.

    Raises:
        ConfigError: There is none of that name, or its package is broken.
    """
    kind: type[FineTuningKind] = FINE_TUNING_KINDS.load(task_type)
    return kind()
