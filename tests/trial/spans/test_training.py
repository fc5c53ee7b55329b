"""Fine-tuning for question answering, from the spec to the saved model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trial.questions import make_questions
from tests.trial.test_continuation import Watch
from tests.trial.tiny import tiny_model
from xautolm_core.errors import ConfigError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.answerer import NULL_THRESHOLD
from xautolm_core.trial.answers import AnswersRequest
from xautolm_core.trial.answers import TextAnswers
from xautolm_core.trial.answers import main
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.predict import load_answerer
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.predict import read_card
from xautolm_core.trial.run import run_trial
from xautolm_core.trial.spans.training import span_loss
from xautolm_core.trial.spans.windows import WindowEncoder
from xautolm_core.trial.spans.windows import gold_of
from xautolm_core.whole_files import write_json

Make = Callable[..., TrialSpec]
MAX_LENGTH = 40


@pytest.fixture(scope="module")
def questions() -> QuestionTask:
    return make_questions(160)


@pytest.fixture(scope="module")
def questions_folder(questions: QuestionTask, cache: Path) -> Path:
    return write_prepared(questions, cache)


@pytest.fixture
def make(cache: Path, questions_folder: Path, tmp_path: Path) -> Make:
    def make(method: str = "full", parameters: Any = None, **others: Any) -> TrialSpec:
        values: dict[str, Any] = {
            "search_id": "test",
            "trial_number": 0,
            "task_type": TaskType.QUESTION_ANSWERING,
            "task_folder": questions_folder,
            "out_folder": tmp_path / "trial",
            "cache_folder": cache,
            "model": tiny_model(),
            "seed": 1,
            "device": "cpu",
            **others,
        }
        defaults = {
            "epochs": 1,
            "max_length": MAX_LENGTH,
            "learning_rate": 3e-3,
            "batch_size": 16,
            "use_mixed_precision": False,
        }
        return TrialSpec(
            configuration=Configuration(
                branch="b",
                model=values["model"].id,
                method=method,
                parameters={**defaults, **(parameters or {})},
            ),
            **values,
        )

    return make


def _plain_spans(
    folder: Path, questions: list[str], contexts: list[str]
) -> list[tuple[int, int, float]]:
    """Return the best span of each question by transformers alone, without windows."""
    from transformers import AutoModelForQuestionAnswering
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForQuestionAnswering.from_pretrained(folder, local_files_only=True).eval()
    found = []
    for question, context in zip(questions, contexts, strict=True):
        inputs = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
        offsets = inputs.pop("offset_mapping")[0].tolist()
        inside = [i for i, part in enumerate(inputs.sequence_ids(0)) if part == 1]
        with torch.no_grad():
            out = model(**inputs)
        first, last = out.start_logits[0], out.end_logits[0]
        score, i, j = max(
            (float(first[i] + last[j]), i, j) for i in inside for j in inside if i <= j < i + 30
        )
        found.append((offsets[i][0], offsets[j][1], score))
    return found


@pytest.mark.parametrize(
    ("architecture", "method"),
    [
        ("bert", "full"),
        ("roberta", "lora"),
        ("electra", "partial"),
        ("distilbert", "head"),
        ("deberta-v3", "lora"),
        ("modernbert", "full"),
        ("albert", "full"),
        ("xlm-roberta", "partial"),
    ],
)
def test_saved_models_answer_alike_in_plain_transformers(
    architecture: str, method: str, make: Make, questions: QuestionTask
) -> None:
    parameters = {"num_trainable_layers": 1} if method == "partial" else {}
    spec = make(method, parameters, model=tiny_model(architecture), measure_latency=True)
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert result.latency_ms is not None
    folder = spec.out_folder / "model"
    assert read_card(folder).task_type == TaskType.QUESTION_ANSWERING
    split = questions.validation
    asked, contexts = split.questions.to_pylist()[:12], split.contexts.to_pylist()[:12]
    plain = _plain_spans(folder, asked, contexts)
    ours = load_answerer(folder).answer(asked, contexts)
    assert [one.text for one in ours] == [
        context[start:end].strip() for context, (start, end, _) in zip(contexts, plain, strict=True)
    ]
    everything = load_answerer(folder).answer(
        split.questions.to_pylist(), split.contexts.to_pylist()
    )
    found = answer_scores([one.text for one in everything], split.answers.to_pylist())
    assert found.f1 == pytest.approx(result.scores["f1"].value)
    assert found.exact_match == pytest.approx(result.scores["exact_match"].value)


def test_it_learns_and_tells_all(make: Make) -> None:
    spec = make(parameters={"epochs": 8, "batch_size": 8})
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    # One of two topic words among fourteen: by chance alone far less.
    assert result.scores["f1"].value > 0.6
    assert len(result.evaluations) == 8
    assert max(one.score for one in result.evaluations) == result.scores["f1"].value
    progress = result.progress
    assert (progress.rows, progress.steps, progress.epochs) == (160, 160, 8)
    heartbeat = read_heartbeat(spec.out_folder)
    assert heartbeat is not None and heartbeat["best_score"] == result.scores["f1"].value


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_continuation_equals_the_uninterrupted_training(
    method: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    budget = TrialBudget(soft_deadline_seconds=10_000)
    options: dict[str, Any] = {"method": method, "parameters": {"epochs": 3}, "budget": budget}
    watch.run(make(out_folder=tmp_path / "whole", **options))
    losses = dict(watch.losses)
    watch.losses.clear()
    first = make(out_folder=tmp_path / "0", keep_checkpoint=True, **options)
    watch.run(first, cut_after=13)
    second = make(
        out_folder=tmp_path / "1",
        trial_number=1,
        continues=0,
        resume_from=tmp_path / "0" / "checkpoint",
        **options,
    )
    watch.run(second)
    assert len(losses) == 30
    assert watch.losses == pytest.approx(losses, abs=1e-4)


def test_passages_longer_than_the_window_are_read_whole(
    make: Make, cache: Path, tmp_path: Path
) -> None:
    task = make_questions(96, length=90)
    spec = make(
        parameters={"epochs": 12, "batch_size": 16}, task_folder=write_prepared(task, cache)
    )
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert result.progress.rows == 96
    # More than two windows a question.
    assert result.progress.steps > 12 * 2 * 96 / 16
    folder = spec.out_folder / "model"
    split = task.validation
    answers = load_answerer(folder).answer(split.questions.to_pylist(), split.contexts.to_pylist())
    starts = [
        context.find(one.text)
        for context, one in zip(split.contexts.to_pylist(), answers, strict=True)
    ]
    # Answers come from anywhere, not from the first window alone.
    assert max(starts) > 300
    assert result.scores["f1"].value > 0.2


def test_unanswerable_questions_get_a_threshold(
    make: Make, cache: Path, questions: QuestionTask, tmp_path: Path
) -> None:
    task = make_questions(240, unanswerable=0.4)
    folder = write_prepared(task, cache)
    spec = make(parameters={"epochs": 8, "batch_size": 8}, task_folder=folder)
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    model = spec.out_folder / "model"
    assert math.isfinite(read_card(model).decoding[NULL_THRESHOLD])
    # No answer to anything at all would be right as often.
    share = sum(not answers for answers in task.validation.answers.to_pylist()) / 48
    assert result.scores["f1"].value >= share
    request = AnswersRequest(
        model_folder=model,
        task_folder=folder,
        split="validation",
        out_file=tmp_path / "answers.json",
        device="cpu",
    )
    write_json(tmp_path / "request.json", request)
    assert main([str(tmp_path / "request.json")]) == 0
    answers = TextAnswers.model_validate_json((tmp_path / "answers.json").read_bytes())
    assert "" in answers.texts and any(answers.texts)
    found = answer_scores(answers.texts, task.validation.answers.to_pylist())
    assert found.f1 == pytest.approx(result.scores["f1"].value)


def test_a_deadline_shrinks_the_plan(make: Make) -> None:
    budget = TrialBudget(soft_deadline_seconds=3)
    result = run_trial(make(parameters={"epochs": 400}, budget=budget))
    assert result.outcome is Outcome.OK, result.failure
    assert result.progress.scheduled_steps < result.progress.planned_steps
    assert (result.time_seconds or 0) < 4.5


@pytest.mark.parametrize(
    ("model", "method", "parameters", "words"),
    [
        ("gpt2", "full", {}, "left to right"),
        ("t5", "full", {}, "left to right"),
        ("eurobert", "lora", {}, "no head for spans"),
        ("bert", "full", {"class_weighted_loss": True}, "no classes"),
    ],
)
def test_what_does_not_fit_is_refused(
    model: str, method: str, parameters: dict[str, Any], words: str, make: Make
) -> None:
    result = run_trial(make(method, parameters, model=tiny_model(model)))
    assert result.outcome is Outcome.INVALID
    assert result.failure is not None and words in result.failure.message


def test_models_of_another_type_of_task_are_told(make: Make, tmp_path: Path) -> None:
    spec = make(budget=TrialBudget(max_steps=1))
    assert run_trial(spec).outcome is Outcome.OK
    with pytest.raises(ConfigError, match="is for question-answering"):
        load_classifier(spec.out_folder / "model")
    answerer = load_answerer(spec.out_folder / "model")
    with pytest.raises(ConfigError, match="2 questions, but 1 passages"):
        answerer.answer(["a", "b"], ["c"])
    assert answerer.answer([], []) == []
    (empty,) = answerer.answer(["what"], [" "])
    assert empty.text == "" and 0 <= empty.score <= 1


def test_the_loss_is_that_of_start_and_end_alone() -> None:
    scores = torch.tensor([[[1.0, 0.0], [2.0, 1.0], [9.0, 9.0], [0.0, 3.0]]])
    allowed = torch.tensor([[True, True, False, True]])
    gold = torch.tensor([[1, 3]])
    first = torch.log_softmax(torch.tensor([1.0, 2.0, 0.0]), 0)
    last = torch.log_softmax(torch.tensor([0.0, 1.0, 3.0]), 0)
    plain = -(first[1] + last[2]) / 2
    assert span_loss(scores, allowed, gold) == pytest.approx(float(plain))
    smooth = -(first.mean() + last.mean()) / 2
    assert span_loss(scores, allowed, gold, 0.1) == pytest.approx(float(0.9 * plain + 0.1 * smooth))
    # What is hidden gets no gradient.
    scores.requires_grad_()
    span_loss(scores, allowed, gold, 0.1).backward()
    assert scores.grad is not None and (scores.grad[0, 2] == 0).all()
    assert torch.isfinite(scores.grad).all()


def test_padding_on_the_left_changes_nothing(questions: QuestionTask, tmp_path: Path) -> None:
    """Places in a batch follow the side that is padded."""
    from xautolm_core.trial.spans.inputs import SpanInput
    from xautolm_core.trial.tokenizer import open_tokenizer

    folder = open_tokenizer(tiny_model(), questions, "k", tmp_path)
    encoder = WindowEncoder(folder.path, folder.traits, MAX_LENGTH)
    rows = [
        ("a", "goal match", gold_of(["match"], [5])),
        ("which sport is", "goal " * 9, gold_of([], [])),
    ]
    windows = encoder.encode(*(list(column) for column in zip(*rows, strict=True)))
    traits = folder.traits.model_copy(update={"padding_side": "left"})
    both = np.array([0, 1])
    for side in (folder.traits, traits):
        inputs = SpanInput(torch.nn.Linear(1, 1), windows, side, torch.device("cpu"), "float32")
        pieces, nulls = inputs.places(both)
        shift = int(windows.tokens.lengths.max() - windows.tokens.lengths[0])
        expected = shift if side is traits else 0
        assert (pieces - windows.pieces)[0].tolist() == [expected, expected]
        assert nulls.tolist() == [expected, 0]
