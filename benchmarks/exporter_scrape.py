"""How quick the exporter's scrapes are, and how much memory it takes, over a large store.

A folder store is filled with made-up experiences of 50 tenants (see ``made_up_experiences``), all
in segments, as a nightly compaction leaves them. ``xautolm exporter`` runs as a process of its own
and looks at the store once a second, while single objects are appended to it. Each scrape is what
Prometheus sends: OpenMetrics, packed with gzip.

    python benchmarks/exporter_scrape.py                    # 1,000,000 experiences
    python benchmarks/exporter_scrape.py --rows 100000
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import made_up_experiences
import made_up_searches
from store_measures import build

from xautolm_core.experience.columns import from_table
from xautolm_core.experience.folder import FolderStore

TENANTS = 50
APPENDED = 500
LONGEST_SCRAPE_SECONDS = 0.2
MOST_MEMORY_MIB = 500.0

_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}


def main() -> None:
    """Measure, print the figures, and fail where they miss the targets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000, help="experiences in the store")
    parser.add_argument("--scrapes", type=int, default=200)
    parser.add_argument("--store", type=Path, help="folder to fill and keep, or filled before")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    made_up_searches.TENANTS = tuple(f"team-{number:02d}" for number in range(TENANTS))
    with tempfile.TemporaryDirectory(prefix="xautolm-exporter-") as scratch:
        folder = options.store or Path(scratch) / "store"
        if not folder.exists():
            build(str(folder), options.rows)
        figures = measure(folder, options.scrapes)
    figures["experiences"] = options.rows
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if figures["scrape p95: s"] > LONGEST_SCRAPE_SECONDS or figures["peak MiB"] > MOST_MEMORY_MIB:
        raise SystemExit("error: slower or larger than the target")


def measure(folder: Path, scrapes: int) -> dict[str, Any]:
    """Return the figures of one store."""
    begin = time.monotonic()
    line = [
        *(sys.executable, "-m", "xautolm_core.cli", "exporter", "--store", str(folder)),
        *("--listen", "127.0.0.1:0", "--interval", "1s"),
    ]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            match = re.search(r"(http://\S+)/metrics", process.stderr.readline())
            assert match is not None
            address = match[1]
            answering = time.monotonic() - begin
            early = [_scrape(address)[0] for _ in range(10)]
            while not _is_ready(address):
                early.append(_scrape(address)[0])
                time.sleep(0.1)
            ready = time.monotonic() - begin
            append = _appending(folder)
            taken = []
            for number in range(scrapes):
                if number * APPENDED // scrapes != (number + 1) * APPENDED // scrapes:
                    append()
                taken.append(_scrape(address))
                time.sleep(0.05)
            refresh = _value(taken[-1][1], "xautolm_exporter_last_refresh_duration_seconds")
            memory = _memory_mib(process.pid)
        finally:
            process.terminate()
    seconds = sorted(one for one, _ in taken)
    return {
        "answers after: s": round(answering, 2),
        "has totals after: s": round(ready, 2),
        "scrapes before that, longest: s": round(max(early), 3),
        "scrape median: s": round(statistics.median(seconds), 3),
        "scrape p95: s": round(seconds[int(0.95 * (len(seconds) - 1))], 3),
        "scrape longest: s": round(seconds[-1], 3),
        "bytes of a scrape": len(taken[-1][1]),
        "samples": sum(not row.startswith("#") for row in taken[-1][1].splitlines()),
        "last refresh: s": round(refresh, 3),
        **memory,
    }


def _appending(folder: Path) -> Any:
    """Return a function that appends a few experiences that the store does not hold yet."""
    store = FolderStore(folder)
    table = next(iter(made_up_experiences.tables(APPENDED, 99)))
    rows = iter(list(from_table(table)))

    def append() -> None:
        for _ in range(3):
            row = next(rows, None)
            if row is not None:
                document = {
                    "digest": row.payload.digest,
                    "experience": json.loads(row.payload.text),
                }
                store.storage.put(row.key, json.dumps(document).encode())

    return append


def _scrape(address: str) -> tuple[float, str]:
    begin = time.perf_counter()
    request = urllib.request.Request(f"{address}/metrics", headers=_HEADERS)
    with urllib.request.urlopen(request, timeout=60) as answer:
        data = answer.read()
    return time.perf_counter() - begin, gzip.decompress(data).decode()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=60) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def _value(text: str, name: str) -> float:
    match = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else float("nan")


def _memory_mib(pid: int) -> dict[str, float]:
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
    return {
        "resident MiB": round(int(found["VmRSS"]) / 1024, 1),
        "peak MiB": round(int(found["VmHWM"]) / 1024, 1),
    }


if __name__ == "__main__":
    main()
