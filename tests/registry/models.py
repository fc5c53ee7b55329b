"""Made-up models and records."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from pathlib import Path

from xautolm_core.records.energy import EnergyReading
from xautolm_core.registry.record import ModelRecord
from xautolm_core.registry.record import SplitScores

MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def write_model(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("# A model")
    return folder


def make_record(**changes) -> ModelRecord:
    fields = {
        "task_fingerprint": "ab" * 32,
        "labels": ("bad", "good"),
        "search_id": "search-1",
        "trial": 3,
        "configuration": {"model": "org/small", "method": "full", "parameters": {"epochs": 2}},
        "validation": SplitScores(macro_f1=0.9, accuracy=0.9, rows=100),
        "test": SplitScores(macro_f1=0.8, accuracy=0.8, rows=20, confusion=((8, 2), (2, 8))),
        "seconds": 12.5,
        "energy": (
            EnergyReading(component="cpu", joules=10, source="rapl", quality="B"),
            EnergyReading(component="dram", joules=5, source="rapl", quality="B"),
            EnergyReading(component="gpu", joules=7, source="nvml", quality="A"),
        ),
        "versions": {"torch": "2.13.0"},
        "created_at": MOMENT,
    }
    return ModelRecord(**{**fields, **changes})
