"""``xautolm why``: run folders as a search leaves them, at any moment."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.running import Call
from tests.report.samples import explained_trials
from tests.report.samples import search_result
from tests.report.samples import trials
from xautolm_core.cli.why_command import _read_trials
from xautolm_core.cli.why_view import trial_lines
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.folders import PROPOSAL_FILE
from xautolm_core.search.folders import Proposal
from xautolm_core.search.folders import trial_folder
from xautolm_core.search.result_file import write_result
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

LONG = "\x1b[31ma task of a very long name " * 4
CJK = "日本語" * 20


def leave(folder: Path, records: list[TrialRecord], *, running: int | None = None) -> SearchResult:
    """Leave a run folder with those trials; one of them may still run."""
    result = search_result(folder, records=records)
    write_json(folder / "search.json", result.spec)
    for one in records:
        place = trial_folder(folder, one.number, 0)
        proposal = Proposal(
            number=one.number,
            configuration=one.configuration,
            why=one.why,
            explanation=one.explanation,
        )
        spec = TrialSpec(
            search_id=result.spec.search_id,
            trial_number=one.number,
            task_folder=folder,
            out_folder=place,
            cache_folder=folder,
            configuration=one.configuration,
            model=ModelReference(id=model) if (model := one.configuration.model) else None,
            seed=0,
        )
        write_json(place / PROPOSAL_FILE, proposal)
        write_json(place / "spec.json", spec)
        if one.number != running:
            write_json(place / "result.json", one.result)
    return result


@pytest.fixture
def run(tmp_path: Path) -> Path:
    leave(tmp_path / "run", explained_trials((LONG, CJK)), running=8)
    return tmp_path / "run"


def test_a_line_a_trial(call: Call, run: Path) -> None:
    ended = call("why", run)
    assert (ended.code, ended.err) == (0, "")
    titles, *lines = ended.out.splitlines()
    expected = ["trial", "score", "got", "time", "took", "fails", "outcome", "came", "from"]
    assert titles.split() == expected
    assert len(lines) == 9
    assert lines[0].split()[:4] == ["0", "0.799", "2.42", "s"]
    assert lines[4].startswith("    4  0.880 (.85-.91)  0.888  40.5 s  48.6 s    3 %  ok")
    assert lines[4].endswith("nearest tasks: docstrings-a (0.93), docstrings-b (0.41)")
    assert "timeout" in lines[3]
    assert "not ended" in lines[8]
    assert "None" not in ended.out and "nan" not in ended.out


@pytest.mark.parametrize("width", [40, 80, 100])
def test_nothing_is_wider_than_the_terminal(run: Path, width: int) -> None:
    found = _read_trials(run)
    why = {"why": f"{LONG} {CJK}"}
    found = [replace(one, proposal=one.proposal.model_copy(update=why)) for one in found]
    lines = trial_lines(found, width)
    numbers = [line.split()[0] for line in lines if line[:5].strip().isdigit()]
    assert numbers == [str(n) for n in range(9)]
    assert "\x1b" not in "".join(lines)
    assert width < 80 or max(map(cell_len, lines)) <= width
    # A line a trial as long as there is room beside the numbers.
    assert (len(lines) == 10) == (width >= 80)


def test_all_of_one_trial(call: Call, run: Path) -> None:
    ended = call("why", run, "4")
    assert (ended.code, ended.err) == (0, "")
    for part in (
        "Trial 4: all-MiniLM-L6-v2 full",
        "Came from: nearest tasks: docstrings-a",
        "0.8500 to 0.9100",
        "30.0 s to 51.0 s",
        "0.8877",
        "48.6 s",
        "past its time limit        2.0 %",
        "any of them                3.4 %",
        "history as the mean",
        "75 %",
        "0.25",
    ):
        assert part in ended.out, part
    assert "\x1b" not in ended.out
    assert "None" not in ended.out
    assert "not ended" in call("why", run, "8").out
    cheap = call("why", run, "0").out
    assert "macro F1: 0.7990" in cheap and "expected" not in cheap


def test_documents(call: Call, run: Path) -> None:
    document = json.loads(call("why", run, "--json").out)
    assert [one["trial"] for one in document["trials"]] == list(range(9))
    assert document["trials"][0]["predicted"] is None
    assert document["trials"][8]["outcome"] is None
    one = json.loads(call("why", run, "4", "--json").out)
    assert one == document["trials"][4]
    assert one["predicted"]["time"] == {"median": 40.5, "low": 30.0, "high": 51.0}
    assert one["came_to"] == {"f1": 0.8877, "time": pytest.approx(48.62)}
    assert one["structures"]["f1"]["without history"] == 0.25
    assert [task["weight"] for task in one["nearest_tasks"]] == [0.5, 0.25]


def test_a_sampler_that_predicts_nothing(call: Call, tmp_path: Path) -> None:
    leave(tmp_path, trials())
    out = call("why", tmp_path).out
    assert out.splitlines()[0].split()[:3] == ["trial", "got", "took"]
    assert "The sampler guarded predicts nothing of a trial" in out
    (tmp_path / "empty").mkdir()
    leave(tmp_path / "empty", [])
    assert call("why", tmp_path / "empty").out == "no trial was proposed yet\n"
    assert "has no trial yet" in call("why", tmp_path / "empty", "0").err


def test_the_folder_that_a_pipeline_leaves(call: Call, tmp_path: Path) -> None:
    result = search_result(tmp_path, records=explained_trials())
    write_json(tmp_path / "search.json", result.spec)
    write_result(result, tmp_path)
    whole = json.loads(call("why", tmp_path, "--json").out)
    leave(tmp_path / "run", explained_trials())
    same = json.loads(call("why", tmp_path / "run", "--json").out)
    assert whole["trials"] == same["trials"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere holds no search"),
        (("run", "9"), "has no trial 9. Its trials are 0 to 8"),
        (("run", "-1"), "-1"),
        (("run", "x"), "should be a valid integer"),
    ],
)
def test_bad_input_is_one_line(
    call: Call, run: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(run.parent)
    ended = call("why", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_what_a_trial_waits_for_and_why_it_ran_again(call: Call, run: Path) -> None:
    records = explained_trials()
    failure = Failure(kind="EvictionByEvictionAPI", message="its pod was evicted")
    evicted = records[4].result.model_copy(
        update={"outcome": Outcome.PREEMPTED, "failure": failure, "scores": {}}
    )
    again = trial_folder(run, 4, 1)
    shutil.copytree(trial_folder(run, 4, 0), again)
    spec = TrialSpec.model_validate_json((again / "spec.json").read_bytes())
    write_json(again / "spec.json", spec.model_copy(update={"attempt": 1}))
    write_json(again / "result.json", records[4].result.model_copy(update={"attempt": 1}))
    write_json(trial_folder(run, 4, 0) / "result.json", evicted)
    waits = {"phase": "waiting", "waits_for": 'FailedMount: secret "absent" not found'}
    write_json(trial_folder(run, 8, 0) / "heartbeat.json", waits)
    told = call("why", run, "4").out
    assert "Attempt 0: evicted from its machine (its pod was evicted)" in told
    assert 'Waits for: FailedMount: secret "absent" not found' in call("why", run, "8").out
    (attempt,) = json.loads(call("why", run, "4", "--json").out)["earlier_attempts"]
    assert (attempt["attempt"], attempt["outcome"]) == (0, "preempted")
    assert json.loads(call("why", run, "8", "--json").out)["waits_for"] == waits["waits_for"]
