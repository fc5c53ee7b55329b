"""``xautolm predict``: classes of new texts, answers to new questions, texts after prompts."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from xautolm_core.tasks.quoting import QUOTING_HELP
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    from xautolm import Model
    from xautolm_core.cli.prediction_input import InputRows
    from xautolm_core.cli.prediction_output import Answered


class Blank(StrEnum):
    """How to treat a row without text."""

    REFUSE = "refuse"
    ANSWER = "answer"


def predict(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder of a search, or a model's folder."),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Texts: .csv, .tsv, .jsonl or .parquet, or .txt with one text a line; - for lines "
            "on standard input.",
        ),
    ] = None,
    *,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A text; may be repeated.")
    ] = None,
    text_pair: Annotated[
        list[str] | None,
        typer.Option("--text-pair", help="Its second text, for tasks of text pairs."),
    ] = None,
    question: Annotated[
        list[str] | None, typer.Option("--question", help="A question; may be repeated.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", help="The passage that may answer it.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="A prompt; may be repeated.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Column of the text (or question, or prompt) in FILE; its number if columns have "
            "no names.",
        ),
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of the second text (or passage).")
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first line of .csv or .tsv names the columns; else the task's "
            "columns decide.",
            show_default=False,
        ),
    ] = None,
    quoting: Annotated[Quoting | None, typer.Option(help=QUOTING_HELP)] = None,
    blank: Annotated[
        Blank, typer.Option(help="Refuse rows without a text, or answer them like any other.")
    ] = Blank.REFUSE,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write .csv, .jsonl or .parquet with all columns of FILE instead of printing.",
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Give a column for each class.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts at once.")] = 32,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON line per text, with all probabilities.")
    ] = False,
) -> None:
    """Ask the model that a search has chosen: one class, answer or text per row, in order."""
    import xautolm
    from xautolm._words import as_command_line
    from xautolm_core.cli.output import one_line
    from xautolm_core.cli.prediction_input import open_rows
    from xautolm_core.cli.prediction_output import answer_columns
    from xautolm_core.cli.prediction_output import check_out_file
    from xautolm_core.cli.prediction_output import print_answers
    from xautolm_core.cli.prediction_output import write_answers
    from xautolm_core.cli.prediction_prompts import prompt_rows
    from xautolm_core.cli.prediction_prompts import written_columns
    from xautolm_core.errors import ConfigError

    with as_command_line():
        model = xautolm.load_model(run)
    given: dict[str, tuple[list[str] | None, list[str] | None]] = {
        TaskType.TEXT_CLASSIFICATION: (text, text_pair),
        TaskType.QUESTION_ANSWERING: (question, context),
        TaskType.TEXT_GENERATION: (prompt, None),
    }
    texts, pairs = _texts(model.task_type, given)
    if probabilities and model.task_type != TaskType.TEXT_CLASSIFICATION:
        raise ConfigError(
            "--probabilities is for classes, and this model gives answers", hint="Leave it out"
        )
    if out is not None:
        check_out_file(out)
    rows = open_rows(
        file,
        texts,
        pairs,
        column=column,
        pair_column=pair_column,
        header=header,
        quoting=quoting,
        has_pairs=model.has_pairs,
        task_type=model.task_type,
        run=run,
    )
    _check_pairs(rows, model.has_pairs)
    if model.writes_texts:
        rows = prompt_rows(rows, run)
    answer_blank = blank is Blank.ANSWER
    if not rows.file.is_stream:
        rows.check(answer_blank=answer_blank)
    answered = answer(rows, model, answer_blank=answer_blank, batch_size=batch_size)
    if out is None:
        print_answers(answered, as_json=as_json, with_classes=probabilities)
        return
    names = (
        written_columns(rows.file.types)
        if model.writes_texts
        else answer_columns(rows.file.types, model.labels, with_classes=probabilities)
    )
    written = write_answers(answered, out, rows.file.types, names)
    where = f"{out} (column {names.prediction})"
    typer.echo(f"{written} predictions written to {one_line(where)}")


def _texts(
    task_type: str, given: Mapping[str, tuple[list[str] | None, list[str] | None]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts that were given for the kind of model, and their second texts.

    Raises:
        ConfigError: They were given for another kind.
    """
    from xautolm_core.cli.prediction_input import row_options
    from xautolm_core.errors import ConfigError

    own = row_options(task_type)
    for kind, texts in given.items():
        if kind != task_type and any(texts):
            raise ConfigError(
                f"the model {own.does}, but {row_options(kind).text} was given",
                hint=f"Give {own.wanted}",
            )
    first, second = given.get(task_type, (None, None))
    return tuple(first or ()), tuple(second or ())


def _check_pairs(rows: InputRows, has_pairs: bool | None) -> None:
    """Refuse single texts where the model wants pairs, and vice versa."""
    from xautolm_core.errors import ConfigError

    if has_pairs is not None and has_pairs != (rows.pair is not None):
        raise ConfigError(
            "the model was trained on "
            + ("text pairs, but single texts were given" if has_pairs else "single texts"),
            hint="Give the second texts with --text-pair or --pair-column (of questions the"
            " passages, with --context or --pair-column)"
            if has_pairs
            else "Leave --text-pair and --pair-column out",
        )


def answer(
    rows: InputRows, model: Model, *, answer_blank: bool, batch_size: int
) -> Iterator[Answered]:
    """Yield a model's answers to rows, in order, as they are read.

    Args:
        rows: The rows.
        model: The model.
        answer_blank: Whether a row without a text is a row like any other.
        batch_size: Rows of one forward pass.

    Raises:
        ConfigError: The model and the rows do not fit.
        DataError: The rows cannot be read, or one has no text.
    """
    from xautolm_core.cli.prediction_output import AnsweredBatch
    from xautolm_core.cli.prediction_output import AnsweredQuestions
    from xautolm_core.cli.prediction_prompts import PromptBatch
    from xautolm_core.cli.prediction_prompts import WrittenAnswers

    for batch in rows.batches(answer_blank=answer_blank):
        if model.answers_questions:
            found = model.answer(batch.texts, batch.pairs or (), batch_size=batch_size)
            answers, scores = [one.text for one in found], [one.score for one in found]
            yield AnsweredQuestions(batch, answers, scores)
            continue
        if isinstance(batch, PromptBatch):
            for part in batch.parts():
                written = model.generate(part.conversations, batch_size=batch_size)
                yield WrittenAnswers(part, written)
            continue
        probabilities = model.predict_proba(batch.texts, batch.pairs, batch_size=batch_size)
        yield AnsweredBatch(batch, model.labels, probabilities)
