"""The registry on a real S3 server: the same as on a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.models import make_record
from tests.registry.models import write_model
from tests.servers.fixtures import S3Server
from xautolm_core.registry.documents import DamagedVersionError
from xautolm_core.registry.registry import ModelRegistry

pytest.importorskip("minio")
pytestmark = pytest.mark.s3


def test_a_models_life(
    s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    address = f"s3://{bucket}/models"
    registry = ModelRegistry.open(address)
    folder = write_model(tmp_path / "model")
    names = ("moods", "Stimmungen älterer Leute")
    for name in names:
        first, second = (
            registry.register(name, folder, make_record(trial=t), seen_rows=b"rows") for t in (1, 2)
        )
        assert registry.register(name, folder, make_record(trial=1)) == first
        for model in (first, second, first):
            registry.promote(model)
        again = ModelRegistry.open(address)
        assert again.champion(name) == first
        assert again.versions(name) == sorted([first, second], key=lambda m: m.version)
        assert again.seen_rows(first) == b"rows"
        assert (again.fetch(first, tmp_path / "got") / "config.json").read_text() == "{}"
    assert registry.tasks() == sorted(names)

    objects = s3_server.objects(bucket, "models")
    objects.put(first.uri.removeprefix(f"{address}/"), b"{}")
    assert registry.versions(name) == [second]
    with pytest.raises(DamagedVersionError):
        registry.champion(name)
