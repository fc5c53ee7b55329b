"""Writes the results of a run: Markdown tables, a page with plots, and a CSV of every task."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from benchmarks.replay.arms import ARMS
from benchmarks.replay.failure_reliability import read_forecasts
from benchmarks.replay.gates import Gate
from benchmarks.replay.gates import judge
from benchmarks.replay.parts import read_parts
from benchmarks.replay.plots import curves
from benchmarks.replay.regimes import REGIMES
from benchmarks.replay.results import Cell
from benchmarks.replay.results import Results
from benchmarks.replay.tables import TITLES
from benchmarks.replay.tables import TextTable
from benchmarks.replay.tables import all_tables
from benchmarks.replay.tables import as_markdown
from benchmarks.replay.tables import forecast_tables

UNAVAILABLE = "unavailable.json"
"""Arms that cannot run here, with the reason, in the folder of a run."""

_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}"
    "table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}"
    "td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;white-space:nowrap}"
    "svg{max-width:100%;height:auto}"
)


def write_report(folder: Path, trials: int) -> list[Gate]:
    """Write ``report.md``, ``report.html`` and ``tasks.csv``; return the targets.

    Args:
        folder: Of the run.
        trials: Number of trials of the searches that are reported.
    """
    results = Results.read(folder, lambda part: part.job.trials == trials)
    gates = judge(results)
    tables = [*all_tables(results, gates), *forecast_tables(read_forecasts(folder))]
    missing = left_out(folder)
    lines = ["# Replay benchmark", ""]
    lines += [f"- {ARMS[arm].title} could not run: {why}" for arm, why in missing.items()]
    text = "\n".join([*lines, "", *map(as_markdown, tables)])
    (folder / "report.md").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(str(_page(results, tables, missing)), encoding="utf-8")
    _write_tasks(results, folder / "tasks.csv")
    return gates


def note_unavailable(folder: Path, reasons: Mapping[str, str]) -> None:
    """Keep, and print, which arms cannot run here, with the reason."""
    for arm, reason in reasons.items():
        print(f"{arm} is left out, its engine cannot be installed: {reason}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNAVAILABLE).write_text(json.dumps(dict(reasons)), encoding="utf-8")


def left_out(folder: Path) -> dict[str, str]:
    """Return arm to why it has no figures: its engine is missing, or it raised."""
    path = folder / UNAVAILABLE
    found: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
    for part in read_parts(folder):
        if part.error and part.job.arm in ARMS:
            found[part.job.arm] = part.error.splitlines()[-1]
    return {arm: why for arm, why in found.items() if arm in ARMS}


def _page(results: Results, tables: list[TextTable], missing: Mapping[str, str]) -> Markup:
    notes = [
        Markup("<p>{} could not run: {}</p>").format(ARMS[a].title, missing[a]) for a in missing
    ]
    body = Markup("").join([*notes, *_plots(results), *map(_as_html, tables)])
    return Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Replay benchmark</title>'
        "<style>{}</style></head><body><h1>Replay benchmark</h1>{}</body></html>\n"
    ).format(Markup(_STYLE), body)


def _plots(results: Results) -> Iterator[Markup]:
    groups: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in results.cells.values():
        groups.setdefault((cell.table, cell.regime, cell.workers), []).append(cell)
    for table, regime, workers in sorted(
        groups, key=lambda g: (g[0], g[2], list(REGIMES).index(g[1]))
    ):
        title = f"{TITLES[table]}: history is {REGIMES[regime]}, {workers} at once"
        name = f"{table}-{regime}-{workers}"
        yield Markup("<h2>{}</h2>{}").format(
            title, curves(groups[table, regime, workers], name=name, title=title)
        )


def _as_html(table: TextTable) -> Markup:
    def row(cells: Sequence[str], tag: str) -> Markup:
        whole = Markup(f"<{tag}>{{}}</{tag}>")
        made = Markup("").join(whole.format(_plain(cell)) for cell in cells)
        return Markup("<tr>{}</tr>").format(made)

    return Markup("<h2>{}</h2><p>{}</p><table>{}{}</table>").format(
        table.title,
        table.note,
        row(table.head, "th"),
        Markup("").join(row(cells, "td") for cells in table.rows),
    )


def _plain(text: str) -> str:
    """Return a text without the marks of Markdown."""
    return text.replace("`", "").replace("**", "")


def _write_tasks(results: Results, path: Path) -> None:
    """Write every figure of every arm and task, means over seeds."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for key in sorted(results.cells):
            for row in _task_rows(results.cells[key]):
                if writer is None:
                    writer = csv.DictWriter(file, list(row))
                    writer.writeheader()
                writer.writerow(row)


def _task_rows(cell: Cell) -> Iterator[dict[str, object]]:
    for task in cell.tasks:
        found = [one.figures for (name, _), one in cell.searches.items() if name == task]
        means = {name: _mean([figures[name] for figures in found]) for name in found[0]}
        yield {
            "table": cell.table,
            "history": cell.regime,
            "arm": cell.arm,
            "workers": cell.workers,
            "task": task,
            "seeds": len(found),
            **means,
        }


def _mean(values: Sequence[float]) -> float | str:
    """Return the mean of the values; nothing if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return round(sum(known) / len(known), 6) if known else ""
