"""How the experience store and the history grow, from ten thousand experiences to a million.

For each size a folder store is filled with made-up experiences (see ``made_up_experiences``), in
bulk: the columns are written with the store's own segment writer, ordered and split as a compaction
does, without a million single objects before. Then each figure is measured in a process of its own,
``--repeat`` times; the median counts. The files are in the operating system's page cache, as they
are after a store was written or copied; the interpreter's start and its imports are shown apart.

* history: open the store, read what is relevant, make arrays; without and with the
  local cache of memory-mapped segments; all tenants, and one of ten
* keeping what is relevant in a run folder, and reading it there as a resumed search does
* warm start: the sampler ``xautolm`` from at most 100,000 of these experiences
* compaction of single objects, and reading them before they are compacted
* opening 20,000 experiences against the published layout: one indented JSON file for each, read one
  by one with ``json.load``

    python benchmarks/store_scale.py --json store-scale.json
    python benchmarks/store_scale.py --sizes 10000 --s3 s3://bucket/prefix   # and on an S3 server

The S3 server is reached as everywhere else, by ``XAUTOLM_S3_ENDPOINT`` and so on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from store_measures import MEASURES
from store_measures import Figures


class Bench:
    """Runs measures in fresh processes and keeps their output."""

    def __init__(self, repeat: int) -> None:
        self.repeat = repeat
        self.rows: list[dict[str, Any]] = []

    def once(self, name: str, *, cache: Path | None = None, **arguments: Any) -> Figures:
        """Run one measure in a process of its own, with its peak of memory."""
        environment = {**os.environ, "XAUTOLM_CACHE": str(cache or "off")}
        done = subprocess.run(
            [sys.executable, __file__, "--measure", name, json.dumps(arguments)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"error: {name} {arguments} failed; its message is above")
        found: Figures = json.loads(done.stdout.splitlines()[-1])
        print(f"{name} {arguments}: {found}", file=sys.stderr, flush=True)
        return found

    def median(
        self,
        name: str,
        before: Callable[[], None] = lambda: None,
        *,
        cache: Path | None = None,
        **arguments: Any,
    ) -> Figures:
        """Run a measure several times, something before each; return the medians."""
        found = []
        for _ in range(self.repeat):
            before()
            found.append(self.once(name, cache=cache, **arguments))
        self.rows.append({"measure": name, **arguments, "cache": cache is not None, "runs": found})
        return {key: statistics.median(run[key] for run in found) for key in found[0]}


def measure_size(bench: Bench, folder: Path, rows: int) -> Figures:
    """Return the figures of one size."""
    store = folder / f"store-{rows}"
    cache = folder / f"cache-{rows}"
    built = {} if store.exists() else bench.once("build", folder=str(store) + ".draft", rows=rows)
    if built:
        Path(str(store) + ".draft").rename(store)
        (store / "built.json").write_text(json.dumps(built))
    built = json.loads((store / "built.json").read_text())

    def forget() -> None:
        shutil.rmtree(cache, ignore_errors=True)

    address = str(store)
    cold = bench.median("history", forget, cache=cache, store=address)
    warm = bench.median("history", cache=cache, store=address)
    one = bench.median("history", cache=cache, store=address, tenant="team-c")
    kept = bench.median("keep", cache=cache, store=address)
    started = bench.median("warm_start", cache=cache, store=address)
    return {
        "bytes an experience": built["bytes_an_experience"],
        "history, no cache yet: s": cold["ready_seconds"],
        "history, no cache yet: processor s": cold["ready_cpu_seconds"],
        "history, no cache yet: peak MiB": cold["peak_mib"],
        "history, cached: s": warm["ready_seconds"],
        "history, cached: processor s": warm["ready_cpu_seconds"],
        "history, cached: peak MiB": warm["peak_mib"],
        "relevant experiences": warm["relevant"],
        "one tenant's history, cached: s": one["ready_seconds"],
        "one tenant's relevant experiences": one["relevant"],
        "kept in the run folder: s": kept["keep_seconds"],
        "kept in the run folder: bytes a row": kept["bytes_a_row"],
        "read from the run folder: s": kept["resume_seconds"],
        "warm start: s": started["warm_start_seconds"],
        "warm start: processor s": started["warm_start_cpu_seconds"],
        "warm start: experiences": started["relevant"],
        "imports: s": warm["import_seconds"],
    }


def measure_published(bench: Bench, folder: Path, rows: int) -> Figures:
    """Return how long it takes to open experiences in the store and in the published layout."""
    published, store = folder / f"published-{rows}", folder / f"opened-{rows}"
    cache = folder / f"cache-opened-{rows}"
    if not published.exists():
        bench.once("write_published", folder=str(published), rows=rows)
    if not store.exists():
        bench.once("build", folder=str(store), rows=rows)
    one_by_one = bench.median("read_published", folder=str(published))
    without = bench.median("history", store=str(store))
    bench.once("history", cache=cache, store=str(store))
    cached = bench.median("history", cache=cache, store=str(store))
    found: Figures = {"experiences": float(rows)}
    # On a shared machine, wall-clock times depend on the others, too.
    for clock, key in (("s", "ready_seconds"), ("processor s", "ready_cpu_seconds")):
        found |= {
            f"published layout, one by one: {clock}": one_by_one[key],
            f"history without cache: {clock}": without[key],
            f"history without cache: times faster, {clock}": one_by_one[key] / without[key],
            f"history, cached: {clock}": cached[key],
            f"history, cached: times faster, {clock}": one_by_one[key] / cached[key],
        }
    return found


def measure_single(bench: Bench, folder: Path, store: str, rows: int) -> Figures:
    """Return how single objects are read before they are compacted, compacted, and read then."""
    cache = folder / "cache-single"
    shutil.rmtree(cache, ignore_errors=True)
    filled = bench.once("fill_single", store=store, rows=rows)
    tail = bench.once("history", store=store)
    compacted = bench.once("compact", store=store)
    if compacted["gathered"] != rows:
        raise SystemExit(f"error: {compacted['gathered']:.0f} of {rows} objects were compacted")
    cold = bench.once("history", cache=cache, store=store)
    warm = bench.once("history", cache=cache, store=store)
    return {
        "single objects": float(rows),
        "written in bulk: s": filled["fill_seconds"],
        "history of the tail alone: s": tail["ready_seconds"],
        "history of the tail alone: peak MiB": tail["peak_mib"],
        "compaction: s": compacted["compact_seconds"],
        "compaction: processor s": compacted["compact_cpu_seconds"],
        "compaction: peak MiB": compacted["peak_mib"],
        "history afterwards, no cache yet: s": cold["ready_seconds"],
        "history afterwards, cached: s": warm["ready_seconds"],
    }


# --- the report ---


def table_of_sizes(sizes: Sequence[int], figures: Mapping[int, Figures]) -> str:
    """Return a Markdown table with a column for each size, and the growth over all of them."""
    head = " | ".join(f"{size:,}" for size in sizes)
    lines = [f"| | {head} | growth |", "|---|" + "---:|" * (len(sizes) + 1)]
    for name in figures[sizes[0]]:
        values = [figures[size][name] for size in sizes]
        growth = f"{values[-1] / values[0]:.2f}" if values[0] else "-"
        lines.append(f"| {name} | " + " | ".join(map(_cell, values)) + f" | {growth} |")
    return "\n".join(lines)


def table_of(figures: Figures) -> str:
    """Return a Markdown table of one column."""
    lines = ["| | |", "|---|---:|"]
    return "\n".join(lines + [f"| {name} | {_cell(value)} |" for name, value in figures.items()])


def _cell(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:.3g}"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000", help="experiences, ascending")
    parser.add_argument("--published", type=int, default=20_000, help="0 leaves it out")
    parser.add_argument("--single", type=int, default=20_000, help="single objects; 0: none")
    parser.add_argument("--s3", default="", help="also on s3://bucket/prefix, which must be empty")
    parser.add_argument("--s3-single", type=int, default=10_000, help="single objects on S3")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each figure")
    parser.add_argument("--folder", type=Path, help="keep (and use again) the stores here")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_one(name: str, arguments: str) -> None:
    """Run one measure in this process and print what it says."""
    figures = MEASURES[name](**json.loads(arguments))
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


def main() -> None:
    """Measure everything; print Markdown tables."""
    options = parse()
    if options.measure:
        measure_one(*options.measure)
        return
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(options.repeat)
        document: dict[str, Any] = {"machine": _machine(), "options": _plain(vars(options))}
        print(f"{_machine()}\n")
        figures = {size: measure_size(bench, folder, size) for size in sizes}
        document["sizes"] = figures
        print(table_of_sizes(sizes, figures), flush=True)
        if options.published:
            document["published"] = measure_published(bench, folder, options.published)
            print(f"\n{table_of(document['published'])}", flush=True)
        singles = [(str(Path(scratch) / "single"), options.single)]
        singles += [(options.s3, options.s3_single)] if options.s3 else []
        for store, rows in singles:
            if rows:
                kind = "S3" if store.startswith("s3:") else "folder"
                document[f"single on {kind}"] = measure_single(bench, Path(scratch), store, rows)
                print(f"\n{kind}\n\n{table_of(document[f'single on {kind}'])}", flush=True)
        document["runs"] = bench.rows
        if options.json:
            options.json.write_text(json.dumps(document, indent=1))


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return (
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, {time.ctime()}"
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}


if __name__ == "__main__":
    main()
