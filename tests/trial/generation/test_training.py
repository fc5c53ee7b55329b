"""Fine-tuning for text generation, from the spec to the saved model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trial.conversations import copied
from tests.trial.conversations import make_conversations
from tests.trial.conversations import reversed_
from tests.trial.test_continuation import LONG
from tests.trial.test_continuation import Watch
from tests.trial.tiny import tiny_model
from xautolm_core.errors import ConfigError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.generation.decoding import MAX_NEW_TOKENS
from xautolm_core.trial.generation.reading import packed_bins
from xautolm_core.trial.generation.training import GenerationKind
from xautolm_core.trial.hyperparameters import read_hyperparameters
from xautolm_core.trial.methods import apply_method
from xautolm_core.trial.methods import plain_weights
from xautolm_core.trial.models import load_config
from xautolm_core.trial.models import load_model
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.objective import TrialAtWork
from xautolm_core.trial.plan import deadline_of
from xautolm_core.trial.predict import load_answerer
from xautolm_core.trial.predict import load_generator
from xautolm_core.trial.predict import read_card
from xautolm_core.trial.run import run_trial
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import open_tokenizer

Make = Callable[..., TrialSpec]
MAX_LENGTH = 40


@pytest.fixture(scope="module")
def conversations() -> GenerationTask:
    return make_conversations()


@pytest.fixture(scope="module")
def conversations_folder(conversations: GenerationTask, cache: Path) -> Path:
    return write_prepared(conversations, cache)


@pytest.fixture
def make(cache: Path, conversations_folder: Path, tmp_path: Path) -> Make:
    def make(method: str = "full", parameters: Any = None, **others: Any) -> TrialSpec:
        values: dict[str, Any] = {
            "search_id": "test",
            "trial_number": 0,
            "task_type": TaskType.TEXT_GENERATION,
            "task_folder": conversations_folder,
            "out_folder": tmp_path / "trial",
            "cache_folder": cache,
            "model": tiny_model("llama"),
            "seed": 1,
            "device": "cpu",
            **others,
        }
        defaults: dict[str, Any] = {"max_length": MAX_LENGTH}
        if not is_cheap(method):
            defaults |= {"epochs": 1, "learning_rate": 3e-3, "batch_size": 16}
        return TrialSpec(
            configuration=Configuration(
                branch=method if is_cheap(method) else "b",
                model=values["model"].id,
                method=method,
                parameters={**defaults, **(parameters or {})},
            ),
            **values,
        )

    return make


def _plain_texts(folder: Path, prompts: Sequence[str]) -> list[str]:
    """Return what a model writes by transformers alone, one prompt after the other."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    name = "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForCausalLM"
    model = getattr(transformers, name).from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    most = int(read_card(folder).decoding[MAX_NEW_TOKENS])
    found = []
    for prompt in prompts:
        if config.is_encoder_decoder:
            ids = tokenizer(prompt, return_tensors="pt").input_ids
        else:
            # The tokenizer's template closes a text, which the answer does here.
            ids = tokenizer(prompt + "\n", return_tensors="pt").input_ids[:, :-1]
        with torch.no_grad():
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=most,
                do_sample=False,
                num_beams=1,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        new = out[0, 1:] if config.is_encoder_decoder else out[0, ids.shape[1] :]
        found.append(tokenizer.decode(new, skip_special_tokens=True).strip())
    return found


@pytest.mark.parametrize(
    ("architecture", "method"),
    [
        ("llama", "full"),
        ("gpt2", "lora"),
        ("qwen3", "lora"),
        ("gemma3", "partial"),
        ("t5", "full"),
        ("bart", "lora"),
    ],
)
def test_saved_models_write_alike_in_plain_transformers(
    architecture: str, method: str, make: Make, conversations: GenerationTask
) -> None:
    parameters: dict[str, Any] = {"num_trainable_layers": 1} if method == "partial" else {}
    if method == "lora":
        parameters["lora_targets"] = "all-linear"
        parameters["packing"] = architecture != "bart"
    spec = make(method, parameters, model=tiny_model(architecture), measure_latency=True)
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert result.latency_ms is not None
    folder = spec.out_folder / "model"
    asked = conversations.validation.messages.to_pylist()[:12]
    ours = load_generator(folder).generate(asked)
    assert [one.text for one in ours] == _plain_texts(folder, [m[-1]["content"] for m in asked])
    with pytest.raises(ConfigError, match="text-generation"):
        load_answerer(folder)


@pytest.mark.parametrize(
    ("architecture", "answer"),
    [("llama", copied), pytest.param("t5", reversed_, marks=pytest.mark.slow)],
)
def test_tiny_models_learn_to_copy_and_to_reverse(
    architecture: str,
    answer: Callable[[Sequence[str]], str],
    make: Make,
    cache: Path,
) -> None:
    folder = write_prepared(make_conversations(400, answer), cache)
    spec = make(
        parameters={"epochs": 30, "batch_size": 16, "warmup_ratio": 0.1, "learning_rate": 5e-3},
        model=tiny_model(architecture),
        task_folder=folder,
    )
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert result.scores["exact_match"].value >= 0.95
    assert read_card(spec.out_folder / "model").decoding[MAX_NEW_TOKENS] >= 3


def _opened(spec: TrialSpec) -> tuple[Any, Any, TrialAtWork]:
    """Return data, model and work of a trial, as its fine-tuning makes them."""
    kind = GenerationKind()
    source = kind.open(spec)
    assert spec.model is not None
    tokenizer = open_tokenizer(spec.model, source.task, spec.task_folder.name, spec.cache_folder)
    parameters = read_hyperparameters(spec.configuration)
    data = source.tokenize(tokenizer, MAX_LENGTH)
    config = load_config(spec.model, (), tokenizer.traits, 0.0)
    torch.manual_seed(0)
    auto_class = kind.auto_class(config.model_type)
    model = apply_method(load_model(spec.model, config, auto_class), parameters, auto_class)
    state = TrialState(spec)
    machine = Machine(torch.device("cpu"), "float32")
    work = TrialAtWork(spec, parameters, machine, state, deadline_of(state), Interruption())
    return data, model, work


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3", "t5", "bart"])
def test_loss_of_a_batch_is_that_of_its_rows(architecture: str, make: Make, cache: Path) -> None:
    folder = write_prepared(make_conversations(24), cache)
    spec = make(model=tiny_model(architecture), task_folder=folder)
    data, model, work = _opened(spec)
    objective, rows = data.objective(model.eval(), work)
    with torch.no_grad():
        alone = [float(objective.loss(np.array([item]))) for item in range(len(rows))]
        together = float(objective.loss(np.arange(len(rows))))
    weights = [len(data.train.answer(row)) for row in rows]
    assert together == pytest.approx(np.average(alone, weights=weights), abs=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3", "gpt2"])
def test_packed_rows_have_the_loss_that_they_have_alone(
    architecture: str, make: Make, cache: Path
) -> None:
    folder = write_prepared(make_conversations(24), cache)
    spec = make(model=tiny_model(architecture), task_folder=folder)
    data, model, work = _opened(spec)
    packed = dataclasses.replace(work.parameters, packing=True)
    plain, rows = data.objective(model.eval(), work)
    objective, _ = data.objective(model, dataclasses.replace(work, parameters=packed))
    lengths = plain.lengths
    assert packed_bins(lengths.tolist(), MAX_LENGTH) != [[i] for i in range(len(rows))]
    items = np.arange(len(rows))
    for some in (items, items[:3], items[:1]):
        with torch.no_grad():
            assert float(objective.loss(some)) == pytest.approx(float(plain.loss(some)), abs=1e-4)


def test_rows_are_packed_where_they_fit() -> None:
    assert packed_bins([2, 5, 3, 9, 1], 6) == [[3], [1, 4], [2, 0]]


def test_models_that_mix_the_rows_of_a_sequence_are_not_packed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, model, work = _opened(make())
    forward = type(model).forward

    def mixing(self: Any, input_ids: Any, position_ids: Any = None, **others: Any) -> Any:
        mask = torch.ones_like(input_ids)
        return forward(self, input_ids, attention_mask=mask, position_ids=position_ids, **others)

    monkeypatch.setattr(type(model), "forward", mixing)
    packed = dataclasses.replace(work.parameters, packing=True)
    with pytest.raises(InvalidConfiguration, match="mixes the rows"):
        data.objective(model, dataclasses.replace(work, parameters=packed))


@pytest.mark.parametrize("variant", ["plain", "rslora", "dora", "pissa"])
def test_saved_weights_are_those_that_the_adapters_come_to(variant: str, make: Make) -> None:
    parameters: dict[str, Any] = {"lora_targets": "all-linear", "lora_r": 4}
    if variant == "pissa":
        parameters["init_lora_weights"] = "pissa"
    else:
        parameters["lora_variant"] = variant
    data, model, work = _opened(make("lora", parameters))
    objective, _ = data.objective(model, work)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        objective.loss(np.arange(16)).backward()
        optimizer.step()
    model.eval()
    ids = torch.arange(5, 25).reshape(2, 10)
    with torch.no_grad():
        wanted = model(input_ids=ids).logits
        base, weights = plain_weights(model)
        plain = load_model(
            tiny_model("llama"), base.config, GenerationKind().auto_class("llama")
        ).eval()
        before = plain(input_ids=ids).logits
        plain.load_state_dict(weights)
        found = plain(input_ids=ids).logits
    assert torch.allclose(found, wanted, atol=1e-4)
    assert not torch.allclose(before, wanted, atol=1e-2)


def test_gradients_with_activations_computed_again_are_the_same(make: Make) -> None:
    from xautolm_core.trial.methods import checkpoint_gradients

    data, model, work = _opened(make("lora", {"lora_targets": "all-linear"}))
    objective, _ = data.objective(model.train(), work)
    found = []
    for again in (False, True):
        if again:
            checkpoint_gradients(model)
        model.zero_grad()
        objective.loss(np.arange(8)).backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert found[0]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))


def test_continued_training_equals_an_uninterrupted_one(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    parameters = {"epochs": 3}
    kept = {"keep_checkpoint": True, "budget": LONG}
    watch.run(make(parameters=parameters, out_folder=tmp_path / "whole"))
    whole, watch.losses = watch.losses, {}
    first = make(parameters=parameters, out_folder=tmp_path / "first", **kept)
    watch.run(first, cut_after=7)
    second = make(
        parameters=parameters,
        out_folder=tmp_path / "second",
        trial_number=1,
        continues=0,
        resume_from=tmp_path / "first" / "checkpoint",
    )
    watch.run(second)
    assert watch.losses == pytest.approx(whole, abs=1e-4)


def test_answers_that_do_not_fit_are_left_out_and_prompts_lose_their_beginning(
    make: Make, cache: Path
) -> None:
    folder = write_prepared(make_conversations(24, length=6), cache)
    data, model, work = _opened(make(task_folder=folder))
    answers = data.train.answers.lengths
    assert len(set(answers.tolist())) == 1
    tight = (
        GenerationKind().open(make(task_folder=folder)).tokenize(data.tokenizer, int(answers[0]))
    )
    with pytest.raises(Exception, match="No training answer fits into max_length"):
        tight.objective(model, work)
    cut = data.train.prompt(0, 4)
    whole = data.train.prompt(0, 1_000)
    assert len(cut) == 4 < len(whole)
    assert cut.tolist() == [whole[0], *whole[-3:]]


@pytest.mark.parametrize("method", ["untuned", "untuned_few_shot"])
def test_untuned_models_are_scored_and_saved(
    method: str, make: Make, conversations: GenerationTask
) -> None:
    spec = make(method, {"max_length": 60})
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert result.scores["f1"].value is not None
    folder = spec.out_folder / "model"
    found = load_generator(folder).generate(conversations.test.messages.to_pylist()[:3])
    assert len(found) == 3
    assert all(one.is_cut or one.tokens <= 512 for one in found)


@pytest.mark.parametrize(
    ("method", "parameters", "model", "message"),
    [
        ("head", {}, tiny_model("llama"), "head"),
        ("full", {}, tiny_model("bert"), "encoder"),
        ("full", {"packing": True}, tiny_model("t5"), "packing"),
        ("full", {"class_weighted_loss": True}, tiny_model("llama"), "no classes"),
        ("untuned", {"epochs": 2}, tiny_model("llama"), "epochs"),
    ],
)
def test_what_does_not_fit_is_refused(
    method: str, parameters: Any, model: ModelReference, message: str, make: Make
) -> None:
    result = run_trial(make(method, parameters, model=model))
    assert result.outcome is Outcome.INVALID
    assert result.failure is not None
    assert message in result.failure.message
