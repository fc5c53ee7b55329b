"""The totals of a store the slow way: experience by experience."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.experience.samples import sample
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome

GPU = FeatureVector(
    extractor="system", version="1.0", values={"gpu_count": 1.0}, facts={"gpu_name": "NVIDIA H100"}
)
OUTCOMES = (Outcome.OK, Outcome.OK, Outcome.OOM_GPU, Outcome.TIMEOUT, Outcome.OK, Outcome.DIVERGED)


def made_up(number: int, tenant: str = "team-a", **changes: Any) -> Experience:
    """Return the experience of a trial; outcomes, devices and readings vary with its number."""
    outcome = OUTCOMES[number % len(OUTCOMES)]
    on_gpu = number % 3 != 1
    readings = [
        EnergyReading(component="gpu", joules=100.1 + number, source="nvml", quality="A"),
        EnergyReading(component="cpu", joules=10.3 * number, source="rapl", quality="B"),
    ]
    seconds = {"startup": 0.7, "train": 3.3 * (number + 1), "evaluate": 0.1 + number / 7}
    values: dict[str, Any] = {
        "tenant": tenant,
        "task_fingerprint": f"{number % 4:064x}",
        "outcome": outcome,
        "device": "cuda" if on_gpu else "cpu",
        "energy": tuple(readings) if on_gpu else (),
        "seconds": seconds if outcome is not Outcome.OOM_GPU else {"startup": 0.5},
    }
    if on_gpu:
        values["system_features"] = GPU
    return sample(f"search-{tenant}", number, **(values | changes))


def sums(experiences: Iterable[Experience]) -> dict[str, Counter[tuple[str, ...]]]:
    """Return what the exporter has to say of experiences, tenants aside where one was forgotten."""
    names = ("trials", "seconds", "durations", "gpu", "joules")
    found: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in names}
    for one in experiences:
        found["trials"][one.tenant, one.outcome.value] += 1
        for phase, seconds in one.seconds.items():
            found["seconds"][one.tenant, phase] += seconds  # type: ignore[assignment]
            found["durations"][one.tenant, phase] += 1
        held = [seconds for phase, seconds in one.seconds.items() if phase != "startup"]
        if one.device == "cuda" and held:
            name = one.system_features.facts.get("gpu_name", "unknown")
            found["gpu"][one.tenant, name] += sum(held)  # type: ignore[assignment]
        for reading in one.energy:
            label = (
                *(one.tenant, reading.component, one.outcome.value),
                *(reading.source, reading.quality),
            )
            found["joules"][label] += reading.joules  # type: ignore[assignment]
    return found
