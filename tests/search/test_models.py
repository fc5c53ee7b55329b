from __future__ import annotations

from pathlib import Path

import pytest

from tests.search import spaces
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.models import delete_useless
from xautolm_core.search.models import model_folder
from xautolm_core.search.models import point_to_best
from xautolm_core.search.models import settle_best
from xautolm_core.search.records import choose_alternative
from xautolm_core.search.records import choose_best
from xautolm_core.search.records import objective_values
from xautolm_core.search.records import with_front

OBJECTIVES = (Objective.F1, Objective.TIME)


def record(
    number: int,
    f1: float | None,
    seconds: float = 10.0,
    attempt: int = 0,
    *,
    method: str | None = None,
) -> TrialRecord:
    result = TrialResult(
        search_id="s",
        trial_number=number,
        attempt=attempt,
        outcome=Outcome.TIMEOUT if f1 is None else Outcome.OK,
        scores={} if f1 is None else {"macro_f1": Score(value=f1)},
        seconds={"train": seconds - 1, "evaluate": 1.0},
        model_folder=None if f1 is None else "model",
    )
    values = objective_values(result, OBJECTIVES)
    configuration = spaces.configuration()
    if method is not None:
        configuration = configuration.model_copy(update={"method": method})
    return TrialRecord(number, configuration, result, "", values)


def save_model(out: Path, of: TrialRecord) -> None:
    folder = model_folder(out, of)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(str(of.number))
    (folder / "saved.json").write_text("{}")


def content(out: Path) -> str:
    return (out / "model" / "model.safetensors").read_text()


def test_the_link_follows_the_best_and_becomes_a_folder(tmp_path):
    first, second = record(0, 0.7), record(1, 0.8)
    for one in (first, second):
        save_model(tmp_path, one)
        point_to_best(tmp_path, one)
        assert content(tmp_path) == str(one.number)
    assert (tmp_path / "model").is_symlink()
    assert not (tmp_path / "model").readlink().is_absolute()
    settle_best(tmp_path, second, None)
    assert not (tmp_path / "model").is_symlink()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.safetensors"]
    assert content(tmp_path) == "1"
    original = model_folder(tmp_path, second) / "model.safetensors"
    assert (tmp_path / "model" / "model.safetensors").samefile(original)
    # A resumed search finds a better one, and the folder becomes a link again.
    third = record(2, 0.9)
    save_model(tmp_path, third)
    point_to_best(tmp_path, third)
    assert content(tmp_path) == "2"
    settle_best(tmp_path, third, None)
    assert content(tmp_path) == "2"
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"model", "trials"}


def test_without_a_model_nothing_is_touched(tmp_path):
    point_to_best(tmp_path, None)
    point_to_best(tmp_path, record(0, 0.5))
    settle_best(tmp_path, record(0, 0.5), None)
    assert list(tmp_path.iterdir()) == []


def test_the_best_of_the_other_kind_stays_and_gets_a_folder_of_its_own(tmp_path):
    records = [
        record(0, 0.7, method="tfidf"),
        record(1, 0.8, method="linear_probe"),
        record(2, 0.9, 30),
        record(3, 0.95, 40),
    ]
    for one in records:
        save_model(tmp_path, one)
    best = choose_best(records)
    other = choose_alternative(records, best)
    assert best is not None and other is not None
    assert (best.number, other.number) == (3, 1)
    assert choose_alternative(records[:2], records[1]) is None
    assert choose_alternative(records, None) is None
    assert delete_useless(tmp_path, records, best, "best") == [0, 2]
    settle_best(tmp_path, best, other)
    assert content(tmp_path) == "3"
    assert (tmp_path / "alternative" / "model.safetensors").read_text() == "1"
    # Later another one is the alternative, and its model is not there: the old one is not its.
    settle_best(tmp_path, best, records[0])
    assert content(tmp_path) == "3" and not (tmp_path / "alternative").exists()


@pytest.mark.parametrize(("keep", "left"), [("front", {0, 2}), ("best", {2}), ("all", {0, 1, 2})])
def test_which_models_are_deleted(tmp_path, keep, left):
    records = with_front([record(0, 0.7, 5), record(1, 0.6, 6), record(2, 0.9, 30)], OBJECTIVES)
    for one in records:
        save_model(tmp_path, one)
    delete_useless(tmp_path, records, choose_best(records), keep)
    assert {r.number for r in records if model_folder(tmp_path, r).exists()} == left


def test_front_and_best():
    records = [record(3, None), record(2, 0.9, 30), record(1, 0.9, 20), record(0, 0.5, 2)]
    found = with_front(records, OBJECTIVES)
    assert [r.number for r in found] == [0, 1, 2, 3]
    assert [r.on_front for r in found] == [True, True, False, False]
    best = choose_best(found)
    assert best is not None
    assert best.number == 1
    assert choose_best([record(0, None)]) is None
    only_f1 = with_front(records, (Objective.F1,))
    assert [r.number for r in only_f1 if r.on_front] == [1, 2]


def test_values_need_every_objective():
    result = record(0, 0.5).result
    assert objective_values(result, OBJECTIVES) == {"f1": 0.5, "time": 10.0}
    assert objective_values(result, (*OBJECTIVES, Objective.LATENCY)) == {}
    lost = result.model_copy(update={"scores": {"macro_f1": Score(value=float("nan"))}})
    assert objective_values(lost, OBJECTIVES) == {}
