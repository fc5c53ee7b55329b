"""``xautolm why``: why trials were proposed, what was expected of them, and their outcome."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xautolm_core.cli.why_view import ProposedTrial


def why(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a search.")],
    trial: Annotated[
        int | None,
        typer.Argument(metavar="[TRIAL]", min=0, help="Number of a trial; all if left out."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show why trials were proposed, what the sampler expected of them, and their outcome.

    Without TRIAL one line per trial; with it also what the expectation is based on.
    """
    from xautolm_core.cli.output import print_json
    from xautolm_core.cli.why_view import print_trial
    from xautolm_core.cli.why_view import print_trials
    from xautolm_core.cli.why_view import trial_document
    from xautolm_core.report.green.runs import read_run

    folder = run.expanduser()
    spec = read_run(folder).spec
    trials = _read_trials(folder)
    if trial is not None:
        found = _find(trials, trial, run)
        if as_json:
            print_json(trial_document(found))
        else:
            print_trial(found)
        return
    if as_json:
        print_json(
            {
                "run": str(folder),
                "search_id": spec.search_id,
                "sampler": spec.sampler,
                "trials": [trial_document(one) for one in trials],
            }
        )
        return
    print_trials(trials, sampler=spec.sampler)


def _read_trials(folder: Path) -> list[ProposedTrial]:
    """Return each proposal, by number, with its result and the ends of its earlier attempts.

    A folder that a step of a pipeline has written has the search's result in place of its trials.
    """
    from xautolm_core.cli.why_view import ProposedTrial
    from xautolm_core.search.folders import Proposal
    from xautolm_core.search.records import as_continuation
    from xautolm_core.search.result_file import RESULT_FILE
    from xautolm_core.search.result_file import read_result
    from xautolm_core.search.resume import read_run
    from xautolm_core.trial.contract import TRIALS_FOLDER
    from xautolm_core.trial.files import read_heartbeat
    from xautolm_core.trial.heartbeat_facts import waits_for

    if not (folder / TRIALS_FOLDER).is_dir() and (folder / RESULT_FILE).is_file():
        return [
            ProposedTrial(
                Proposal(
                    number=one.number,
                    configuration=one.configuration,
                    why=one.why,
                    explanation=one.explanation,
                ),
                one.result,
            )
            for one in read_result(folder).trials
        ]
    found: list[ProposedTrial] = []
    for resumed in read_run(folder):
        result = None if resumed.final is None else resumed.final.result
        if result is not None:
            result = as_continuation(result, resumed.proposal.continues)
        attempts = [one.result for one in resumed.attempts if one is not resumed.final]
        waits = "" if result is not None else waits_for(read_heartbeat(resumed.attempts[-1].folder))
        found.append(
            ProposedTrial(
                resumed.proposal,
                result,
                tuple(one for one in attempts if one is not None),
                waits_for=waits,
            )
        )
    return found


def _find(trials: Sequence[ProposedTrial], number: int, run: Path) -> ProposedTrial:
    from xautolm_core.errors import ConfigError

    for one in trials:
        if one.proposal.number == number:
            return one
    if not trials:
        raise ConfigError(f"{run} has no trial yet", hint="Wait for the search to begin one")
    raise ConfigError(
        f"{run} has no trial {number}",
        hint=f"Its trials are {trials[0].proposal.number} to {trials[-1].proposal.number}; "
        f"xautolm why {run} lists them",
    )
