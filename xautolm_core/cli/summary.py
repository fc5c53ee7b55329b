"""What a search prints at its end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xautolm_core.cli.output import print_table
from xautolm_core.progress.state import outcome_counts
from xautolm_core.report.document import chosen_trial
from xautolm_core.report.document import front_by_time
from xautolm_core.report.document import is_untrained
from xautolm_core.report.document import task_name
from xautolm_core.report.energy_account import account_energy
from xautolm_core.report.task_parts import report_parts
from xautolm_core.report.verdict import verdict
from xautolm_core.report.wording import UNMETERED
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import count_words
from xautolm_core.report.wording import joules_words
from xautolm_core.report.wording import made_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.report.wording import stop_words
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import REPORT_FILE
from xautolm_core.search.contract import Objective
from xautolm_core.tasks.task_type import primary_score

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord


def print_summary(result: SearchResult) -> None:
    """Print the front, the chosen model, its test scores, and what to do next."""
    best = chosen_trial(result)
    counts = outcome_counts(result.outcomes)
    typer.echo(
        f"\n{task_name(result)}: {count_words(len(result.trials), 'trial')} in "
        f"{seconds_words(result.seconds)}{f' ({counts})' if counts else ''}; "
        f"{stop_words(result.stopped_by)}"
    )
    if result.front:
        typer.echo()
        _print_front(result)
    typer.echo()
    if best is None:
        typer.echo("No trial gave a model; the report says how each of them ended.")
    else:
        _print_best(result, best)
    _print_energy(result)
    run = shlex.quote(str(result.out_folder))
    typer.echo(f"Report:  {result.out_folder / REPORT_FILE}")
    if best is not None:
        typer.echo(f"Model:   {result.out_folder / BEST_MODEL_FOLDER}")
        typer.echo(f"Predict: xautolm predict {run} {report_parts(result).predict_options}")
    if result.stopped_by == "interrupted":
        typer.echo(f"Resume:  {resume_command(result.out_folder)}")


def resume_command(out_folder: Path) -> str:
    """Return the command that goes on with a run."""
    return f"xautolm search --resume {shlex.quote(str(out_folder))}"


def _print_front(result: SearchResult) -> None:
    rows = []
    for record in front_by_time(result):
        score = primary_score(record.result.scores)
        untrained = " (not pretrained)" if is_untrained(result, record.configuration) else ""
        rows.append(
            (
                f"#{record.number}{' *' if record.number == result.best else ''}",
                score_words(score.value if score else None),
                seconds_words(record.result.comparable_seconds),
                configuration_words(record.configuration) + untrained,
            )
        )
    title = result.primary.title
    print_table(("front", title, "time", "configuration"), rows, right=(title, "time"))


def _print_energy(result: SearchResult) -> None:
    account = account_energy(result.trials)
    if account.joules is None:
        if Objective.ENERGY in result.spec.objectives and result.trials:
            typer.echo(f"Energy:  {UNMETERED}")
        return
    line = f"Energy:  {joules_words(account.joules)} in all trials, class "
    line += " and ".join(account.by_quality)
    if account.wasted_joules:
        line += f"; {joules_words(account.wasted_joules)} of it in trials that failed"
    if account.unmetered_trials:
        line += f"; {count_words(account.unmetered_trials, 'trial')} without a reading"
    typer.echo(line)


def _print_best(result: SearchResult, best: TrialRecord) -> None:
    score = primary_score(best.result.model_scores)
    line = (
        f"Chosen:  trial {best.number}: {made_words(best.configuration, full_id=False)}, "
        f"{result.primary.title} "
    )
    line += f"{score_words(score.value if score else None)} on validation"
    if result.test is not None:
        line += f", {score_words(result.test.score)} on test"
    if is_untrained(result, best.configuration):
        line += " (not pretrained)"
    typer.echo(line)
    compared = verdict(result)
    typer.echo(f"{compared.headline}. {compared.explanation}")
