"""``xautolm features``: the meta-features of a task and of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from xautolm_core.cli.task_options import TYPE_HELP
from xautolm_core.tasks.quoting import QUOTING_HELP
from xautolm_core.tasks.quoting import Quoting

if TYPE_CHECKING:
    import numpy as np

    from xautolm_core.records.features import FeatureVector
    from xautolm_core.tasks.task import AnyTask
    from xautolm_core.tasks.task import Finding

# Spans of row numbers in a cell of the table.
_SPANS_SHOWN = 20


def features(
    data: Annotated[
        str,
        typer.Argument(
            metavar="TASK-FILE-OR-DATA",
            help="YAML task, data file (.csv, .jsonl, .parquet), folder with train, validation "
            "and test files, s3:// address of either, or name of a data set on the hub.",
        ),
    ],
    *,
    text: Annotated[str | None, typer.Option(help="Column of the text.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column of a second text.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the class.")] = None,
    question: Annotated[str | None, typer.Option(help="Column of the question.")] = None,
    context: Annotated[str | None, typer.Option(help="Column of the passage.")] = None,
    answers: Annotated[str | None, typer.Option(help="Column of the accepted answers.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Column of the prompt.")] = None,
    completion: Annotated[
        str | None, typer.Option(help="Column of the text to be written.")
    ] = None,
    messages: Annotated[str | None, typer.Option(help="Column of whole conversations.")] = None,
    task_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help=TYPE_HELP)] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Preset or file whose local models' tokenizers count tokens (default: that of "
            "the kind of task)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits.")] = 0,
    drop_invalid: Annotated[
        bool, typer.Option("--drop-invalid", help="Leave out rows without text or label.")
    ] = False,
    quality: Annotated[
        bool,
        typer.Option(
            "--quality",
            help="Show instead what in the data makes scores hard to believe, with the rows.",
        ),
    ] = False,
    quoting: Annotated[Quoting | None, typer.Option(help=QUOTING_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the meta-features of a task and of this machine, as a search computes them."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.output import warn
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.source import read_task_spec

    spec = read_task_spec(
        data,
        text=text,
        text_pair=text_pair,
        label=label,
        question=question,
        context=context,
        answers=answers,
        prompt=prompt,
        completion=completion,
        messages=messages,
        type=task_type,
        seed=seed,
        drop_invalid=drop_invalid,
        quoting=quoting,
    )
    task = load_task(spec)
    for note in task.notes:
        typer.echo(note, err=True)
    for warning in task.warnings:
        warn(warning)
    if quality:
        if as_json:
            print_json(_document(task) | {"quality": [_of_finding(f) for f in task.findings]})
        else:
            _print_findings(task.findings)
        return
    from xautolm_core.features.system_features import extract_system_features
    from xautolm_core.features.task_extractors import extract_task_features
    from xautolm_core.tasks.task_type import task_kind

    vectors = [
        extract_task_features(task, tokenizers=_tokenizers(space or task_kind(task.type).space)),
        extract_system_features(),
    ]
    if as_json:
        print_json(_document(task) | {"features": [vector.document() for vector in vectors]})
        return
    for vector in vectors:
        _print_vector(vector)


def _document(task: AnyTask) -> dict[str, Any]:
    """Return the part of the JSON document that every task has."""
    return {
        "task": task.name,
        "type": task.type,
        "fingerprint": task.fingerprint,
        "labels": list(task.labels),
        "rows": {name: len(split) for name, split in task.splits.items()},
        "warnings": list(task.warnings),
    }


def _of_finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "count": finding.count,
        "words": finding.words,
        "rows": {source: numbers.tolist() for source, numbers in finding.rows.items()},
    }


def _print_findings(findings: tuple[Finding, ...]) -> None:
    from xautolm_core.cli.output import print_table

    if not findings:
        print("Nothing was found in these data that makes scores hard to believe.")
        return
    rows = [
        (
            finding.kind.replace("_", " "),
            f"{finding.count:,}",
            finding.words,
            "; ".join(f"{source}: {_spans(numbers)}" for source, numbers in finding.rows.items()),
        )
        for finding in findings
    ]
    print_table(("finding", "count", "what", "rows (from 1)"), rows, right=("count",))


def _spans(numbers: np.ndarray) -> str:
    """Return sorted row numbers as ``1-3, 7``; of many spans only the first ones."""
    import numpy as np

    spans = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    shown = [
        str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans[:_SPANS_SHOWN]
    ]
    if more := sum(len(span) for span in spans[_SPANS_SHOWN:]):
        shown.append(f"and {more:,} more rows (--json has all)")
    return ", ".join(shown)


def _tokenizers(space: str) -> dict[str, Path]:
    """Return the tokenizer files of a space's local models, as the search takes them."""
    from xautolm_core.space.load import load_space
    from xautolm_core.space.space import tokenizer_files

    return tokenizer_files(load_space(space, offline=True))


def _print_vector(vector: FeatureVector) -> None:
    from xautolm_core.cli.output import print_table
    from xautolm_core.report.wording import number_words
    from xautolm_core.report.wording import seconds_words

    rows = [
        (name, number_words(value), "" if vector.units.get(name) == "1" else vector.units[name])
        for name, value in vector.values.items()
    ]
    rows += [(name, fact, "") for name, fact in vector.facts.items()]
    title = f"{vector.extractor} {vector.version}, in {seconds_words(vector.seconds)}"
    print_table(("feature", "value", "unit"), rows, right=("value",), title=title)
    print()
