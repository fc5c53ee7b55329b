"""The meta-features of a task, measured by the extractor of its kind.

A package that offers a kind of task (``xautolm.task_types``) offers its extractor under the same
name through the entry point group ``xautolm.task_features``: a function of a task and tokenizers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from xautolm_core.plugins import Registry
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.tasks.task import AnyTask

_FEATURES = "xautolm_core.features"
TASK_FEATURES = Registry(
    "xautolm.task_features",
    "extractor of a task type",
    {
        TaskType.TEXT_CLASSIFICATION: f"{_FEATURES}.task_features:extract_class_features",
        TaskType.QUESTION_ANSWERING: f"{_FEATURES}.question_features:extract_question_features",
        TaskType.TEXT_GENERATION: f"{_FEATURES}.generation_features:extract_generation_features",
    },
)


def extract_task_features(
    task: AnyTask, *, tokenizers: Mapping[str, Path] = MappingProxyType({})
) -> FeatureVector:
    """Measure the training split of a task.

    Args:
        task: The task; only its training split is looked at.
        tokenizers: Model id to ``tokenizer.json``, by which token lengths are measured.

    Raises:
        ConfigError: There is no such kind of task, or its package is broken.
    """
    extract = TASK_FEATURES.load(task.type)
    with TASK_FEATURES.blaming(task.type):
        features: FeatureVector = extract(task, tokenizers=tokenizers)
    return features
