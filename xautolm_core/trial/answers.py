"""``python -m xautolm_core.trial.answers REQUEST.json`` writes a model's answers to a split.

Unlike an evaluation it does not compare classes: the model may have others than the task.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from typing import Literal
from typing import TypeAlias

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import SplitName
from xautolm_core.validation import first_problem
from xautolm_core.whole_files import write_json

MODULE = "xautolm_core.trial.answers"


class AnswersRequest(BaseModel):
    """Which answers are wanted.

    Attributes:
        model_folder: Folder of a saved model.
        task_folder: Folder of the prepared task.
        split: Which split.
        out_file: Where the answers are written.
        threads: CPU threads.
        device: ``auto`` takes a GPU where there is one.
        most_rows: Rows that texts are written for, at most; None for as many as a test has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model_folder: Path
    task_folder: Path
    split: SplitName = "test"
    out_file: Path
    threads: int = Field(default=1, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    most_rows: int | None = Field(default=None, ge=1)


class Answers(BaseModel):
    """A classifier's answers.

    Attributes:
        labels: The model's class names.
        predicted: Index into them for each row of the split, in its order.
        seconds: Wall-clock seconds of tokenising and answering, the model's loading left out.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    labels: tuple[str, ...]
    predicted: tuple[Annotated[int, Field(ge=0)], ...]
    seconds: float = Field(ge=0)


class TextAnswers(BaseModel):
    """A model's answers in words.

    Attributes:
        texts: The answer to each row of the split, in its order; empty for "no answer".
        scores: How sure the model is of each, in [0, 1].
        seconds: Wall-clock seconds of tokenising and answering, the model's loading left out.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    texts: tuple[str, ...]
    scores: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    seconds: float = Field(ge=0)


class GeneratedAnswers(BaseModel):
    """What a model wrote after prompts.

    Attributes:
        rows: Numbers of the rows of the split that were answered, from 0, in ascending order.
        texts: The text that was written after each.
        tokens: How many tokens each has.
        cut: Whether each reached the largest number of tokens before its end.
        seconds: Wall-clock seconds of tokenising and writing, the model's loading left out.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    rows: tuple[Annotated[int, Field(ge=0)], ...]
    texts: tuple[str, ...]
    tokens: tuple[Annotated[int, Field(ge=0)], ...]
    cut: tuple[bool, ...]
    seconds: float = Field(ge=0)


AnyAnswers: TypeAlias = Answers | TextAnswers | GeneratedAnswers


def answer_request(request: AnswersRequest) -> AnyAnswers:
    """Answer the rows of a split that are tested with a saved model, and write the answers.

    Raises:
        ConfigError: The model is for another type of task, or one of both cannot be read.
    """
    from xautolm_core.tasks.prepared import open_any_prepared

    kind = open_any_prepared(request.task_folder).type
    return _ANSWERING.get(kind, answer_split)(request)


def answer_prompts(request: AnswersRequest) -> GeneratedAnswers:
    """Let a saved model write after a sample of a split's prompts, and write the answers.

    Raises:
        ConfigError: The model generates no texts, or one of both cannot be read.
    """
    from xautolm_core.tasks.prepared import open_prepared_conversations
    from xautolm_core.trial.predict import load_generator
    from xautolm_core.trial.process import prepare_process
    from xautolm_core.trial.rows import generated_rows

    prepare_process(request.threads, seed=0)
    split = open_prepared_conversations(request.task_folder).splits[request.split]
    rows = generated_rows(len(split), request.most_rows)
    generator = load_generator(request.model_folder, device=request.device, threads=request.threads)
    since = time.perf_counter()
    found = generator.generate(split.messages.take(rows).to_pylist())
    answers = GeneratedAnswers(
        rows=tuple(rows.tolist()),
        texts=tuple(one.text for one in found),
        tokens=tuple(one.tokens for one in found),
        cut=tuple(one.is_cut for one in found),
        seconds=time.perf_counter() - since,
    )
    write_json(request.out_file, answers)
    return answers


def answer_questions(request: AnswersRequest) -> TextAnswers:
    """Let a saved model answer all questions of a split, and write the answers.

    Raises:
        ConfigError: The model answers no questions, gives no finite answers, or one of both cannot
            be read.
    """
    from xautolm_core.tasks.prepared import open_prepared_questions
    from xautolm_core.trial.predict import load_answerer
    from xautolm_core.trial.process import prepare_process

    prepare_process(request.threads, seed=0)
    split = open_prepared_questions(request.task_folder).splits[request.split]
    answerer = load_answerer(request.model_folder, device=request.device, threads=request.threads)
    since = time.perf_counter()
    found = answerer.answer(split.questions.to_pylist(), split.contexts.to_pylist())
    answers = TextAnswers(
        texts=tuple(one.text for one in found),
        scores=tuple(one.score for one in found),
        seconds=time.perf_counter() - since,
    )
    write_json(request.out_file, answers)
    return answers


def answer_split(request: AnswersRequest) -> Answers:
    """Let a saved classifier answer all rows of a split, and write the answers.

    Raises:
        ConfigError: The model wants other columns than the task has, gives no finite answers, or
            one of both cannot be read.
    """
    import numpy as np

    from xautolm_core.tasks.prepared import open_prepared
    from xautolm_core.trial.predict import load_classifier
    from xautolm_core.trial.process import prepare_process

    prepare_process(request.threads, seed=0)
    task = open_prepared(request.task_folder)
    split = task.splits[request.split]
    classifier = load_classifier(
        request.model_folder, device=request.device, threads=request.threads
    )
    if classifier.has_pairs != (split.text_pairs is not None):
        raise ConfigError(
            "The model was trained on a task with other columns",
            hint="Give it single texts or pairs of texts, as it was trained on",
        )
    since = time.perf_counter()
    logits = classifier.logits(split) if len(split) else np.empty((0, 1), dtype=np.float32)
    if not np.isfinite(logits).all():
        raise ConfigError("The model's output is not finite", hint="Use another model")
    answers = Answers(
        labels=classifier.labels,
        predicted=tuple(logits.argmax(1).tolist()),
        seconds=time.perf_counter() - since,
    )
    write_json(request.out_file, answers)
    return answers


_ANSWERING: Mapping[str, Callable[[AnswersRequest], AnyAnswers]] = {
    TaskType.TEXT_CLASSIFICATION: answer_split,
    TaskType.QUESTION_ANSWERING: answer_questions,
    TaskType.TEXT_GENERATION: answer_prompts,
}
"""Type of task to how its rows are answered."""


def main(arguments: list[str]) -> int:
    """Answer what a request file asks for; return the exit code, with one line on what is wrong."""
    if len(arguments) != 1:
        print(f"usage: python -m {MODULE} REQUEST.json", file=sys.stderr)
        return 2
    try:
        answer_request(AnswersRequest.model_validate_json(Path(arguments[0]).read_bytes()))
    except ValidationError as error:
        print(f"xautolm: {arguments[0]}: {first_problem(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"xautolm: {arguments[0]}: {error.strerror or error}", file=sys.stderr)
        return 2
    except XautolmError as error:
        print(f"xautolm: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError:
        print(
            "xautolm: evaluating needs packages that are not installed. "
            "Install them with: pip install 'xautolm[trial]'",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
