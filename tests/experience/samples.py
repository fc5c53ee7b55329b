"""Experiences to test with."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.records.experience import ExperiencePrediction
from xautolm_core.records.experience import experience_id
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)


def sample(search: str = "search", trial: int = 0, attempt: int = 0, **changes: Any) -> Experience:
    """Return an experience; trials end half an hour after each other."""
    values: dict[str, Any] = {
        "id": experience_id(search, trial, attempt),
        "search_id": search,
        "trial_number": trial,
        "attempt": attempt,
        "task_name": "reviews",
        "task_fingerprint": "f" * 64,
        "task_type": "text-classification",
        "task_features": FeatureVector(
            extractor="text-classification", version="1.0", values={"rows": 500.0, "pairs": None}
        ),
        "system_features": FeatureVector(extractor="system", version="1.0", values={"cores": 2.0}),
        "configuration": Configuration(
            branch="minilm-full",
            model="sentence-transformers/all-MiniLM-L6-v2",
            method="full",
            parameters={"learning_rate": 5e-5, "epochs": 2, "class_weighted_loss": False},
        ),
        "outcome": Outcome.OK,
        "scores": {"macro_f1": Score(value=0.8 + trial / 1000)},
        "seconds": {"train": 10.5, "evaluate": 1.25},
        "ended_at": START + timedelta(minutes=30 * trial),
    }
    return Experience(**(values | changes))


def cheap_sample(trial: int = 0, **changes: Any) -> Experience:
    """Return an experience of method tfidf, which has no model."""
    return sample(
        "cheap",
        trial,
        configuration=Configuration(branch="tfidf", method="tfidf", parameters={}),
        model_descriptor=None,
        **changes,
    )


OLD_ENERGY = (EnergyReading(component="gpu", joules=1234.5, source="nvml", quality="A"),)
"""Of the complete sample as the first stores have it."""


def complete_sample() -> Experience:
    """Return an experience with every field set: what the golden file of the schema holds."""
    return sample(
        "2026-03-01-golden",
        3,
        1,
        tenant="team-a",
        origin="trial",
        task_features=FeatureVector(
            extractor="text-classification",
            version="1.2",
            values={"rows": 500.0, "class_entropy": 0.9997114417528099, "landmark": None},
            units={"rows": "1", "class_entropy": "bit", "landmark": "1"},
            facts={"landmark": "not computed"},
            # What an extractor cost is no part of an experience.
        ),
        system_features=FeatureVector(
            extractor="system",
            version="1.0",
            values={"physical_cores": 8.0, "gpu_memory": 23.64},
            units={"physical_cores": "1", "gpu_memory": "GB"},
            facts={"gpu": "Some GPU 24GB"},
        ),
        configuration=Configuration(
            branch="encoder-lora",
            model="google-bert/bert-base-uncased",
            revision="86b5e0934494bd15c9632b12f734a8a67f723594",
            method="lora",
            parameters={
                "learning_rate": 5e-5,
                "epochs": 2,
                "lora_r": 8,
                "init_lora_weights": None,
                "use_mixed_precision": True,
                "lr_scheduler": "cosine",
            },
        ),
        model_descriptor={
            "architecture": "bert",
            "parameters": 109482240,
            "pretrained": True,
            "languages": ("en",),
        },
        plan=ExperiencePlan(
            estimated_seconds=14.5,
            estimated_host_bytes=2_500_000_000,
            estimated_gpu_bytes=22_000_000_000,
            allowed_seconds=60.0,
            allowed_host_bytes=8_000_000_000,
            allowed_gpu_bytes=25_000_000_000,
        ),
        outcome=Outcome.OOM_GPU,
        scores={"macro_f1": Score(value=0.51, low=0.0, high=1.0)},
        seconds={"startup": 0.5, "train": 12.25, "evaluate": 0.75},
        latency_ms=3.5,
        data_fraction=0.5,
        schedule_fraction=0.25,
        peak_gpu_bytes=25_000_000_000,
        peak_host_bytes=3_000_000_000,
        energy=(
            EnergyReading(
                component="gpu",
                joules=1234.5,
                source="nvml",
                quality="B",
                uncertainty=0.1875,
                seconds=13.0,
                idle_joules=400.5,
                flags=("attributed", "gap"),
            ),
        ),
        failure=Failure(
            kind="OutOfMemoryError", message="CUDA out of memory", traceback_hash="ab12"
        ),
        threads=2,
        concurrent_trials=3,
        device="cuda",
        sampler="xautolm",
        warm_started=True,
        predicted=ExperiencePrediction(
            score_median=0.75,
            score_low=0.625,
            score_high=0.875,
            seconds_median=16.5,
            seconds_low=8.25,
            seconds_high=33.0,
            joules_median=1500.5,
            joules_low=750.25,
            joules_high=3001.0,
            failure_probability=0.25,
        ),
        versions={"torch": "2.13.0", "xautolm": "0.1.0"},
        seed=7,
        provenance={"importer": "published/1", "source_path": "store/liar/experience.json"},
        started_at=START - timedelta(seconds=14),
        ended_at=START,
    )
