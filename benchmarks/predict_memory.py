"""Does the memory of ``xautolm predict`` grow with the number of rows?

Trains a `tfidf` model on made-up texts, writes files of 10^5 and of 10^6 rows in every format that
is read in pieces (and feeds one to standard input), and runs ``xautolm predict RUN FILE --out`` on
each: peak memory of the process, seconds, and whether each row has its answer.

    python benchmarks/predict_memory.py --out runs/predict-memory
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import random
import shlex
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from measured_process import call
from measured_process import check

_WORDS = 20_000
_CLASSES = 4
_TRAINING_ROWS = 4_000
_GROUP_ROWS = 1 << 17
_XAUTOLM = [sys.executable, "-m", "xautolm_core.cli"]
FORMATS = ("txt", "csv", "csv.gz", "jsonl", "parquet", "-")


def rows(count: int, seed: int) -> Iterator[tuple[int, str, str]]:
    """Yield rows of id, text and class: words of which every second one leans towards the class."""
    noise = random.Random(seed)
    for row in range(count):
        kind = noise.randrange(_CLASSES)
        words = [
            f"w{noise.randrange(_WORDS // _CLASSES) * _CLASSES + kind}"
            if noise.random() < 0.5
            else f"w{noise.randrange(_WORDS)}"
            for _ in range(noise.randint(8, 24))
        ]
        yield row, " ".join(words), f"class {kind}"


def write_csv(path: Path, content: Iterable[tuple[int, str, str]]) -> None:
    """Write rows as CSV, packed if the name says so."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text", "label"))
        writer.writerows(content)


def write_rows(path: Path, count: int, seed: int) -> None:
    """Write rows in the format that a file's name ends with."""
    content = rows(count, seed)
    if ".csv" in path.suffixes:
        write_csv(path, content)
    elif path.suffix == ".parquet":
        names = ("id", "text", "label")
        schema = pa.schema([("id", pa.int64()), ("text", pa.string()), ("label", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:
            while group := list(itertools.islice(content, _GROUP_ROWS)):
                table = pa.table(dict(zip(names, zip(*group, strict=True), strict=True)), schema)
                writer.write_table(table)
    else:
        with path.open("w", encoding="utf-8") as file:
            for row, text, label in content:
                record = {"id": row, "text": text, "label": label}
                file.write(f"{json.dumps(record) if path.suffix == '.jsonl' else text}\n")


def answers_in(path: Path) -> int:
    """Return the number of rows of a Parquet file that have an answer."""
    with pq.ParquetFile(path) as file:
        batches = file.iter_batches(columns=["prediction"])
        return sum(len(batch) - batch.column(0).null_count for batch in batches)


def train(folder: Path) -> Path:
    """Search with `tfidf` alone on made-up rows; return the run folder."""
    run = folder / "run"
    if not (run / "model").is_dir():
        data = folder / "train.csv"
        write_rows(data, _TRAINING_ROWS, seed=0)
        command = [*_XAUTOLM, "search", str(data), "--methods", "tfidf", "--no-memory"]
        command += ["--out", str(run), "--store", str(folder / "store")]
        check(call(command, folder / "search.log"), folder / "search.log", 0)
    return run


def main() -> None:
    """Measure all formats and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument("--out", type=Path, default=Path("runs/predict-memory"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    run = train(arguments.out)
    print("| input | rows | peak MiB | seconds | rows/s |\n|---|---:|---:|---:|---:|")
    for kind in arguments.formats:
        for count in arguments.rows:
            data = arguments.out / f"rows-{count}.{'txt' if kind == '-' else kind}"
            if not data.exists():
                write_rows(data, count, seed=1)
            out = arguments.out / "answers.parquet"
            out.unlink(missing_ok=True)
            command = [*_XAUTOLM, "predict", str(run), "-" if kind == "-" else str(data)]
            command += ["--out", str(out)]
            if kind == "-":
                command = ["sh", "-c", f"exec {shlex.join(command)} < {shlex.quote(str(data))}"]
            log = arguments.out / "predict.log"
            called = call(command, log)
            check(called, log, 0)
            if answers_in(out) != count:
                raise SystemExit(f"error: {answers_in(out):,} answers to {count:,} rows of {data}")
            seconds = called["wall_seconds"]
            print(
                f"| {'standard input' if kind == '-' else f'`.{kind}`'} | {count:,} |"
                f" {called['peak_bytes'] / 2**20:.0f} | {seconds:.0f} | {count / seconds:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
