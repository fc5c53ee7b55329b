"""The cheap method of question answering."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xautolm
from tests.trial.questions import make_questions
from xautolm_core.errors import ConfigError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.lexical.features import FeatureMaker
from xautolm_core.trial.lexical.passages import LONGEST_SPAN
from xautolm_core.trial.lexical.passages import Passage
from xautolm_core.trial.lexical.passages import Rarity
from xautolm_core.trial.predict import load_answerer
from xautolm_core.trial.run import run_trial

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@pytest.fixture
def make(cache: Path, tmp_path: Path) -> Callable[..., TrialSpec]:
    def make(task_folder: Path, **others: object) -> TrialSpec:
        values = {"seed": 1, "out_folder": tmp_path / "trial", "search_id": "test", **others}
        return TrialSpec(
            trial_number=0,
            task_type=TaskType.QUESTION_ANSWERING,
            task_folder=task_folder,
            cache_folder=cache,
            configuration=Configuration(
                branch="lexical_span", method="lexical_span", parameters={}
            ),
            **values,
        )

    return make


@given(TEXT, TEXT)
def test_spans_lie_within_their_passage(question: str, context: str) -> None:
    passage = Passage.read(context)
    maker = FeatureMaker(Rarity.of([context, question]), ["which", "what is"])
    spans = maker.spans(question, passage)
    assert spans.values.shape == (len(spans.begins), maker.columns)
    assert np.isfinite(spans.values).all()
    for begin, end in zip(spans.begins, spans.ends, strict=True):
        assert 0 <= begin < end <= len(context)
        assert 1 <= len(Passage.read(context[begin:end])) <= LONGEST_SPAN
    assert len(set(zip(spans.begins.tolist(), spans.ends.tolist(), strict=True))) == len(spans.ends)


@given(st.lists(TEXT, max_size=20))
def test_the_rarity_of_words_is_the_same_once_it_is_stored(passages: list[str]) -> None:
    rarity = Rarity.of(passages)
    for number in (rarity.unknown, rarity.common):
        assert float(np.float32(number)) == number


def test_a_saved_ranker_answers_as_the_trial_did(
    make: Callable[..., TrialSpec], cache: Path
) -> None:
    task = make_questions(200, unanswerable=0.3)
    spec = make(write_prepared(task, cache), measure_latency=True)
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    assert set(result.scores) == {"f1", "exact_match"} and result.progress.rows == 200
    assert result.latency_ms is not None and {"train", "evaluate"} <= set(result.seconds)
    folder = spec.out_folder / "model"
    split = task.validation
    answers = load_answerer(folder).answer(split.questions.to_pylist(), split.contexts.to_pylist())
    found = answer_scores([one.text for one in answers], split.answers.to_pylist())
    assert found.f1 == pytest.approx(result.scores["f1"].value)
    assert any(not one.text for one in answers)
    assert all(0 <= one.score <= 1 for one in answers)
    model = xautolm.load_model(folder)
    asked, passages = np.array(split.questions), np.array(split.contexts)
    assert model.predict(asked, passages) == [one.text for one in answers]
    with pytest.raises(ConfigError, match="batch_size: 0"):
        model.answer(asked, passages, batch_size=0)
    words = folder / "lexical.json"
    words.write_text(json.dumps({**json.loads(words.read_text()), "terms": ["a"]}))
    with pytest.raises(ConfigError, match=r"lexical\.idf"):
        load_answerer(folder)


def test_one_long_passage_does_not_make_all_others_long(
    make: Callable[..., TrialSpec], cache: Path
) -> None:
    from tests.trial.questions import make_rows
    from tests.trial.questions import question_split

    task = make_questions(300)
    question, context, answers = make_rows(1, 7)[0]
    rows = [*make_rows(299, 0), (question, f"{context} {'x' * 100_000}", answers)]
    task = dataclasses.replace(
        task, fingerprint="8" * 64, splits={**task.splits, "train": question_split(rows)}
    )
    spec = make(write_prepared(task, cache))
    tracemalloc.start()
    try:
        result = run_trial(spec)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.outcome is Outcome.OK, result.failure
    assert result.progress.rows == 300 and peak_bytes < 60e6


def test_it_learns_where_answers_stand(make: Callable[..., TrialSpec], cache: Path) -> None:
    """The answer is the number beside the rarest word of the question."""
    from tests.trial.questions import question_split
    from xautolm_core.tasks.task import SPLIT_NAMES
    from xautolm_core.tasks.task import Task

    generator = np.random.default_rng(0)

    def rows(count: int) -> list[tuple[str, str, list[str]]]:
        found = []
        for _ in range(count):
            names = [
                f"{a}{b}" for a, b in zip("ktmprs", generator.permutation(900)[:6], strict=True)
            ]
            numbers = generator.integers(10, 99, 6)
            context = " ".join(
                f"The {n}x has {k} wheels and a roof." for n, k in zip(names, numbers, strict=True)
            )
            place = int(generator.integers(6))
            found.append(
                (f"how many wheels has the {names[place]}x", context, [str(numbers[place])])
            )
        return found

    task = Task(
        name="wheels", type="question-answering", fingerprint="9" * 64, labels=(),
        splits={name: question_split(rows(120)) for name in SPLIT_NAMES},
    )  # fmt: skip
    result = run_trial(make(write_prepared(task, cache)))
    assert result.outcome is Outcome.OK, result.failure
    assert result.scores["f1"].value > 0.9


def test_it_needs_no_torch_and_keeps_its_deadline(
    make: Callable[..., TrialSpec], cache: Path, tmp_path: Path
) -> None:
    budget = TrialBudget(soft_deadline_seconds=1e-3)
    spec = make(write_prepared(make_questions(200), cache), budget=budget)
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    code = (
        "import sys\n"
        "from xautolm_core.trial.contract import TrialSpec\n"
        "from xautolm_core.trial.run import run_trial\n"
        f"spec = TrialSpec.model_validate_json(open({str(tmp_path / 'spec.json')!r}).read())\n"
        "result = run_trial(spec)\n"
        "heavy = [m for m in ('torch', 'transformers') if m in sys.modules]\n"
        "print(result.outcome.value, result.progress.rows, heavy, result.failure)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:3] == ["ok", "50", "[]"], done.stdout + done.stderr


def test_bad_input_is_told(make: Callable[..., TrialSpec], cache: Path, task_folder: Path) -> None:
    nothing = make_questions(20, unanswerable=1.0)
    for folder in (write_prepared(nothing, cache), task_folder):
        result = run_trial(make(folder))
        assert result.outcome is not Outcome.OK
        assert result.failure is not None and result.failure.message
