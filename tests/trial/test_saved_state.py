from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.trial.contract import SAVED_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.saved_state import SavedState
from xautolm_core.trial.saved_state import claim_saved
from xautolm_core.trial.saved_state import saved_folder
from xautolm_core.whole_files import write_json

MakeSpec = Callable[..., TrialSpec]
WEIGHTS = "model.safetensors"


def save(spec: TrialSpec, evaluation: int, *, attempt: int = 0, model: bool = True) -> Path:
    folder = saved_folder(spec.out_folder, evaluation)
    folder.mkdir(parents=True)
    files = {}
    if model:
        (folder / WEIGHTS).write_bytes(b"w" * evaluation)
        files[WEIGHTS] = evaluation
    result = TrialResult(
        search_id=spec.search_id,
        trial_number=spec.trial_number,
        attempt=attempt,
        outcome=Outcome.OK,
        scores={"macro_f1": Score(value=evaluation / 100)},
    )
    write_json(folder / SAVED_FILE, SavedState(result=result, files=files))
    return folder


def test_the_last_state_becomes_the_model_and_the_others_go(make_spec: MakeSpec) -> None:
    spec = make_spec()
    for evaluation in (2, 11, 9):
        save(spec, evaluation)
    for _ in range(2):
        state = claim_saved(spec)
        assert state is not None and state.model_folder == "model"
        assert state.result.scores["macro_f1"].value == 0.11
        assert [path.name for path in spec.out_folder.iterdir()] == ["model"]
    assert (spec.out_folder / "model" / WEIGHTS).stat().st_size == 11


def test_what_is_not_whole_is_not_taken(make_spec: MakeSpec) -> None:
    spec = make_spec()
    save(spec, 1)
    (save(spec, 2) / WEIGHTS).write_bytes(b"w")
    (save(spec, 3) / WEIGHTS).unlink()
    (save(spec, 4) / SAVED_FILE).write_text('{"result": {"sea')
    (save(spec, 5) / SAVED_FILE).unlink()
    save(spec, 6).rename(spec.out_folder / ".saved.abc")
    state = claim_saved(spec)
    assert state is not None and state.result.scores["macro_f1"].value == 0.01


@pytest.mark.parametrize("claimed", [False, True])
def test_a_state_of_another_attempt_is_not_taken(claimed: bool, make_spec: MakeSpec) -> None:
    spec = make_spec()
    folder = save(spec, 1, attempt=1)
    if claimed:
        folder.rename(spec.out_folder / "model")
    assert claim_saved(spec) is None


def test_scores_without_a_model_make_no_model(make_spec: MakeSpec) -> None:
    spec = make_spec(save_model=False)
    save(spec, 1, model=False)
    for _ in range(2):
        state = claim_saved(spec)
        assert state is not None and state.model_folder is None
        assert not (spec.out_folder / "model").exists()
