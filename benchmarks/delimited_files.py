"""Delimited files: is what was written read back, and how long does a large file take?

Writes random tables of texts and labels (quotes, delimiters, line breaks, escapes) by the
standard library, pandas and, where it is installed, polars, in all their ways of quoting; reads
each, and fails at the first that has another number of rows, or another text without a warning.
Then writes large CSV files and times how they are read.

    python benchmarks/delimited_files.py --examples 20000 --megabytes 100
"""

from __future__ import annotations

import argparse
import collections
import csv
import importlib.util
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import given
from hypothesis import settings
from hypothesis.strategies import SearchStrategy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.tasks.delimited_law import Written
from tests.tasks.delimited_law import outcome_of
from tests.tasks.delimited_law import written_by_csv
from tests.tasks.delimited_law import written_by_pandas
from tests.tasks.delimited_law import written_by_polars
from xautolm_core.tasks.csv_table import read_csv

# Shares of the examples; those of a writer that is not installed go to the first.
_WRITERS: dict[str, tuple[Callable[[], SearchStrategy[Written]], float]] = {
    "csv": (written_by_csv, 0.6),
    "pandas": (written_by_pandas, 0.2),
    "polars": (written_by_polars, 0.2),
}


def outcomes_of(
    strategy: SearchStrategy[Written], examples: int, path: Path
) -> collections.Counter[str]:
    """Write and read some random files; count the outcomes."""
    outcomes: collections.Counter[str] = collections.Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(written=strategy)
    def check(written: Written) -> None:
        outcomes[outcome_of(written, path)] += 1

    check()
    return outcomes


def check_law(examples: int, folder: Path) -> None:
    """Read random files and print how many were read, refused or warned of."""
    left = examples
    for writer, (strategy, share) in reversed(_WRITERS.items()):
        if importlib.util.find_spec(writer) is None:
            print(f"{writer}: not installed")
            continue
        count = left if writer == "csv" else int(examples * share)
        left -= count
        begin = time.monotonic()
        outcomes = outcomes_of(strategy(), count, folder / "a.csv")
        shares = ", ".join(f"{name}: {number}" for name, number in outcomes.most_common())
        print(f"{writer}: {outcomes.total()} in {time.monotonic() - begin:.0f} s; {shares}")


def write_large(path: Path, megabytes: int, *, quoted: bool) -> int:
    """Write a file of texts of about 25 words, with commas and quotes; return its rows."""
    words = random.Random(0).choices(
        ["the", "film", "is", "rather", "dull,", 'a "hit"', "of"], k=25
    )
    text = " ".join(words) if quoted else " ".join(words).replace('"', "").replace(",", "")
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label"])
        while file.tell() < megabytes << 20:
            writer.writerows([(f"{text} {rows + n}", "ab"[n % 2]) for n in range(10_000)])
            rows += 10_000
    return rows


def main() -> None:
    """Check the law, then time large files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--megabytes", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        check_law(arguments.examples, Path(name))
        for quoted in (False, True):
            path = Path(name) / "large.csv"
            rows = write_large(path, arguments.megabytes, quoted=quoted)
            begin = time.monotonic()
            table = read_csv(path)
            seconds = time.monotonic() - begin
            assert table.rows == rows
            kind = "with quotes" if quoted else "without quotes"
            print(f"{path.stat().st_size >> 20} MiB {kind}, {rows:,} rows: {seconds:.1f} s")


if __name__ == "__main__":
    main()
