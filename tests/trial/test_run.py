from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trial.tiny import TINY
from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.hyperparameters import HYPERPARAMETERS
from xautolm_core.space.hyperparameters import Hyperparameter
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import DeadlineExceeded
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.trial.heartbeat_facts import evaluations_of
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.run import run_trial
from xautolm_core.whole_files import write_json

MakeSpec = Callable[..., TrialSpec]


def _run(spec: TrialSpec) -> TrialResult:
    result = run_trial(spec)
    assert read_result(spec.out_folder) == result
    return result


def _assert_ok(result: TrialResult) -> None:
    assert result.outcome is Outcome.OK, result.failure


@pytest.mark.parametrize("method", ["full", "partial", "lora", "head"])
def test_methods_learn(method: str, make_spec: MakeSpec) -> None:
    # Not at the edge of what is stable: CPUs with and without bfloat16 take different paths.
    rate = 2e-3 if method == "full" else 1e-2
    parameters = {"epochs": 12, "batch_size": 8, "learning_rate": rate, "num_trainable_layers": 1}
    result = _run(make_spec(method, parameters))
    _assert_ok(result)
    # Random backbones give little; 3 balanced classes by chance alone are .33.
    least = {"full": 0.8, "partial": 0.45, "lora": 0.5, "head": 0.1}[method]
    assert result.scores["macro_f1"].value > least
    assert result.progress.steps == 12 * 12
    assert result.progress.epochs == 12
    assert 1 <= result.progress.best_epoch <= 12


@pytest.mark.parametrize("architecture", sorted(TINY))
@pytest.mark.parametrize("method", ["full", "head"])
def test_architectures_run_with_pairs(
    architecture: str, method: str, make_spec: MakeSpec, pairs_folder: Path
) -> None:
    spec = make_spec(
        method,
        model=tiny_model(architecture),
        task_folder=pairs_folder,
        budget=TrialBudget(max_steps=2),
        measure_latency=True,
        save_model=False,
    )
    result = _run(spec)
    _assert_ok(result)
    assert result.model_folder is None
    assert result.latency_ms is not None and result.latency_ms > 0


def test_a_result_tells_everything(make_spec: MakeSpec) -> None:
    spec = make_spec(parameters={"epochs": 2}, attempt=1, trial_number=7)
    result = _run(spec)
    _assert_ok(result)
    assert (result.search_id, result.trial_number, result.attempt) == ("test", 7, 1)
    assert set(result.seconds) == {
        "load_data", "tokenize", "load_model", "train", "evaluate", "save",
    }  # fmt: skip
    assert result.time_seconds == pytest.approx(
        result.seconds["train"] + result.seconds["evaluate"]
    )
    assert result.peak_host_bytes is not None and result.peak_host_bytes > 50e6
    assert result.peak_gpu_bytes is None and result.device == "cpu"
    assert result.started_at is not None and result.first_step_at is not None
    assert result.ended_at is not None
    assert result.started_at < result.first_step_at < result.ended_at
    assert {"xautolm", "torch", "transformers", "peft"} <= set(result.versions)
    progress = result.progress
    assert progress.rows == 96 and progress.planned_steps == progress.steps == 12
    assert 0 < progress.tokens <= progress.padded_tokens < 1.5 * progress.tokens
    heartbeat = read_heartbeat(spec.out_folder)
    assert heartbeat is not None and heartbeat["step"] == 12
    assert heartbeat["best_score"] == result.scores["macro_f1"].value
    assert evaluations_of(heartbeat) == result.evaluations
    assert max(one.score for one in result.evaluations) == heartbeat["best_score"]
    assert result.evaluations[-1].epoch == progress.epochs
    assert 0 < result.evaluations[-1].seconds <= result.time_seconds


def test_the_same_seed_gives_the_same_weights(make_spec: MakeSpec, tmp_path: Path) -> None:
    folders = [tmp_path / str(i) for i in range(3)]
    for folder, seed in zip(folders, [5, 5, 6], strict=True):
        _assert_ok(_run(make_spec(parameters={"epochs": 2}, out_folder=folder, seed=seed)))
    first, second, other = (_saved_weights(folder) for folder in folders)
    assert all((first[name] == second[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


def test_best_weights_are_kept(make_spec: MakeSpec, tmp_path: Path) -> None:
    """With a rate that ruins the model later on, the saved one is still that of the best epoch."""
    from tests.trial.tiny import validation_scores

    spec = make_spec(
        parameters={
            "epochs": 6, "learning_rate": 0.03, "lr_scheduler": "constant", "batch_size": 8,
            "use_gradient_clipping": False,
        },
        seed=3,
    )  # fmt: skip
    result = _run(spec)
    _assert_ok(result)
    report = validation_scores(spec.out_folder / "model", spec.task_folder)
    assert report.macro_f1 == pytest.approx(result.scores["macro_f1"].value)


def test_early_stopping(make_spec: MakeSpec) -> None:
    parameters = {
        "epochs": 30, "learning_rate": 1e-9, "early_stopping_patience": 2, "dropout_rate": 0.0,
    }  # fmt: skip
    result = _run(make_spec(parameters=parameters))
    _assert_ok(result)
    # The first evaluation is the best; two without gain follow.
    assert result.progress.epochs == 3
    assert result.progress.best_epoch == 1


def test_budget_of_rows_and_steps(make_spec: MakeSpec) -> None:
    budget = TrialBudget(data_fraction=0.5, max_steps=4, max_validation_rows=9)
    result = _run(make_spec(parameters={"epochs": 5, "batch_size": 8}, budget=budget))
    _assert_ok(result)
    assert result.progress.rows == 48
    assert (result.progress.planned_steps, result.progress.steps) == (30, 4)
    nines = result.scores["accuracy"].value * 9
    assert nines == pytest.approx(round(nines))


def test_accumulation_takes_fewer_steps_and_learns_the_same(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    common = {"epochs": 2, "dropout_rate": 0.0, "use_mixed_precision": False, "warmup_steps": 0}
    whole = _run(make_spec(parameters={**common, "batch_size": 96}, out_folder=tmp_path / "a"))
    parts = _run(
        make_spec(
            parameters={**common, "batch_size": 24, "gradient_accumulation_steps": 4},
            out_folder=tmp_path / "b",
        )
    )
    assert whole.progress.steps == parts.progress.steps == 2
    weights = [_saved_weights(tmp_path / name) for name in ("a", "b")]
    for name, array in weights[0].items():
        assert np.allclose(array, weights[1][name], atol=2e-4), name


def _saved_weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model" / "model.safetensors")


def test_all_switches_at_once(make_spec: MakeSpec) -> None:
    parameters = {
        "optimizer": "adagrad", "lr_scheduler": "cosine_with_restarts", "label_smoothing": 0.1,
        "class_weighted_loss": True, "gradient_accumulation_steps": 2, "weight_decay": 0.1,
        "use_mixed_precision": True, "gradient_clipping_max_norm": 0.5, "warmup_steps": 100,
        "num_workers": "half", "lora_r": 3, "lora_alpha": 8, "lora_dropout": 0.1,
        "lora_bias": "lora_only", "init_lora_weights": "pissa", "fan_in_fan_out": True,
        "model_save": "all", "early_stopping_patience": 2, "early_stopping_delta": 0.01,
        "use_early_stopping": True,
    }  # fmt: skip
    _assert_ok(_run(make_spec("lora", parameters)))


def test_divergence(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    # No space admits a rate at which everything is sure to diverge.
    monkeypatch.setitem(HYPERPARAMETERS, "learning_rate", Hyperparameter("number"))
    parameters = {
        "optimizer": "sgd", "learning_rate": 1e6, "use_gradient_clipping": False,
        "warmup_ratio": 0.0, "epochs": 20,
    }  # fmt: skip
    result = _run(make_spec(parameters=parameters))
    assert result.outcome is Outcome.DIVERGED
    assert not result.scores and result.model_folder is None
    assert result.failure is not None and "finite" in result.failure.message


@pytest.mark.parametrize(
    ("method", "parameters", "words"),
    [
        ("lora", {"init_lora_weights": "loftq"}, "quantised"),
        ("prompt", {}, "method"),
        ("full", {"batch_size": 0}, "batch_size"),
    ],
)
def test_invalid_configurations(
    method: str, parameters: dict[str, object], words: str, make_spec: MakeSpec
) -> None:
    result = _run(make_spec(method, parameters))
    assert result.outcome is Outcome.INVALID
    assert result.failure is not None and words in result.failure.message
    assert len(result.failure.traceback_hash) == 16


def test_a_method_that_does_not_fit_the_architecture_is_refused_in_words(
    make_spec: MakeSpec,
) -> None:
    config = {**TINY["bert"], "model_type": "squeezebert", "embedding_size": 32}
    result = _run(make_spec("lora", model=ModelReference(id="m", untrained_config=config)))
    assert result.outcome is Outcome.INVALID
    assert result.failure is not None and "convolutions" in result.failure.message


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "no-such-architecture"},
        {**TINY["bert"], "num_attention_heads": 5},
    ],
)
def test_impossible_architectures_are_invalid(
    config: dict[str, object], make_spec: MakeSpec
) -> None:
    result = _run(make_spec(model=ModelReference(id="m", untrained_config=config)))
    assert result.outcome is Outcome.INVALID


def test_a_missing_task_or_model_is_infra_and_names_no_path(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    gone = _run(make_spec(task_folder=tmp_path / "gone", out_folder=tmp_path / "a"))
    no_model = _run(
        make_spec(
            model=ModelReference(id="m", path=str(tmp_path / "nowhere")),
            out_folder=tmp_path / "b",
        )
    )
    for result in (gone, no_model):
        assert result.outcome is Outcome.INFRA
        assert result.failure is not None and str(tmp_path) not in result.failure.message


def test_deadline_shrinks_the_schedule(make_spec: MakeSpec, cache: Path) -> None:
    folder = write_prepared(make_task(2_000), cache)
    budget = TrialBudget(soft_deadline_seconds=2.0)
    result = _run(
        make_spec(parameters={"epochs": 500, "batch_size": 4}, budget=budget, task_folder=folder)
    )
    _assert_ok(result)
    assert result.progress.steps == result.progress.scheduled_steps
    assert 10 < result.progress.steps < result.progress.planned_steps
    assert result.time_seconds is not None and result.time_seconds < 5.0


def test_deadline_can_stop_a_trial(make_spec: MakeSpec) -> None:
    budget = TrialBudget(soft_deadline_seconds=1.0, on_overrun="stop")
    result = _run(make_spec(parameters={"epochs": 5_000, "batch_size": 4}, budget=budget))
    assert result.outcome is Outcome.TIMEOUT
    assert result.failure is not None and "would take" in result.failure.message
    assert result.seconds["train"] < 1.5


def test_a_trial_that_is_stopped_hands_over_what_it_has_evaluated(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    must_end = Deadline.must_end

    def stop_after_the_second_epoch(self: Deadline, *arguments: Any) -> Any:
        if arguments[2] == 15:
            raise DeadlineExceeded("too slow")
        return must_end(self, *arguments)

    monkeypatch.setattr(Deadline, "must_end", stop_after_the_second_epoch)
    budget = TrialBudget(soft_deadline_seconds=10_000, on_overrun="stop")
    result = _run(make_spec(parameters={"epochs": 5}, budget=budget))
    _assert_ok(result)
    assert result.cut_by == "deadline" and result.scores["macro_f1"].value > 0
    assert (result.progress.scheduled_steps, result.progress.planned_steps) == (15, 30)
    assert result.model_folder == "model"


def test_head_features_are_shared_between_trials(
    make_spec: MakeSpec, cache: Path, tmp_path: Path
) -> None:
    folder = write_prepared(make_task(400, seed=77), cache)
    results = [
        _run(
            make_spec(
                "head",
                {"epochs": epochs, "learning_rate": 1e-2},
                task_folder=folder,
                out_folder=tmp_path / str(epochs),
            )
        )
        for epochs in (2, 3)
    ]
    for result in results:
        _assert_ok(result)
    assert results[0].reused_seconds == 0
    assert results[1].reused_seconds > 0
    assert results[1].time_seconds is not None
    assert results[1].time_seconds > results[1].seconds["train"]


def test_a_head_that_reads_all_vectors_runs_the_whole_model(make_spec: MakeSpec) -> None:
    result = _run(make_spec("head", {"epochs": 2}, model=tiny_model("eurobert")))
    _assert_ok(result)
    # Tokens were trained on, not features, which count one a row.
    assert result.progress.tokens > 2 * 96 * 3


def test_head_only_deadline_trains_on_the_rows_that_it_could_see(
    make_spec: MakeSpec, cache: Path
) -> None:
    big = {**TINY["bert"], "hidden_size": 256, "intermediate_size": 1_024, "num_hidden_layers": 8}
    folder = write_prepared(make_task(6_000, seed=5, held_out=12), cache)
    spec = make_spec(
        "head",
        {"epochs": 2, "use_mixed_precision": False},
        model=ModelReference(id="m", untrained_config=big),
        task_folder=folder,
        budget=TrialBudget(soft_deadline_seconds=1.5),
    )
    result = _run(spec)
    _assert_ok(result)
    assert 0 < result.progress.rows < 6_000
    # All rows would take about a minute.
    assert result.time_seconds is not None and result.time_seconds < 6


def _start(spec: TrialSpec, *, address_space_bytes: int | None = None) -> subprocess.Popen[str]:
    write_json(spec.out_folder / SPEC_FILE, spec)
    process = subprocess.Popen(
        [sys.executable, "-m", "xautolm_core.trial", str(spec.out_folder / SPEC_FILE)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if address_space_bytes is not None:
        limit = (address_space_bytes, address_space_bytes)
        resource.prlimit(process.pid, resource.RLIMIT_AS, limit)
    return process


def test_sigterm_ends_a_trial_cleanly(make_spec: MakeSpec) -> None:
    spec = make_spec(parameters={"epochs": 100_000}, heartbeat_seconds=0.2)
    process = _start(spec)
    try:
        until = time.monotonic() + 60
        while (read_heartbeat(spec.out_folder) or {}).get("step", 0) < 5:
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        asked = datetime.now(UTC)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.communicate()
    result = read_result(spec.out_folder)
    assert result is not None and result.outcome is Outcome.CANCELLED
    assert result.progress.steps >= 5
    assert result.ended_at is not None
    assert (result.ended_at - asked).total_seconds() < 3


def test_lack_of_host_memory_is_told_apart(make_spec: MakeSpec) -> None:
    """The allocator itself refuses, by a limit of the process: an overcommitting kernel grants.

    What is granted and not there is tested with the launcher's memory limit.
    """
    config = {**TINY["bert"], "vocab_size": 400, "max_position_embeddings": 2**39}
    spec = make_spec(model=ModelReference(id="m", untrained_config=config))
    process = _start(spec, address_space_bytes=32 << 30)
    _, errors = process.communicate(timeout=120)
    result = read_result(spec.out_folder)
    assert result is not None, errors
    assert result.outcome is Outcome.OOM_HOST, result.failure


def test_bad_spec_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    for text, words in (("{}", "search_id"), (None, "cannot be read")):
        if text is not None:
            path.write_text(text)
        else:
            path.unlink()
        ended = subprocess.run(
            [sys.executable, "-m", "xautolm_core.trial", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2
        assert words in ended.stderr and len(ended.stderr.strip().splitlines()) == 1


def test_contract_and_files_load_without_torch() -> None:
    code = (
        "import sys, json, xautolm_core.trial.contract, xautolm_core.trial.files;"
        "print(json.dumps([m for m in ('torch','transformers','numpy') if m in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == []


def test_preload_starts_no_python_thread_and_computes_nothing() -> None:
    code = (
        "import threading, torch; from xautolm_core.trial.run import preload; preload(['bert']);"
        "assert threading.active_count() == 1 and not torch.cuda.is_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("method", ["full", "lora", "head"])
def test_minilm_learns_in_a_few_steps(
    method: str, minilm: ModelReference, make_spec: MakeSpec
) -> None:
    spec = make_spec(
        method,
        {"epochs": 2, "learning_rate": {"full": 3e-4, "lora": 3e-3, "head": 1e-2}[method]},
        model=minilm,
        save_model=False,
    )
    result = _run(spec)
    _assert_ok(result)
    assert result.scores["macro_f1"].value > 0.8
