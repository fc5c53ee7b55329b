"""``xautolm predict``: classes of new texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

if TYPE_CHECKING:
    from xautolm_core.cli.prediction_input import TextRows


def predict(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder of a search, or a model's folder."),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Texts: .csv, .jsonl or .parquet, or .txt with one text a line; - for lines on "
            "standard input.",
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
    column: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of the text in FILE.")
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option(metavar="COL", help="Column of the second text in FILE.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write .csv, .jsonl or .parquet instead of printing."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts at once.")] = 32,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON line per text, with all probabilities.")
    ] = False,
) -> None:
    """Classify texts with the model that a search has chosen."""
    from xautolm_core.cli.prediction_input import read_texts
    from xautolm_core.cli.prediction_input import require_model_folder
    from xautolm_core.cli.prediction_output import check_out_file
    from xautolm_core.cli.prediction_output import print_predictions
    from xautolm_core.cli.prediction_output import write_predictions

    model_folder = require_model_folder(run)
    if out is not None:
        check_out_file(out)
    rows = read_texts(
        file,
        tuple(text or ()),
        tuple(text_pair or ()),
        column=column,
        pair_column=pair_column,
        run=run,
    )
    predictions = _classify(model_folder, rows, batch_size)
    if out is not None:
        write_predictions(rows, predictions, out)
        typer.echo(f"{len(predictions)} predictions written to {out}")
    else:
        print_predictions(rows, predictions, as_json=as_json)


def _classify(model_folder: Path, rows: TextRows, batch_size: int) -> Sequence[Any]:
    from xautolm_core.errors import ConfigError
    from xautolm_core.trial.predict import load_classifier

    has_pairs = model_has_pairs(model_folder)
    if has_pairs is not None and has_pairs != (rows.pairs is not None):
        raise ConfigError(
            "the model was trained on "
            + ("text pairs, but single texts were given" if has_pairs else "single texts"),
            hint="Give the second texts with --text-pair or --pair-column"
            if has_pairs
            else "Leave --text-pair and --pair-column out",
        )
    classifier = load_classifier(model_folder)
    predictions: Sequence[Any] = classifier.predict(rows.texts, rows.pairs, batch_size=batch_size)
    return predictions


def model_has_pairs(model_folder: Path) -> bool | None:
    """Return whether a model wants text pairs; None if its folder does not say."""
    import json

    try:
        document = json.loads((model_folder / "xautolm.json").read_text(encoding="utf-8"))
        return bool(document["has_pairs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
