from __future__ import annotations

import pytest

from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import write_data
from xautolm_core.steps.fingerprint import fingerprint_task

pytestmark = pytest.mark.s3


@pytest.mark.parametrize("parameter", ["store", "workspace", "registry"])
def test_a_bucket_that_is_missing_ends_the_run_before_any_trial(
    s3_server, bucket, tmp_path, monkeypatch, capsys, parameter
):
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    places = {name: f"s3://{bucket}/{name}" for name in ("store", "workspace", "registry")}
    places[parameter] = f"s3://{bucket}-absent/{parameter}"
    parameters = parameters_for(write_data(tmp_path / "moods.csv"), tmp_path, **places)
    with pytest.raises(SystemExit) as caught:
        fingerprint_task(parameters)
    error = capsys.readouterr().err
    assert caught.value.code == 3
    assert error.startswith(f"error: {parameter}: ")
    assert f"{bucket}-absent" in error
    assert s3_server.secret_key not in error


def test_wrong_keys_end_the_run_before_any_trial(s3_server, bucket, tmp_path, monkeypatch, capsys):
    for name, value in s3_server.environment(SECRET_KEY="not-the-secret").items():
        monkeypatch.setenv(name, value)
    places = {name: f"s3://{bucket}/{name}" for name in ("store", "workspace", "registry")}
    parameters = parameters_for(write_data(tmp_path / "moods.csv"), tmp_path, **places)
    with pytest.raises(SystemExit) as caught:
        fingerprint_task(parameters)
    assert caught.value.code == 3
    assert "not-the-secret" not in capsys.readouterr().err
