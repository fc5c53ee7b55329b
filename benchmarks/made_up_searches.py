"""What the trials of a made-up search have in common: see ``made_up_experiences.py``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from xautolm_core.experience.codec import canonical
from xautolm_core.features import system_features
from xautolm_core.features import task_features
from xautolm_core.space.definition import read_definition
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.model import ModelReference
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel

TASKS = 500
TENANTS = tuple(f"team-{letter}" for letter in "abcdefghij")
SPACES = ("paper-classification", "small", "starter")


@dataclass(frozen=True)
class Branches:
    """The branches of a space, with the JSON of each value that can be drawn."""

    space: SearchSpace
    values: tuple[Mapping[str, Sequence[str]], ...]


@cache
def space_of(name: str) -> SearchSpace:
    """Return a preset with all models of its file, wherever they may be."""
    definition = read_definition(name)
    models = {
        model: SpaceModel(
            ModelReference(id=model, revision=revision_of(model)),
            ModelDescriptor.model_validate_json(descriptor_of(model)),
        )
        for model in definition.models
    }
    return SearchSpace(name=name, branches=definition.branches, models=models)


@cache
def branches_of(name: str) -> Branches:
    """Return the branches of a preset."""
    space = space_of(name)
    values = tuple(
        {p.name: [canonical(v) for v in _domain(p)] for p in branch.parameters}
        for branch in space.branches
    )
    return Branches(space, values)


def _domain(parameter: Parameter) -> Sequence[Any]:
    match parameter:
        case Categorical(choices=choices):
            return choices
        case Integer(low=low, high=high):
            return range(low, high + 1)
        case Boolean():
            return (False, True)


def draw_search(chunk: int, index: int, generator: np.random.Generator) -> dict[str, Any]:
    """Return what the trials of one search have in common, as JSON where it is a part."""
    task = int(generator.integers(TASKS) * generator.random())
    kind = "text-classification" if task % 10 else "question-answering"
    version = "1.0" if generator.random() < 0.95 else "0.4"
    retraining = chunk // 4 + int(generator.integers(2))
    machine = int(generator.integers(40))
    imported = generator.random() < 0.02
    fingerprint = hashlib.sha256(f"{task}/{retraining}".encode()).hexdigest()
    identity = f"{generator.integers(2**32):08x}"
    space = SPACES[int(generator.choice(3, p=[0.6, 0.25, 0.15]))]
    gpu = machine % 4 > 0
    return {
        "tenant": TENANTS[task % len(TENANTS)],
        "task_name": f"task-{task:03d}",
        "task_fingerprint": fingerprint,
        "task_type": kind,
        "search_id": f"2024-{chunk:03d}-{index:03d}-{identity}",
        "space": space,
        "task_features": task_features_json(task, retraining, kind, version, generator),
        "system_features": system_features_json(machine, gpu, generator),
        "versions": _versions(chunk, machine),
        "origin": "optuna" if imported else "trial",
        "imported": imported,
        "device": "cuda" if gpu else "cpu",
        "sampler": ("xautolm", "zero_shot", "random")[int(generator.integers(3))],
        "warm_started": bool(generator.random() < 0.4),
        "threads": 2 ** int(generator.integers(1, 5)),
        "concurrent_trials": int(generator.integers(1, 4)),
        "with_latency": bool(generator.random() < 0.3),
        "quality": float(np.random.default_rng(task).uniform(0.4, 0.95)),
    }


def task_features_json(
    task: int, retraining: int, kind: str, version: str, generator: np.random.Generator
) -> str:
    """Return the meta-features of a task at one of its retrainings, as JSON."""
    units = dict(task_features.UNITS)
    base = np.random.default_rng([task, 7]).lognormal(1.0, 1.5, len(units))
    grown = base * (1 + 0.02 * retraining) * generator.normal(1, 0.003, len(units))
    values: dict[str, float | None] = dict(zip(units, grown.tolist(), strict=True))
    if task % 7 == 0:
        values["landmark_linear_macro_f1"] = None
    return canonical(
        {"extractor": kind, "facts": {}, "units": units, "values": values, "version": version}
    )


def system_features_json(machine: int, gpu: bool, generator: np.random.Generator) -> str:
    """Return the meta-features of a machine, as JSON."""
    base = np.random.default_rng([machine, 11])
    cores = float(2 ** int(base.integers(2, 7)))
    memory = float(base.choice([15.6, 31.3, 62.8, 125.7, 503.5]))
    values = {
        "physical_cores": cores,
        "logical_cores": 2 * cores,
        "max_cpu_ghz": round(float(base.uniform(2, 5)), 2),
        "total_ram_gb": memory,
        "gpu_memory_gb": 23.64 if gpu else 0.0,
        "gpu_count": float(gpu),
        "gpu_bf16": 1.0 if gpu else None,
        "cpu_bf16": 1.0,
        "allowed_cpus": cores,
        # A container is given another share from time to time.
        "allowed_ram_gb": memory * float(generator.choice([0.25, 0.5, 0.75, 1.0])),
    }
    facts = {"cpu_name": f"Processor {machine % 9}"} | ({"gpu_name": "GPU 24GB"} if gpu else {})
    return canonical(
        {
            "extractor": system_features.EXTRACTOR,
            "facts": facts,
            "units": dict(system_features.UNITS),
            "values": values,
            "version": system_features.VERSION,
        }
    )


def _versions(chunk: int, machine: int) -> str:
    month = chunk // 2 % 30
    return canonical(
        {
            "python": f"3.11.{machine % 3}",
            "torch": f"2.{11 + month // 6}.0",
            "transformers": f"5.{17 + month // 2}.0",
            "xautolm": f"0.{month}.0",
        }
    )


@cache
def descriptor_of(model: str) -> str:
    """Return the descriptor of a model, as JSON."""
    base = np.random.default_rng(int(hashlib.sha256(model.encode()).hexdigest()[:8], 16))
    return canonical(
        {
            "architecture": "bert",
            "computed_parameters": int(base.integers(10**6, 10**9)),
            "embedding_parameters": int(base.integers(10**6, 10**8)),
            "feed_forward_width": 3072,
            "heads": 12,
            "kind": "encoder",
            "languages": ["en"],
            "layers": int(base.integers(2, 48)),
            "max_length": 512,
            "parameters": int(base.integers(10**6, 10**9)),
            "pretrained": True,
            "vocabulary": 30522,
            "width": 768,
        }
    )


@cache
def revision_of(model: str) -> str:
    """Return the revision of a model."""
    return hashlib.sha1(model.encode(), usedforsecurity=False).hexdigest()
