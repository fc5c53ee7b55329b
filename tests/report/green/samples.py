"""Experiences of searches whose sums can be worked out by hand."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from tests.experience.samples import sample
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.attempts import attempts_of
from xautolm_core.report.green.green_report import GreenReport
from xautolm_core.report.green.green_report import Scope
from xautolm_core.report.green.green_report import green_report
from xautolm_core.report.green.searches import RunFigures

WRITTEN_AT = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)


def reading(
    component: str, joules: float, source: str, quality: str, flags: tuple[str, ...] = ()
) -> EnergyReading:
    """Return a reading as an experience has it; nothing of it is checked."""
    return EnergyReading.model_construct(
        component=component, joules=joules, source=source, quality=quality, flags=flags
    )


def trial(
    number: int,
    *,
    search: str = "one",
    f1: float | None = 0.8,
    joules: float | None = 100.0,
    source: str = "rapl",
    quality: str = "A",
    flags: tuple[str, ...] = (),
    parameters: int = 22_000_000,
    model: str = "small/model",
    **changes: Any,
) -> Experience:
    """Return the experience of a trial of 20 s that ended ok, or of one that timed out."""
    base = sample(search, number)
    values: dict[str, Any] = {
        "started_at": base.ended_at - timedelta(seconds=20),
        "configuration": Configuration(branch="b", model=model, method="full", parameters={}),
        "model_descriptor": {"parameters": parameters, "pretrained": True},
        "system_features": FeatureVector(
            extractor="system", version="1.0", values={}, facts={"cpu_name": "A processor"}
        ),
        "scores": {} if f1 is None else {"macro_f1": Score(value=f1)},
        "outcome": Outcome.OK if f1 is not None else Outcome.TIMEOUT,
        "failure": None if f1 is not None else Failure(kind="WallLimit"),
        "energy": () if joules is None else (reading("cpu", joules, source, quality, flags),),
        "versions": {"torch": "2.13.0"},
    }
    return base.model_copy(update=values | changes)


def cheap_trial(number: int, *, f1: float, joules: float, search: str = "one") -> Experience:
    """Return the experience of TF-IDF with logistic regression."""
    configuration = Configuration.model_construct(
        branch="tfidf", model=None, revision=None, method="tfidf", parameters={"C": 10.0}
    )
    return trial(
        number,
        search=search,
        f1=f1,
        joules=joules,
        configuration=configuration,
        model_descriptor=None,
    )


def searches() -> list[Experience]:
    """Return two searches of the same data and one of a task with a name of trouble."""
    return [
        trial(0, f1=0.80, joules=100.0),
        trial(1, f1=0.85, joules=300.0, parameters=110_000_000, model="large/model"),
        trial(2, f1=None, joules=50.0),
        trial(3, f1=0.70, joules=None),
        trial(4, search="two", f1=0.86, joules=90.0, quality="B", flags=("attributed",)),
        trial(
            5,
            search="three",
            f1=0.6,
            joules=10.0,
            quality="C",
            source="model:cpu-default-3500mw-1t",
            task_name="=1+1 <script>alert(1)</script> " + "long_name_without_a_break_" * 4,
            task_fingerprint="e" * 64,
        ),
    ]


def report_of(
    experiences: list[Experience],
    basis: Basis | None = None,
    runs: dict[str, RunFigures] | None = None,
) -> GreenReport:
    """Return the report of some experiences."""
    scope = Scope("A title", (), None, None, None, WRITTEN_AT)
    return green_report(attempts_of(experiences), scope, basis or Basis(), runs)
