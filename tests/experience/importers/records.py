"""Hand-made records of the published format, one for each of its traps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 23.64 GiB"
)
TASK_FEATURES = [11524.0, 6.0, 2.5, 0.08, 0.2, 0.4, 106.9, 58.4, 0.546, 0.2245]
SYSTEM_FEATURES = [8.0, 16.0, 5.0, 125.7, 0.0]


def classification(**changes: Any) -> dict[str, Any]:
    """Return a success of classification in the layout with metrics."""
    parameters = {"lora_r": 8, "learning_rate": 2e-05, "weight_decay": 0, "num_workers": "3/4"}
    record: dict[str, Any] = {
        "algorithms": [pipeline("LoraLLMEmbeddingClassifier", "WORD_EMB_Roberta_Base", parameters)],
        "dataset_features": TASK_FEATURES,
        "system_features": SYSTEM_FEATURES,
        "dataset_feature_extractor_name": "TextClassificationFeatureExtractor",
        "system_feature_extractor_name": "SystemFeatureExtractor",
        "timestamp": "2024-11-04 08:27:37",
        "alias": "liar",
        "cross_val_steps": None,
        "error": None,
        "metrics": metrics(accuracy=0.24, f1=0.14, evaluation_time=736.5),
    }
    return record | changes


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record in the old layout."""
    values = {metric["name"]: metric["value"] for metric in record["metrics"]}
    return {name: value for name, value in record.items() if name != "metrics"} | values


def failure_with_text(**changes: Any) -> dict[str, Any]:
    """Return the first record of a failure of classification."""
    none = metrics(accuracy=None, f1=None, evaluation_time=None)
    return classification(error=OUT_OF_MEMORY, metrics=none) | changes


def failure_without_text(**changes: Any) -> dict[str, Any]:
    """Return the second record of a failure of classification."""
    infinite = metrics(accuracy=None, f1=-math.inf, evaluation_time=math.inf)
    return classification(metrics=infinite) | changes


def generation(alias: str = "squad", **changes: Any) -> dict[str, Any]:
    """Return a success of a generative task."""
    record = classification(
        algorithms=[
            pipeline(
                "PartialFineTuneGenLLMTask",
                "TEXT_GEN_Meta_Llama_Llama_31_8B_Instruct",
                {"batch_size": 2, "data_downsize": "half", "verbose": True},
            )
        ],
        task_features={"meta": [87599.0, *[0.5] * 10], "semantic": [0.001 * i for i in range(384)]},
        dataset_feature_extractor_name="GenerativeTaskFeatureExtractor",
        alias=alias,
        metrics=metrics(
            f1=34.28,
            evaluation_time=2114.6,
            time_train_mean_seconds=1429.6,
            time_valid_mean_seconds=685.0,
            exact_match=20.5,
        ),
    )
    del record["dataset_features"]
    return record | changes


def pipeline(fine_tuner: str, model: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the one algorithm of a record."""
    inner = {"annotation": "Algorithm[[Word],Tensor]", "value": {model: {}}}
    return {fine_tuner: {"inner_model": inner} | {n: {"value": v} for n, v in parameters.items()}}


def metrics(**values: float | None) -> list[dict[str, Any]]:
    """Return the list of metrics."""
    return [
        {"name": name, "maximize": "time" not in name, "value": value}
        for name, value in values.items()
    ]


def write_store(root: Path, *records: dict[str, Any]) -> Path:
    """Write records as the published code does, one indented file each; return the folder."""
    for number, record in enumerate(records):
        day, _, time = str(record["timestamp"]).partition(" ")
        folder = root / str(record["alias"]) / day
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.replace(':', '_')}-{number:08}-0000-4000-8000-000000000000.json"
        (folder / name).write_text(json.dumps(record, indent=4), encoding="utf-8")
    return root


def write_lines(path: Path, *records: dict[str, Any]) -> Path:
    """Write records as the JSON Lines sample has them."""
    lines = [
        json.dumps(
            {
                "dataset": record["alias"],
                "source_path": f"experiments/store/{record['alias']}/{number}.json",
                "commit": "38d237e6",
                "experience": record,
            }
        )
        for number, record in enumerate(records)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
