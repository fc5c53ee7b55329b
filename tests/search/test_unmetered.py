"""Energy as an objective where nothing meters it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.cli.summary import print_summary
from xautolm_core.errors import ConfigError
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import EnergyReading
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.opening import require_meter
from xautolm_core.search.runner import run_search
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.trial.contract import TrialSpec

MakeSpec = Callable[..., SearchSpec]
_ENERGY = (Objective.F1, Objective.ENERGY)


def _search(
    spec: SearchSpec,
    out: Path,
    result: Callable[[TrialSpec], TrialResult] = analytic_result,
    *,
    resume: bool = False,
) -> SearchResult:
    return run_search(
        spec,
        out,
        launcher=InstantLauncher(result),
        observer=Silent(),
        resume=resume,
        with_test=False,
    )


@pytest.mark.parametrize(
    "changes", [{"objectives": _ENERGY}, {"spending": SpendingLimits(energy_kwh=1)}]
)
def test_what_needs_readings_is_refused_where_metering_is_off(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    spec = make_spec(**changes)
    require_meter(spec, {})
    monkeypatch.setenv("XAUTOLM_ENERGY", " Off ")
    with pytest.raises(ConfigError, match="needs readings, and no trial has any"):
        _search(spec, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # Trials elsewhere have variables of their own.
    require_meter(spec, {})
    require_meter(make_spec(), {"XAUTOLM_ENERGY": "off"})


def test_without_any_reading_the_model_is_kept_and_the_front_says_so(
    make_spec: MakeSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    first = _search(make_spec(objectives=_ENERGY, max_trials=4), out)
    result = _search(make_spec(objectives=_ENERGY), out, resume=True)
    assert first.best is not None and result.best is not None
    best = max(t.values["f1"] for t in result.trials if t.values)
    # The other objectives make the front: here the score alone.
    assert [t.values for t in result.front] == [{"f1": best}]
    assert (out / "model").is_dir()
    write_result_folder(result)
    print_summary(result)
    words = "unmetered: no trial has a reading"
    assert f"Energy:  {words}" in capsys.readouterr().out
    assert f"Energy is {words}" in (out / "report.html").read_text()
    (entry,) = json.loads((out / "pareto.json").read_text())
    assert entry["energy_joules"] is None and entry["values"] == {"f1": best}


def test_beside_a_trial_with_a_reading_one_without_has_no_place(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    reading = EnergyReading(component="cpu", joules=5.0, source="rapl", quality="A")

    def sometimes(spec: TrialSpec) -> TrialResult:
        found = analytic_result(spec)
        is_metered = spec.trial_number == 2
        return found.model_copy(update={"energy": (reading,)}) if is_metered else found

    spec = make_spec(objectives=_ENERGY, sampler_options={"starts": "none"})
    result = _search(spec, tmp_path / "run", sometimes)
    metered = result.trials[2]
    assert metered.values.keys() == {"f1", "energy"}
    assert [t.number for t in result.front] == [2]
    # The model with the best score is the chosen one all the same.
    scored = [t for t in result.trials if t.values]
    assert result.best == max(scored, key=lambda t: t.values["f1"]).number
