"""Predictions, printed or written to a file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import typer

from xautolm_core.cli.locations import check_can_write
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError

if TYPE_CHECKING:
    from xautolm_core.cli.prediction_input import TextRows

_SUFFIXES = (".csv", ".jsonl", ".parquet")
_SHOWN_CHARACTERS = 70


def check_out_file(path: Path) -> None:
    """Refuse a file of an unknown format or in a folder that cannot be written; write nothing.

    Raises:
        ConfigError: It cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(
            f"--out: {path} has no known format", hint=f"End it in {', '.join(_SUFFIXES)}"
        )
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--out: {path.parent} does not exist", hint="Make the folder first")
    check_can_write(path.parent, "--out")


def print_predictions(rows: TextRows, predictions: Sequence[Any], *, as_json: bool) -> None:
    """Print a line per text: class and probability, or a JSON object with all probabilities."""
    for text, prediction in zip(rows.texts, predictions, strict=True):
        probabilities = dict(prediction.probabilities)
        if as_json:
            document = {"label": prediction.label, "probabilities": probabilities}
            typer.echo(json.dumps(document, ensure_ascii=False))
            continue
        shown = " ".join(text.split())
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[: _SHOWN_CHARACTERS - 1]}…"
        typer.echo(f"{prediction.label}\t{probabilities[prediction.label]:.4f}\t{shown}")


def write_predictions(rows: TextRows, predictions: Sequence[Any], path: Path) -> None:
    """Write texts, classes and probabilities, all or nothing.

    Raises:
        StoreError: The file cannot be written.
    """
    from xautolm_core.report.files import write_bytes

    columns: dict[str, list[Any]] = {"text": list(rows.texts)}
    if rows.pairs is not None:
        columns["text_pair"] = list(rows.pairs)
    columns["label"] = [prediction.label for prediction in predictions]
    columns["probability"] = [
        float(prediction.probabilities[prediction.label]) for prediction in predictions
    ]
    for label in predictions[0].probabilities if predictions else ():
        columns[f"probability.{label}"] = [float(p.probabilities[label]) for p in predictions]
    try:
        write_bytes(path, _encode(columns, path.suffix.lower()))
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hint="Choose another file"
        ) from error


def _encode(columns: dict[str, list[Any]], suffix: str) -> bytes:
    import pyarrow as pa

    table = pa.table(columns)
    if suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in table.to_pylist()]
        return ("\n".join(lines) + "\n").encode("utf-8")
    buffer = io.BytesIO()
    if suffix == ".csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(table, buffer)
    else:
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
