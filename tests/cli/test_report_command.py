from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.report.green.samples import searches
from tests.report.green.samples import trial
from xautolm._report import start_of
from xautolm_core.errors import ConfigError
from xautolm_core.experience.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store of two tenants."""
    folder = tmp_path / "store"
    opened = FolderStore(folder)
    for experience in searches()[:5]:
        opened.append(experience)
    opened.append(trial(9, search="theirs", joules=7.0, tenant="team-b"))
    return folder


def test_a_whole_store(call: Call, store: Path, tmp_path: Path) -> None:
    ended = call("report", "--store", store, "--out", tmp_path / "out")
    assert ended.code == 0
    assert "3 searches, 6 attempts" in ended.out
    assert "energy 547 J" in ended.out
    assert "warning: No carbon" in ended.err
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"green-report.html", "green-report.json", "green-report.csv"}


def test_one_tenant_as_json_writes_nothing(
    call: Call, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ended = call("report", "--store", store, "--tenant", "team-b", "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["energy"]["joules"] == 7.0
    assert document["scope"]["tenant"] == "team-b"
    assert sorted(tmp_path.rglob("*")) == before


def test_since_leaves_out_what_ended_before(call: Call, store: Path) -> None:
    ended = call("report", "--store", store, "--since", "2026-03-01T23:59", "--json")
    assert json.loads(ended.out)["attempts"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is not a duration"),
        (["--since", "2126-01-01"], "is still to come"),
        (["--tenant", "nobody"], "There are no trials to report (tenant nobody)"),
        (["--pue", "0.5"], "pue: Input should be greater than or equal to 1"),
        (["--grams-per-kwh", "nan"], "location_grams_per_kwh"),
        (["--price", "0.1EUR/h"], "cannot be used here"),
        (["--price", "0.1EUR/kWh", "--price", "2USD/gpuh"], "do not compare"),
        (["--intensities", "none.csv"], "has many zones, and none is given"),
        (["--zone", "DEU", "--intensities", "none.csv"], "none.csv cannot be read"),
        (["--assumptions", "none.yaml"], "There is no file none.yaml"),
        (["--model-card"], "--model-card needs run folders"),
        (["not-a-run"], "holds no search"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    call: Call, store: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ended = call("report", "--store", store, "--out", tmp_path / "out", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(call: Call, store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = call("report", "--store", store, "--out", tmp_path / "file" / "out")
    assert ended.code == 2
    assert "--out" in ended.err


def test_options_replace_what_a_file_says_of_another_place(
    call: Call, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here.yaml"
    here.write_text("zone: DEU\nlocation_grams_per_kwh: 360\nmarket_grams_per_kwh: 700\npue: 1.4\n")
    monkeypatch.setenv("XAUTOLM_ASSUMPTIONS", str(here))
    document = json.loads(call("report", "--store", store, "--json").out)
    assert document["carbon"]["location"]["grams_per_kwh"] == 360
    assert document["carbon"]["market"]["grams_per_kwh"] == 700
    other = call("report", "--store", store, "--json", "--zone", "X", "--grams-per-kwh", "50")
    document = json.loads(other.out)
    assert document["carbon"]["location"]["zone"] == "X"
    assert document["carbon"]["location"]["grams_per_kwh"] == 50
    assert document["carbon"]["market"] is None
    assert document["carbon"]["pue"] == 1.4


def test_a_time_may_be_a_date_or_a_duration() -> None:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    assert start_of("2026-03-01", now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert start_of("31d", now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert start_of(timedelta(days=31), now) == datetime(2026, 3, 1, tzinfo=UTC)
    for given in ("900000000d", "99999999999999d", timedelta(days=10**8)):
        with pytest.raises(ConfigError, match="too long ago"):
            start_of(given, now)
