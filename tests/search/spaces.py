"""A small space, feature vectors and experiences for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import experience_id
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.model import ModelKind
from xautolm_core.space.model import ModelReference
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel

MODELS = ("org/small", "org/large")
RATES = (1e-5, 5e-5, 1e-4)


def model(name: str) -> SpaceModel:
    return SpaceModel(
        ModelReference(id=name, untrained_config={"model_type": "bert"}),
        ModelDescriptor(
            architecture="bert",
            kind=ModelKind.ENCODER,
            parameters=1_000_000,
            embedding_parameters=500_000,
            layers=2,
            width=64,
            feed_forward_width=256,
            heads=2,
            vocabulary=8000,
            max_length=512,
            pretrained=False,
        ),
    )


def branch(name: str, method: str, models: tuple[str, ...] = MODELS) -> Branch:
    return Branch(
        name=name,
        method=method,
        model=Categorical("model", models, "encoder.model"),
        parameters=(
            Categorical("learning_rate", RATES, f"{name}.learning_rate"),
            Integer("epochs", 1, 10, f"{name}.epochs"),
            Boolean("class_weighted_loss", f"{name}.class_weighted_loss"),
        ),
    )


def space(*, starts: tuple[Configuration, ...] = ()) -> SearchSpace:
    return SearchSpace(
        name="tests",
        branches=(branch("encoder-full", "full"), branch("encoder-lora", "lora")),
        models={name: model(name) for name in MODELS},
        starts=starts,
    )


def configuration(
    branch_name: str = "encoder-full",
    *,
    model_name: str = "org/small",
    method: str | None = None,
    **parameters: Value,
) -> Configuration:
    values: dict[str, Value] = {
        "learning_rate": 5e-5,
        "epochs": 3,
        "class_weighted_loss": True,
        **parameters,
    }
    return Configuration(
        branch=branch_name,
        model=model_name,
        method=method or branch_name.split("-")[1],
        parameters=values,
    )


def task_features(*values: float | None, version: str = "1.0") -> FeatureVector:
    named = {f"x{i}": value for i, value in enumerate(values)}
    return FeatureVector(
        extractor="text-classification",
        version=version,
        values=named,
        units=dict.fromkeys(named, "1"),
    )


def system_features(*values: float) -> FeatureVector:
    named: dict[str, float | None] = {f"s{i}": value for i, value in enumerate(values)}
    return FeatureVector(
        extractor="system", version="1.0", values=named, units=dict.fromkeys(named, "1")
    )


def experience(
    tried: Configuration,
    *,
    number: int = 0,
    search_id: str = "past",
    outcome: Outcome = Outcome.OK,
    f1: float | None = 0.8,
    seconds: float = 10.0,
    features: tuple[float | None, ...] = (0.0, 0.0),
    version: str = "1.0",
    task_name: str = "past-task",
    task_type: str = "text-classification",
) -> Experience:
    scores: Mapping[str, Score] = {}
    if f1 is not None and outcome is Outcome.OK:
        scores = {"macro_f1": Score(value=f1)}
    vector = task_features(*features)
    return Experience(
        id=experience_id(search_id, number, 0),
        search_id=search_id,
        trial_number=number,
        task_name=task_name,
        task_fingerprint=task_name,
        task_type=task_type,
        task_features=FeatureVector(
            extractor=vector.extractor, version=version, values=dict(vector.values)
        ),
        system_features=FeatureVector(extractor="system", version="1.0", values={"s0": 2.0}),
        configuration=tried,
        outcome=outcome,
        scores=scores,
        seconds={"train": seconds - 1.0, "evaluate": 1.0},
        ended_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
    )
