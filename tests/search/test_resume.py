from __future__ import annotations

from pathlib import Path

import pytest

from tests.search import spaces
from tests.search.instant import analytic_result
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.folders import PROPOSAL_FILE
from xautolm_core.search.folders import Proposal
from xautolm_core.search.folders import trial_folder
from xautolm_core.search.resume import is_final
from xautolm_core.search.resume import read_run
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json


def leave(
    out: Path, number: int, attempt: int = 0, *, spec: bool = True, outcome: Outcome | None = None
) -> None:
    folder = trial_folder(out, number, attempt)
    tried = spaces.configuration(epochs=number + 1)
    proposal = Proposal(number=number, configuration=tried, why="because")
    write_json(folder / PROPOSAL_FILE, proposal)
    submitted = TrialSpec(
        search_id="s",
        trial_number=number,
        attempt=attempt,
        task_folder=out,
        out_folder=folder,
        cache_folder=out,
        configuration=tried,
        model=ModelReference(id="org/small"),
        seed=0,
    )
    if spec:
        write_json(folder / "spec.json", submitted)
    if outcome is not None:
        result = analytic_result(submitted).model_copy(update={"outcome": outcome})
        write_json(folder / "result.json", result)


def test_what_is_done_and_what_is_to_be_run(tmp_path):
    leave(tmp_path, 0, outcome=Outcome.OK)
    leave(tmp_path, 1, outcome=Outcome.OOM_HOST)
    leave(tmp_path, 2)  # killed while it ran
    leave(tmp_path, 3, spec=False)  # killed before it was submitted
    leave(tmp_path, 4, outcome=Outcome.CANCELLED)
    leave(tmp_path, 5, outcome=Outcome.INFRA)
    leave(tmp_path, 6, outcome=Outcome.INFRA)
    leave(tmp_path, 6, 1, outcome=Outcome.INFRA)
    leave(tmp_path, 7, outcome=Outcome.INFRA)
    leave(tmp_path, 7, 1)
    found = read_run(tmp_path)
    assert [r.proposal.number for r in found] == list(range(8))
    outcomes = [r.final.result.outcome if r.final and r.final.result else None for r in found]
    assert outcomes == [
        Outcome.OK, Outcome.OOM_HOST, None, None, None, None, Outcome.INFRA, None
    ]  # fmt: skip
    again = {r.proposal.number: r.next_attempt for r in found if r.final is None}
    assert again == {2: 1, 3: 0, 4: 1, 5: 1, 7: 2}
    assert [r.infra_attempts for r in found] == [0, 0, 0, 0, 0, 1, 2, 1]
    assert [r.proposal.number for r in found if r.final is None and r.lost_spec] == [2, 7]


@pytest.mark.parametrize(
    ("outcome", "infra", "final"),
    [
        (Outcome.OK, 0, True),
        (Outcome.TIMEOUT, 1, True),
        (Outcome.INFRA, 1, False),
        (Outcome.INFRA, 2, True),
        (Outcome.CANCELLED, 0, False),
        (Outcome.PREEMPTED, 5, False),
    ],
)
def test_final_outcomes(outcome, infra, final):
    assert is_final(outcome, infra) is final


def test_torn_and_foreign_files_count_as_missing(tmp_path):
    leave(tmp_path, 0, outcome=Outcome.OK)
    (trial_folder(tmp_path, 0, 0) / "result.json").write_text('{"outcome": "ok", ')
    leave(tmp_path, 1, outcome=Outcome.OK)
    foreign = (trial_folder(tmp_path, 1, 0) / "result.json").read_text()
    (trial_folder(tmp_path, 1, 0) / "result.json").write_text(
        foreign.replace('"trial_number": 1', '"trial_number": 9')
    )
    (tmp_path / "trials" / "notes").mkdir()
    (tmp_path / "trials" / "0002-0").mkdir()
    found = read_run(tmp_path)
    assert [r.final for r in found] == [None, None]


def test_an_empty_folder_has_no_trials(tmp_path):
    assert read_run(tmp_path) == []


def test_only_faults_of_this_machines_disk_are_taken_as_repaired(tmp_path):
    disk = Failure(kind="SafetensorError", message="No space left on device (os error 28)")
    faults = [
        (disk, {}),
        (Failure(kind="SIGBUS", message="killed by a signal, without a result"), {}),
        (disk, {"download": 1.0}),
        (Failure(kind="SIGSEGV", message="killed by a signal, without a result"), {}),
    ]
    for number, (failure, seconds) in enumerate(faults):
        for attempt in range(2):
            leave(tmp_path, number, attempt, outcome=Outcome.INFRA)
            file = trial_folder(tmp_path, number, attempt) / "result.json"
            result = TrialResult.model_validate_json(file.read_bytes())
            told = result.model_copy(update={"failure": failure, "seconds": seconds})
            write_json(file, told)
    found = read_run(tmp_path)
    assert [r.final is None for r in found] == [True, True, False, False]
    assert [r.infra_attempts for r in found] == [0, 0, 2, 2]
    assert [r.next_attempt for r in found] == [2, 2, 2, 2]
