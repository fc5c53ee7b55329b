"""The published meta-features under names, with the extractor that they are comparable to.

The ten of a classification task, the eleven of a question answering task and the five of a machine
mean what our own extractors measure under these names, so they carry the name and version of those,
with a mark: a sampler that compares by the paper's features may use them beside its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from collections.abc import Sequence

from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.published_record import PublishedRecord
from xautolm_core.records.features import FeatureVector

# As in the room of the meta-features, which this room may not import; a test compares them.
TASK_EXTRACTOR = "text-classification"
GENERATION_EXTRACTOR = "text-generation"
SYSTEM_EXTRACTOR = "system"
VERSION = "1.0+published"

CLASSIFICATION_FEATURES = {
    "n_instances": "rows",
    "n_classes": "classes",
    "class_entropy": "bit",
    "min_class_probability": "1",
    "max_class_probability": "1",
    "imbalance_ratio": "1",
    "mean_document_characters": "characters",
    "std_document_characters": "characters",
    "cv_document_characters": "1",
    "landmark_decision_tree_accuracy": "1",
}
GENERATION_FEATURES = {
    "n_samples": "rows",
    "mean_prompt_characters": "characters",
    "std_prompt_characters": "characters",
    "prompt_type_token_ratio": "1",
    "mean_target_characters": "characters",
    "std_target_characters": "characters",
    "target_type_token_ratio": "1",
    "mean_target_prompt_length_ratio": "1",
    "mean_vocabulary_novelty": "1",
    "mean_prompt_target_similarity": "1",
    "mean_prompt_target_rouge_l": "1",
}
SYSTEM_FEATURES = {
    "physical_cores": "cores",
    "logical_cores": "cores",
    "max_cpu_ghz": "GHz",
    "total_ram_gb": "GiB",
    "gpu_memory_gb": "GiB",
}
EMBEDDING_FEATURE = "prompt_embedding"
MAX_EMBEDDING = 4_096

_CLASSIFICATION_CLASS = "TextClassificationFeatureExtractor"
_GENERATION_CLASS = "GenerativeTaskFeatureExtractor"
_SYSTEM_CLASS = "SystemFeatureExtractor"
_FOREIGN_VERSION = "1.0"
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def task_features(record: PublishedRecord, account: Account) -> FeatureVector:
    """Return the task's features of a record; what is left out is accounted for."""
    name = record.task_extractor
    if name == _CLASSIFICATION_CLASS and record.dataset_features is not None:
        if len(record.dataset_features) == len(CLASSIFICATION_FEATURES):
            return _features(
                (TASK_EXTRACTOR, VERSION, name),
                CLASSIFICATION_FEATURES,
                record.dataset_features,
                account,
            )
    elif name == _GENERATION_CLASS and record.task_meta is not None:
        fits = len(record.task_embedding) <= MAX_EMBEDDING
        if fits and len(record.task_meta) == len(GENERATION_FEATURES):
            units = GENERATION_FEATURES | {
                f"{EMBEDDING_FEATURE}_{i:03}": "1" for i in range(len(record.task_embedding))
            }
            numbers = record.task_meta + record.task_embedding
            return _features((GENERATION_EXTRACTOR, VERSION, name), units, numbers, account)
    account.drop_field("task features", "not those of a known extractor")
    return _none_of(name)


def system_features(record: PublishedRecord, account: Account) -> FeatureVector:
    """Return the machine's features of a record; what is left out is accounted for."""
    name = record.system_extractor
    if name != _SYSTEM_CLASS or len(record.system_features) != len(SYSTEM_FEATURES):
        account.drop_field("system_features", "not those of a known extractor")
        return _none_of(name)
    numbers: list[float | None] = list(record.system_features)
    if numbers[-1] == 0:
        # The published code never told its extractor which GPU to ask.
        account.drop_field("system_features: gpu_memory_gb", "0 stands for not measured")
        numbers[-1] = None
    return _features((SYSTEM_EXTRACTOR, VERSION, name), SYSTEM_FEATURES, numbers, account)


def _features(
    origin: tuple[str, str, str],
    units: Mapping[str, str],
    numbers: Sequence[float | None],
    account: Account,
) -> FeatureVector:
    """Return features of an extractor, of a version, measured by a foreign class."""
    extractor, version, measured_by = origin
    values: dict[str, float | None] = {}
    for name, number in zip(units, numbers, strict=True):
        values[name] = number if number is not None and math.isfinite(number) else None
        if number is not None and values[name] is None:
            account.drop_field(f"features: {name}", "not finite")
    return FeatureVector(
        extractor=extractor,
        version=version,
        values=values,
        units=units,
        facts={"measured_by": measured_by},
    )


def _none_of(extractor: str) -> FeatureVector:
    known = extractor if _CLASS.fullmatch(extractor) else "unknown"
    # Never the name of ours: without features nothing can be compared.
    return FeatureVector(extractor=f"{known}:unread", version=_FOREIGN_VERSION, values={})
