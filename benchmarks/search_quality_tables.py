"""The Markdown tables of ``search_quality.py``."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search_quality_figures import PairedAnswers
from search_quality_figures import ScoredTrial
from search_quality_figures import budget_verdict
from search_quality_figures import final_score
from search_quality_figures import interval
from search_quality_figures import language_models_until
from search_quality_figures import paired_difference
from search_quality_figures import reference_of
from search_quality_figures import time_to_target

CANDIDATES = ("tfidf", "frozen", "joined", "epoch")
# A model that predicts anew and a search that scored must agree, up to rounding on the way.
SCORE_TOLERANCE = 1e-3
# No class has this name: a search without a model has no row right, and a macro-F1 of 0.
NO_ANSWER = "\0no model"

Row = Mapping[str, Any]


def print_report(rows: Sequence[Row], *, budgets: Mapping[str, float], command: str) -> Row:
    """Print all tables; return the figures in them.

    Args:
        rows: One a set and seed, with its parts.
        budgets: Names and seconds; memory was measured at the first.
        command: What was run.
    """
    print(f"`{command}`, {time.strftime('%Y-%m-%d')}")
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {_processor()}")
    seeds = sorted({row["seed"] for row in rows})
    print(f"seeds {', '.join(map(str, seeds))}; macro-F1; memory is that of the largest process")
    first = next(iter(budgets))
    document: dict[str, Any] = {"command": command, "at": time.ctime(), "seeds": seeds}
    document["reference"] = _references([row for row in rows if row["obvious"]])
    document["quality"] = {
        budget: _quality([row for row in rows if row["cold"].get(budget)], budget, seconds)
        for budget, seconds in budgets.items()
    }
    document["budget"] = _budgets(rows, budgets)
    measured = [row for row in rows if row["cold"].get(first)]
    document["warm"] = _warm([row for row in measured if row["warm"]], first, budgets[first])
    document["again"] = _again([row for row in measured if row["again"]], first, budgets[first])
    return document


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def _table(*columns: str) -> None:
    print("\n| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")


def _line(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f}"


def _range(found: tuple[float, float, float], form: str) -> str:
    return f"**{found[0]:{form}}** [{found[1]:{form}}, {found[2]:{form}}]"


# --- the reference ---


def _candidates(row: Row) -> dict[str, Row]:
    found = dict(row["obvious"]["candidates"])
    if row["epoch"]:
        found["epoch"] = {**row["epoch"], "seconds": row["epoch"]["wall_seconds"]}
    return found


def _references(rows: Sequence[Row]) -> Sequence[Row]:
    print("\n### What is obvious: validation / test, seconds")
    _table("set", "seed", "TF-IDF", "frozen", "joined", "plain epoch", "all s", "MB")
    figures = []
    for row in rows:
        candidates = _candidates(row)
        cells = []
        for name in CANDIDATES:
            one = candidates.get(name)
            if one is None:
                cells.append("")
            elif "validation" not in one:
                cells.append(f"ended after {one['seconds']:.0f} s")
            else:
                scores = f"{one['validation']['macro_f1']:.3f} / {one['test']['macro_f1']:.3f}"
                cells.append(f"{scores}, {one['seconds']:.0f} s")
        wall, peak = _cost(row, with_epoch=True)
        _line(row["set"], row["seed"], *cells, f"{wall:.0f}", _megabytes(peak))
        figures.append(
            {"set": row["set"], "seed": row["seed"], "seconds": wall, "peak_bytes": peak}
        )
    return figures


def _cost(row: Row, *, with_epoch: bool) -> tuple[float, float]:
    """Return the seconds and the peak bytes of the reference's processes."""
    parts = [row["obvious"], *([row["epoch"]] if with_epoch and row["epoch"] else [])]
    return sum(p["wall_seconds"] for p in parts), max(p["peak_bytes"] for p in parts)


# --- searches against it ---


def _quality(rows: Sequence[Row], budget: str, budget_seconds: float) -> Row | None:
    rows = [row for row in rows if row["obvious"]]
    if not rows:
        return None
    print(f"\n### Against the obvious, {budget}")
    _table(
        "set", "seed", "search", "its model", "obvious", "its choice", "difference",
        "search s", "obvious s", "search MB", "obvious MB",
    )  # fmt: skip
    figures: list[Row] = []
    answers: dict[str, list[PairedAnswers]] = {}
    for row in rows:
        found = row["cold"][budget]
        together, _ = _cost(row, with_epoch=True)
        fits = bool(row["epoch"]) and together <= budget_seconds
        choice, reference = reference_of(_candidates(row), with_epoch=fits)
        seconds, peak = _cost(row, with_epoch=fits)
        best, test = found["summary"]["best"], found["summary"]["test"]
        ours = test["macro_f1"] if test else 0.0
        other = reference["test"]["macro_f1"]
        pair = PairedAnswers(
            truth=row["truth"],
            ours=found["predictions"] or [NO_ANSWER] * len(row["truth"]),
            reference=reference["predictions"],
        )
        answers.setdefault(row["set"], []).append(pair)
        difference = paired_difference([pair]).mean
        if abs(difference - (ours - other)) > SCORE_TOLERANCE:
            print(f"\n**{row['set']}, {row['seed']}: predictions differ by {difference}**\n")
        method = best["configuration"]["method"] if best else "none"
        _line(
            row["set"], row["seed"], f"{ours:.4f}", method, f"{other:.4f}", choice,
            f"{difference:+.4f}", f"{found['wall_seconds']:.0f}", f"{seconds:.0f}",
            _megabytes(found["peak_bytes"]), _megabytes(peak),
        )  # fmt: skip
        figures.append(
            {
                "set": row["set"],
                "seed": row["seed"],
                "ours": ours,
                "method": method,
                "reference": other,
                "reference_choice": choice,
                "difference": difference,
                "seconds": found["wall_seconds"],
                "reference_seconds": seconds,
                "peak_bytes": found["peak_bytes"],
                "reference_peak_bytes": peak,
            }
        )
    return {"rows": figures, **_differences(figures, answers, budget)}


def _differences(
    figures: Sequence[Row], answers: Mapping[str, Sequence[PairedAnswers]], budget: str
) -> Row:
    _table("set", "difference", "standard error of the test rows", "below by more than two")
    by_set = {}
    for name, pairs in answers.items():
        found = paired_difference(pairs)
        flag = "**yes**" if found.clearly_below else "no"
        _line(name, f"{found.mean:+.4f}", f"{found.standard_error:.4f}", flag)
        by_set[name] = {**vars(found), "clearly_below": found.clearly_below}
    groups = [[f["difference"] for f in figures if f["set"] == name] for name in answers]
    mean = interval(groups)
    print(f"\nMean difference at {budget} (95 %, sets and seeds drawn): {_range(mean, '+.4f')}")
    return {"by_set": by_set, "mean": mean}


# --- budgets ---


def _searches(rows: Sequence[Row], first: str) -> Iterator[tuple[Row, str, str, Row]]:
    for row in rows:
        for budget, found in row["cold"].items():
            if found:
                yield row, "cold", budget, found
        for kind in ("warm", "again"):
            if row[kind]:
                yield row, kind, first, row[kind]


def _budgets(rows: Sequence[Row], budgets: Mapping[str, float]) -> Sequence[Row]:
    searches = list(_searches(rows, next(iter(budgets))))
    if not searches:
        return []
    print("\n### Was the budget kept? (of the whole process, start-up included)")
    _table("set", "seed", "search", "budget", "wall s", "of the budget", "verdict", "ended by")
    figures = []
    for row, kind, budget, found in searches:
        wall = found["wall_seconds"]
        ratio, verdict = wall / budgets[budget], budget_verdict(wall, budgets[budget])
        stopped = found["summary"].get("stopped_by")
        shown = verdict if verdict == "kept" else f"**{verdict}**"
        _line(row["set"], row["seed"], kind, budget, f"{wall:.0f}", f"{ratio:.3f}", shown, stopped)
        figures.append(
            {
                "set": row["set"],
                "seed": row["seed"],
                "kind": kind,
                "budget": budget,
                "ratio": ratio,
                "verdict": verdict,
            }
        )
    counts = {v: sum(one["verdict"] == v for one in figures) for v in ("over", "early")}
    print(f"\nover: {counts['over']}, early: {counts['early']}, of {len(figures)}")
    return figures


# --- memory ---


def _warm(rows: Sequence[Row], budget: str, budget_seconds: float) -> Row | None:
    if not rows:
        return None
    print(f"\n### With the experiences of the other sets, {budget}")
    _table(
        "set", "seed", "cold's final score", "cold s", "warm s", "of cold", "of the budget",
        "warm's final score",
    )  # fmt: skip
    figures = []
    for row in rows:
        cold, warm = row["cold"][budget]["curve"], row["warm"]["curve"]
        found = time_to_target(cold, warm, budget_seconds=budget_seconds)
        last = final_score(warm)
        if found is None:
            _line(row["set"], row["seed"], "no model", *[""] * 4, _score(last))
            continue
        _line(
            row["set"], row["seed"], _score(found.target), f"{found.cold_seconds:.0f}",
            f"{found.warm_seconds:.0f}" if found.reached else "never", f"{found.of_cold:.2f}",
            f"{found.of_budget:.2f}", _score(last),
        )  # fmt: skip
        figures.append(
            {
                "set": row["set"],
                "seed": row["seed"],
                **vars(found),
                "of_cold": found.of_cold,
                "of_budget": found.of_budget,
                "final": last,
            }
        )
    return {"rows": figures, **_ratios(figures)}


def _ratios(figures: Sequence[Row]) -> Row:
    means = {}
    for key, words in (("of_cold", "cold's own time to it"), ("of_budget", "the budget")):
        groups: dict[str, list[float]] = {}
        for one in figures:
            groups.setdefault(one["set"], []).append(one[key])
        if groups:
            means[key] = interval(list(groups.values()))
            print(f"\nMean share of {words} (95 %): {_range(means[key], '.2f')}")
    reached = sum(one["reached"] for one in figures)
    print(f"\nreached: {reached} of {len(figures)}; a target never reached counts as the budget")
    return means


def _again(rows: Sequence[Row], budget: str, budget_seconds: float) -> Row | None:
    if not rows:
        return None
    print(f"\n### A second search of the same set, {budget}")
    _table(
        "set", "seed", "first's final score", "language models until it", "first s", "second s",
        "of the first", "second's final score",
    )  # fmt: skip
    figures = []
    for row in rows:
        cold, second = row["cold"][budget]["curve"], row["again"]["curve"]
        found = time_to_target(cold, second, budget_seconds=budget_seconds)
        if found is None:
            _line(row["set"], row["seed"], "no model", *[""] * 4, _score(final_score(second)))
            continue
        trials = [ScoredTrial(**trial) for trial in row["again"]["trials"]]
        models = language_models_until(trials, found.target)
        _line(
            row["set"], row["seed"], _score(found.target), "never" if models is None else models,
            f"{found.cold_seconds:.0f}", f"{found.warm_seconds:.0f}" if found.reached else "never",
            f"{found.of_cold:.2f}", _score(final_score(second)),
        )  # fmt: skip
        figures.append(
            {
                "set": row["set"],
                "seed": row["seed"],
                **vars(found),
                "of_cold": found.of_cold,
                "of_budget": found.of_budget,
                "language_models": models,
                "final": final_score(second),
            }
        )
    soon = sum(f["language_models"] is not None and f["language_models"] <= 2 for f in figures)
    print(f"\nwith the first or second language model, or before: {soon} of {len(figures)}")
    print("(0: a cheap candidate reached it before any language model)")
    return {"rows": figures, "soon": soon, **_ratios(figures)}


def _score(score: float | None) -> str:
    return "none" if score is None else f"{score:.4f}"
