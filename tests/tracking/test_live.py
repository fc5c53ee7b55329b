"""A search is never stopped by what sends it."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from tests.search.instant import Silent
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.tracking.live import send_once
from xautolm_core.tracking.live import tracked
from xautolm_core.tracking.settings import TrackingSettings
from xautolm_core.tracking.settings import read_settings


def test_a_machine_without_room_for_a_process_is_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)
    settings, observer = TrackingSettings(tracking_uri="http://mlflow.test"), Silent()
    with tracked(settings, tmp_path, observer):
        (tmp_path / SEARCH_FILE).write_text("{}")
    assert "cannot be started (Resource temporarily unavailable)" in observer.notes[0]
    assert "xautolm mlflow sync" in observer.notes[0]
    assert read_settings(tmp_path) == settings
    assert "cannot be started" in send_once(settings, tmp_path).problem
