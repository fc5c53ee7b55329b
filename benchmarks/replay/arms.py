"""The arms of the benchmark, by name: what they are, what they read, how often they run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import Literal

from benchmarks.replay.clock import Arm
from benchmarks.replay.problem import Problem
from benchmarks.replay.problem import Table
from benchmarks.replay.regimes import Sources
from benchmarks.replay.regimes import history_of
from xautolm_core.search.history import History

ArmKind = Literal["sampler", "optuna", "portfolio", "transfer_only", "smac", "syne_tune"]
ArmGroup = Literal["guarded", "ablation", "ours", "paper", "baseline", "peer"]


@dataclass(frozen=True)
class ArmSpec:
    """What an arm is.

    Attributes:
        kind: Which class runs it.
        group: Decides in which regimes and with how many seeds it runs.
        title: Its name in tables.
        name: Of the sampler, where the kind has several.
        options: Its options.
        reads_history: Whether a history changes what it does.
        tables: The tables that it can run on.
        regimes: The only histories that it can run with; any if empty.
        is_costly: Whether a search takes so long that few seeds have to do.
    """

    kind: ArmKind
    group: ArmGroup
    title: str
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reads_history: bool = False
    tables: tuple[str, ...] = ("synthetic", "model_selection")
    regimes: tuple[str, ...] = ()
    is_costly: bool = False

    @property
    def digest(self) -> str:
        """Tells results of other options apart."""
        whole = json.dumps([self.kind, self.name, dict(self.options)], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:12]


_PUBLISHED: Mapping[str, Any] = {
    "positive_multiplier": 1,
    "branch_multiplier": 1,
    "utility_power": 1,
    "exploration": "warm",
    "memory_first": False,
}
"""What makes the paper's own variants of the options."""

ABLATIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "no_failure_model": ("without failure model", {"failure_model": False}),
    "no_guard": ("history alone, without a guard", {"structures": "history"}),
    "no_mean": ("without history as mean", {"structures": "feature"}),
    "no_feature": ("without history as feature", {"structures": "mean"}),
    "no_structures": ("without the history's structures", {"structures": "without_history"}),
    "no_portfolio": ("without a portfolio start", {"portfolio": 0}),
    "no_exploration": ("without exploration", {"exploration": 0.0}),
    "fixed_scales": ("with fixed scales", {"learn_scales": False}),
}
"""Name to title and options of the sampler ``guarded`` with a part of it switched off."""


def _ours(title: str, name: str, group: ArmGroup = "ours", **options: Any) -> ArmSpec:
    reads = name not in ("random", "zero_shot")
    return ArmSpec("sampler", group, title, name, options, reads_history=reads)


ARMS: Mapping[str, ArmSpec] = {
    "random": _ours("random", "random", "baseline"),
    "tpe_fail": ArmSpec("optuna", "peer", "Optuna TPE, FAIL", "tpe", {"failures": "fail"}),
    "tpe": ArmSpec("optuna", "peer", "Optuna TPE, constraint", "tpe", {"failures": "pruned"}),
    "nsga2": ArmSpec("optuna", "peer", "Optuna NSGA-II", "nsga2", {"failures": "worst"}),
    "gp": ArmSpec(
        "optuna", "peer", "Optuna GPSampler", "gp", {"failures": "worst"}, is_costly=True
    ),
    "smac": ArmSpec("smac", "peer", "SMAC3 ParEGO, crash cost", is_costly=True),
    "syne_morea": ArmSpec(
        "syne_tune",
        "peer",
        "Syne Tune MO-REA",
        "morea",
        tables=("model_selection",),
    ),
    "syne_cts": ArmSpec(
        "syne_tune",
        "peer",
        "Syne Tune CTS (one objective)",
        "cts",
        reads_history=True,
        tables=("model_selection",),
        regimes=("normal", "hostile", "shuffled"),
        is_costly=True,
    ),
    "portfolio": ArmSpec("portfolio", "baseline", "greedy portfolio", reads_history=True),
    "transfer_only": ArmSpec("transfer_only", "baseline", "transfer only", reads_history=True),
    "zero_shot": _ours("`zero_shot`", "zero_shot"),
    "knn": _ours("`knn` 25", "knn"),
    "knn_paper": _ours("`knn` 25, as published", "knn", "paper", memory_first=False),
    "xautolm": _ours("`xautolm`, ascending", "xautolm"),
    "xautolm_desc": _ours("`xautolm`, descending", "xautolm", replay="descending"),
    "paper_asc": _ours(
        "paper's f-pos f-neg log, ascending",
        "xautolm",
        "paper",
        positive="fixed",
        negative="fixed",
        utility="logarithmic_front",
        beta_scale=0,
        **_PUBLISHED,
    ),
    "paper_desc": _ours(
        "paper's f-pos f-neg log, descending",
        "xautolm",
        "paper",
        positive="fixed",
        negative="fixed",
        utility="logarithmic_front",
        beta_scale=0,
        replay="descending",
        **_PUBLISHED,
    ),
    **{
        f"{name}_failure_model": ArmSpec(
            "sampler",
            "ours",
            f"{title} with the failure model",
            name,
            {"failure_model": True},
            reads_history=True,
            # There are no failures on the other one.
            tables=("synthetic",),
        )
        for name, title in (
            ("random", "random"),
            ("zero_shot", "`zero_shot`"),
            ("xautolm", "`xautolm`"),
        )
    },
    "guarded": _ours("`guarded`", "guarded", "guarded"),
    **{
        name: _ours(title, "guarded", "ablation", **options)
        for name, (title, options) in ABLATIONS.items()
    },
}


@dataclass(frozen=True)
class Start:
    """What a search starts from; its arms share it.

    Attributes:
        table: Has the task.
        problem: The task.
        sources: The trials of other tasks.
    """

    table: Table
    problem: Problem
    sources: Sources

    @cached_property
    def history(self) -> History:
        """The trials of other tasks as samplers read them."""
        return history_of(self.table, self.sources)


def make_arm(
    spec: ArmSpec, start: Start, seed: int, *, trials: int, environments: Path | None = None
) -> Arm:
    """Return an arm.

    Args:
        spec: What it is.
        start: What it searches on, and starts from.
        seed: Of its draws.
        trials: What the search will come to.
        environments: Where the environments of other engines are.
    """
    match spec.kind:
        case "sampler":
            from benchmarks.replay.our_arms import SamplerArm

            history = start.history if spec.reads_history else History.empty()
            return SamplerArm(
                start.problem,
                history,
                seed,
                sampler=spec.name,
                options=spec.options,
                trials=trials,
            )
        case "optuna":
            from benchmarks.replay.optuna_engine import OptunaEngine
            from benchmarks.replay.optuna_engine import optuna_sampler
            from benchmarks.replay.repetitions import EngineArm

            sampler = optuna_sampler(spec.name, seed)
            failures = spec.options["failures"]
            return EngineArm(OptunaEngine(start.problem, sampler, failures=failures))
        case "portfolio":
            from benchmarks.replay.portfolio import PortfolioArm
            from benchmarks.replay.portfolio import language_weights

            features = {t: start.table.problem(t).task_features.values for t in start.sources}
            weights = language_weights(start.problem, features)
            return PortfolioArm(start.problem, start.sources, weights, seed, size=10 * trials)
        case "transfer_only":
            from benchmarks.replay.transfer_only import TransferOnlyArm

            return TransferOnlyArm(start.problem, start.sources, seed)
        case "smac" | "syne_tune":
            from benchmarks.replay.external import ExternalEngine
            from benchmarks.replay.external import environment_of
            from benchmarks.replay.repetitions import EngineArm

            assert environments is not None, "made before the first search"
            return EngineArm(
                ExternalEngine(
                    start.problem,
                    start.sources if spec.reads_history else {},
                    seed,
                    python=environment_of(spec.kind, environments),
                    engine=spec.kind,
                    request={"searcher": spec.name, "trials": trials},
                )
            )
