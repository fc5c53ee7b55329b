"""``xautolm features``: the meta-features of a task and of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.features.vector import FeatureVector


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
    space: Annotated[
        str, typer.Option(help="Preset or file whose local models' tokenizers count tokens.")
    ] = "starter",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits.")] = 0,
    drop_invalid: Annotated[
        bool, typer.Option("--drop-invalid", help="Leave out rows without text or label.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what the search would know of a task and of this machine."""
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.output import warn
    from xautolm_core.features.system_features import extract_system_features
    from xautolm_core.features.task_features import extract_task_features
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.source import read_task_spec

    spec = read_task_spec(
        data, text=text, text_pair=text_pair, label=label, seed=seed, drop_invalid=drop_invalid
    )
    task = load_task(spec)
    for warning in task.warnings:
        warn(warning)
    vectors = [
        extract_task_features(task, tokenizers=_tokenizers(space)),
        extract_system_features(),
    ]
    if as_json:
        rows = {name: len(split) for name, split in task.splits.items()}
        document = {
            "task": task.name,
            "fingerprint": task.fingerprint,
            "labels": list(task.labels),
            "rows": rows,
            "features": [vector.document() for vector in vectors],
            "warnings": list(task.warnings),
        }
        print_json(document)
        return
    for vector in vectors:
        _print_vector(vector)


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
