"""Laws of the estimates, and their agreement with measured trials."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import is_cheap
from xautolm_core.space.definition import read_definition
from xautolm_core.space.descriptor import describe
from xautolm_core.space.estimate import CostEstimate
from xautolm_core.space.estimate import estimate
from xautolm_core.space.feasible import infeasibility
from xautolm_core.space.generation_cost import AnswerLengths
from xautolm_core.space.model import ModelDescriptor

MINILM = describe(
    {
        "model_type": "bert",
        "vocab_size": 30522,
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    }
)
MODELS = [MINILM] + [e.descriptor for e in read_definition("small").models.values() if e.descriptor]


def configuration(method: str = "full", **parameters: Any) -> Configuration:
    branch = method if is_cheap(method) else "b"
    return Configuration(branch=branch, model="m", method=method, parameters=parameters)


def cost(method: str = "full", model: ModelDescriptor = MINILM, **changes: Any) -> CostEstimate:
    context = {
        "rows": changes.pop("rows", 1_000),
        "mean_tokens": changes.pop("mean_tokens", 20.0),
        "p99_tokens": changes.pop("p99_tokens", 60.0),
        "threads": changes.pop("threads", 2),
        "gpu": changes.pop("gpu", False),
        "task_type": changes.pop("task_type", "text-classification"),
    }
    answers = changes.pop("answers", None)
    tried = configuration(method, **changes)
    return estimate(tried, model, classes=2, answers=answers, **context)


def no_less(more: CostEstimate, less: CostEstimate) -> None:
    assert more.host_bytes >= less.host_bytes
    assert more.gpu_bytes >= less.gpu_bytes
    assert more.train_seconds >= less.train_seconds * (1 - 1e-12)


MODEL = st.sampled_from(MODELS)
METHOD = st.sampled_from(["full", "partial", "lora", "head"])
PAIR = st.tuples(st.integers(1, 4096), st.integers(1, 4096)).map(sorted)


@given(MODEL, METHOD, PAIR, st.booleans())
def test_longer_inputs_never_cost_less(
    model: ModelDescriptor, method: str, pair: list[int], gpu: bool
) -> None:
    context = {"mean_tokens": 800.0, "p99_tokens": 3000.0, "gpu": gpu}
    less = cost(method, model, max_length=pair[0], **context)
    no_less(cost(method, model, max_length=pair[1], **context), less)


@given(MODEL, METHOD, PAIR, st.booleans())
def test_larger_batches_never_need_less_memory(
    model: ModelDescriptor, method: str, pair: list[int], gpu: bool
) -> None:
    less, more = (cost(method, model, batch_size=b, gpu=gpu) for b in pair)
    assert more.host_bytes >= less.host_bytes
    assert more.gpu_bytes >= less.gpu_bytes
    assert more.steps <= less.steps


@given(MODEL, st.tuples(st.integers(1, 64), st.integers(1, 64)).map(sorted), st.booleans())
def test_more_trained_layers_never_cost_less(
    model: ModelDescriptor, pair: list[int], gpu: bool
) -> None:
    less, more = (cost("partial", model, num_trainable_layers=n, gpu=gpu) for n in pair)
    no_less(more, less)
    no_less(cost("full", model, gpu=gpu), more)
    no_less(less, cost("head", model, gpu=gpu))


@given(MODEL, METHOD, st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)).map(sorted))
def test_more_rows_and_epochs_never_take_less_time(
    model: ModelDescriptor, method: str, pair: list[int]
) -> None:
    less, more = (cost(method, model, rows=rows) for rows in pair)
    no_less(more, less)
    assert more.host_bytes == less.host_bytes
    no_less(cost(method, model, epochs=4), cost(method, model, epochs=3))


@given(MODEL, METHOD)
def test_methods_are_ordered(model: ModelDescriptor, method: str) -> None:
    no_less(cost("full", model), cost(method, model))
    no_less(cost(method, model), cost("head", model))


BASE = describe({"model_type": "bert"})
GPT2 = describe(
    {"model_type": "gpt2", "vocab_size": 8000, "n_embd": 384, "n_layer": 6, "n_head": 12,
     "n_positions": 512}
)  # fmt: skip
SHORT = {"mean_tokens": 24.8, "p99_tokens": 52.8}
LONG = {"mean_tokens": 187.8, "p99_tokens": 251.8}


@pytest.mark.parametrize(
    ("method", "batch_size", "model", "lengths", "mebibytes"),
    [
        ("full", 8, MINILM, SHORT, 1111),
        ("full", 32, MINILM, SHORT, 1149),
        ("partial", 16, MINILM, SHORT, 781),
        ("lora", 16, MINILM, SHORT, 873),
        ("head", 16, MINILM, SHORT, 647),
        ("full", 16, GPT2, SHORT, 1051),
        ("full", 8, MINILM, LONG, 2072),
        ("full", 32, MINILM, LONG, 3825),
        ("partial", 16, MINILM, LONG, 1502),
        ("lora", 16, MINILM, LONG, 2393),
        ("lora", 64, MINILM, LONG, 6312),
        ("head", 16, MINILM, LONG, 821),
        ("full", 16, GPT2, LONG, 3204),
        ("full", 8, BASE, SHORT, 2118),
        ("lora", 8, BASE, SHORT, 1236),
        ("partial", 8, BASE, SHORT, 1104),
    ],
)
def test_memory_is_that_of_measured_trials(
    method: str, batch_size: int, model: ModelDescriptor, lengths: dict[str, float], mebibytes: int
) -> None:
    """Peak resident memory of real trials of one epoch on a CPU (docs/search-space.md)."""
    layers = {"num_trainable_layers": 2} if method == "partial" else {}
    found = cost(
        method, model, batch_size=batch_size, max_length=256, epochs=1, **layers, **lengths
    )
    assert 0.75 < found.host_bytes / (mebibytes * 2**20) < 1.3


def test_time_is_that_of_measured_trials() -> None:
    """CPU seconds of training on one core: 20.6, 12.5 and 15 of these three."""
    context = {"rows": 160, "max_length": 256, "epochs": 1, "threads": 1, **LONG}
    assert 14 < cost("full", batch_size=32, **context).train_seconds < 28
    partial = cost("partial", batch_size=16, num_trainable_layers=2, **context)
    assert 9 < partial.train_seconds < 17
    assert 10 < cost("lora", batch_size=16, **context).train_seconds < 21


def test_the_optimizers_state_counts() -> None:
    sizes = {name: cost(optimizer=name).host_bytes for name in ("adamw", "adam", "sgd", "adagrad")}
    assert sizes["adamw"] == sizes["adam"] > sizes["sgd"] == sizes["adagrad"]


def test_accumulation_makes_fewer_steps() -> None:
    assert cost(batch_size=8, epochs=2).steps == 250
    assert cost(batch_size=8, epochs=2, gradient_accumulation_steps=4).steps == 63


def test_only_a_gpu_has_gpu_memory() -> None:
    assert cost().gpu_bytes == 0
    assert cost(gpu=True).gpu_bytes > 0


# Feasibility

LIMITS: dict[str, Any] = {
    "host_bytes_available": 2**30,
    "gpu_bytes_available": None,
    "seconds_allowed": 100.0,
    "configuration": configuration(),
}


def test_only_hopeless_configurations_are_refused() -> None:
    def reason(**cost: Any) -> str | None:
        values = {"host_bytes": 1, "gpu_bytes": 0, "train_seconds": 1.0, "steps": 10, **cost}
        return infeasibility(CostEstimate(**values), **LIMITS)

    assert reason() is None
    assert reason(host_bytes=int(1.29 * 2**30)) is None
    assert reason(host_bytes=int(1.31 * 2**30)) == (
        "m with method full needs about 1.3 GiB of memory, 1.0 GiB are available"
    )
    # A trial can shrink to a twentieth of its steps.
    assert reason(train_seconds=2_500.0) is None
    assert "5% of its steps" in (reason(train_seconds=2_700.0) or "")


def test_gpu_memory_is_a_limit_of_its_own() -> None:
    big = CostEstimate(host_bytes=1, gpu_bytes=2 * 2**30, train_seconds=1.0, steps=1)
    assert infeasibility(big, **LIMITS) is None
    refused = infeasibility(big, **{**LIMITS, "gpu_bytes_available": 2**30})
    assert refused is not None
    assert "GPU memory" in refused


def test_no_limits_no_refusal() -> None:
    big = CostEstimate(host_bytes=2**60, gpu_bytes=2**60, train_seconds=1e12, steps=1)
    assert infeasibility(big, host_bytes_available=None, configuration=configuration()) is None


def test_the_papers_giants_are_refused_on_a_small_machine() -> None:
    giant = describe({"model_type": "mixtral"})
    refused = infeasibility(
        cost("lora", giant), host_bytes_available=24 * 2**30, configuration=configuration("lora")
    )
    assert refused is not None
    assert "memory" in refused


@pytest.mark.parametrize("gpu", [False, True])
def test_a_configuration_that_says_nothing_has_a_cost(gpu: bool) -> None:
    found = cost(gpu=gpu)
    assert found.steps == 63 * 3
    assert found.train_seconds > 0


def test_cheap_methods_cost_less_than_fine_tuning() -> None:
    def cheap_cost(method: str, rows: int = 5_000) -> CostEstimate:
        model = None if method == "tfidf" else "m"
        branch = method if is_cheap(method) else "b"
        parameters = {} if method == "tfidf" else {"max_length": 128}
        return estimate(
            Configuration(branch=branch, model=model, method=method, parameters=parameters),
            None if model is None else MINILM,
            rows=rows,
            mean_tokens=30,
            p99_tokens=90,
            classes=4,
            threads=1,
            gpu=True,
        )

    assert cheap_cost("tfidf").gpu_bytes == 0 and cheap_cost("linear_probe").gpu_bytes > 0
    assert cheap_cost("tfidf", 10_000).train_seconds == pytest.approx(
        2 * cheap_cost("tfidf").train_seconds
    )
    assert cheap_cost("linear_probe").train_seconds < cheap_cost("full").train_seconds / 2


def test_questions_cost_by_their_windows() -> None:
    def of(mean_tokens: float, max_length: int) -> CostEstimate:
        return cost(
            mean_tokens=mean_tokens, p99_tokens=2 * mean_tokens, max_length=max_length, epochs=1,
            batch_size=16, task_type="question-answering",
        )  # fmt: skip

    short, long = of(100.0, 256), of(1_000.0, 256)
    assert short.steps == math.ceil(1_000 / 16)
    # A passage of 1,000 tokens is 5 or 6 windows of 256 with their overlaps and questions.
    assert 5 * short.steps < long.steps < 6 * short.steps
    assert long.train_seconds > 8 * short.train_seconds
    # What is not cut costs about the same, however it is cut up.
    assert of(1_000.0, 512).train_seconds == pytest.approx(long.train_seconds, rel=0.35)


def test_the_lexical_baseline_costs_seconds() -> None:
    lexical = Configuration(branch="lexical_span", method="lexical_span", parameters={})
    found = estimate(
        lexical, None, rows=100_000, mean_tokens=200.0, p99_tokens=400.0, classes=0, threads=1,
        gpu=False, task_type="question-answering",
    )  # fmt: skip
    assert 1 < found.train_seconds < 60 and found.host_bytes < 2**30


@given(METHOD, st.sampled_from([0.25, 0.5, 0.75]), st.sampled_from(["classification", "question"]))
def test_a_share_of_the_rows_costs_that_share(method: str, share: float, kind: str) -> None:
    task = "question-answering" if kind == "question" else "text-classification"
    whole = cost(method, rows=1_600, task_type=task)
    part = cost(method, rows=1_600, task_type=task, data_fraction=share)
    assert part == cost(method, rows=round(1_600 * share), task_type=task)
    assert part.train_seconds == pytest.approx(share * whole.train_seconds, rel=0.02)
    assert part.host_bytes == whole.host_bytes


SMOLLM2 = next(
    entry.descriptor
    for entry in read_definition("small-generative").models.values()
    if "135M" in entry.id and entry.descriptor is not None
)


def written(method: str, **changes: Any) -> CostEstimate:
    lengths = AnswerLengths(changes.pop("answer_tokens", 10.0), changes.pop("p99_answer", 20.0))
    context = {"rows": 2_400, "mean_tokens": 300.0, "p99_tokens": 300.0, "threads": 1} | changes
    context = {"max_length": 512, "epochs": 1, "batch_size": 8} | context
    return cost(method, SMOLLM2, task_type="text-generation", answers=lengths, **context)


@pytest.mark.parametrize(
    ("method", "targets", "seconds"), [("lora", "all-linear", 17.9), ("full", None, 24.5)]
)
def test_a_step_of_smollm2_takes_about_what_was_measured(
    method: str, targets: str | None, seconds: float
) -> None:
    """On one thread, 8 texts of 300 tokens, 32 bits; 6.6 GiB at the peak."""
    changes = {"lora_targets": targets, "lora_r": 16} if targets else {}
    found = written(method, rows=8, p99_answer=20.0, answer_tokens=20.0, **changes)
    assert seconds / 1.6 < found.train_seconds < 1.3 * seconds
    assert 0.7 < found.host_bytes / (6_800 * 2**20) < 1.3


def test_writing_answers_takes_about_what_was_measured() -> None:
    """Sixteen prompts of 300 tokens in 15.1 s, and 0.27 s for each token after them."""
    few, more = (written("untuned", rows=16, p99_answer=p99) for p99 in (2.0, 102.0))
    assert more.train_seconds - few.train_seconds == pytest.approx(100 * 0.27, rel=0.25)
    assert few.train_seconds - 10 * 0.27 == pytest.approx(15.1, rel=0.25)
    # No more than a sample is written, and examples before a prompt are read as well.
    assert written("untuned", rows=300) == written("untuned", rows=30_000)
    shots = {"max_length": 5 * 512}
    assert written("untuned_few_shot", rows=100, **shots) == written("untuned_few_shot", **shots)
    ratio = written("untuned_few_shot", rows=50, **shots).train_seconds
    assert ratio > 4 * written("untuned", rows=50).train_seconds
    assert written("untuned").steps <= 300


def test_the_vocabulary_counts_at_answers_alone() -> None:
    short, long = (written("lora", p99_answer=p99, batch_size=16) for p99 in (10.0, 200.0))
    added = 16 * 190 * SMOLLM2.vocabulary * 12
    assert long.host_bytes - short.host_bytes == pytest.approx(1.1 * added, rel=0.01)
    assert written("lora", answer_tokens=200.0).train_seconds > written("lora").train_seconds


def test_lora_on_all_layers_trains_more_than_on_attention_and_far_less_than_all() -> None:
    attention, everything, full = (
        written(method, batch_size=1, p99_tokens=8.0, **changes).host_bytes
        for method, changes in (
            ("lora", {"lora_targets": "attention", "lora_r": 64}),
            ("lora", {"lora_targets": "all-linear", "lora_r": 64}),
            ("full", {}),
        )
    )
    assert attention < everything < full - 12 * 100_000_000 * 0.8


def test_checkpointing_takes_time_and_spares_memory() -> None:
    kept, again = (written("lora", gradient_checkpointing=flag) for flag in (False, True))
    assert again.host_bytes < 0.5 * kept.host_bytes
    assert 1.3 * kept.train_seconds < again.train_seconds < 1.7 * kept.train_seconds
