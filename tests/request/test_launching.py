"""Where trials run: what may be asked for, and what a resume may change of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.cluster_search import CLUSTER_FILE
from xautolm_core.cluster_search import ClusterRun
from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.settings import ClusterSettings
from xautolm_core.request.launching import given_cluster
from xautolm_core.request.launching import resumed_cluster
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import given_options
from xautolm_core.request.search_request import new_search

SETTINGS = "image: trial:1\nworkspace: s3://bucket/searches?region=x\n"


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    file = tmp_path / "cluster.yaml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture
def run(tmp_path: Path, settings_file: Path) -> Path:
    """The run folder of a search on a cluster."""
    settings = given_cluster("kubernetes", settings_file)
    assert settings is not None
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / CLUSTER_FILE).write_text(ClusterRun(settings=settings, measured={}).model_dump_json())
    return folder


def test_the_settings_of_a_cluster_are_read(settings_file: Path) -> None:
    assert given_cluster(None, None) is None
    assert given_cluster("local", None) is None
    settings = given_cluster("kubernetes", settings_file)
    assert settings == ClusterSettings(image="trial:1", workspace="s3://bucket/searches?region=x")


@pytest.mark.parametrize(
    ("launcher", "content", "words"),
    [
        ("slurm", None, "no launcher 'slurm'"),
        ("kubernetes", None, "its settings are missing"),
        (None, SETTINGS, "--launcher-settings"),
        ("kubernetes", "image: trial:1\n", "workspace: Field required"),
        ("kubernetes", "workspace: work\n", "image: Field required"),
        ("kubernetes", f"{SETTINGS}gpus: 1\n", "cluster.yaml:3: gpus"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, launcher: str | None, content: str | None, words: str
) -> None:
    file = None
    if content is not None:
        file = tmp_path / "cluster.yaml"
        file.write_text(content)
    with pytest.raises(ConfigError, match=words):
        given_cluster(launcher, file)


def test_a_resume_goes_on_where_the_trials_are(run: Path, settings_file: Path) -> None:
    known = resumed_cluster(None, None, run)
    assert known is not None
    assert known.image == "trial:1"
    settings_file.write_text(SETTINGS.replace("trial:1", "trial:2"))
    changed = resumed_cluster("kubernetes", settings_file, run)
    assert changed is not None
    assert changed.image == "trial:2"
    settings_file.write_text(SETTINGS.replace("searches", "others"))
    with pytest.raises(ConfigError, match="the workspace of the search is s3://bucket/searches"):
        resumed_cluster(None, settings_file, run)
    with pytest.raises(ConfigError, match="by --launcher kubernetes"):
        resumed_cluster("local", None, run)


def test_a_search_of_this_machine_is_not_resumed_elsewhere(
    tmp_path: Path, settings_file: Path
) -> None:
    assert resumed_cluster(None, None, tmp_path) is None
    for launcher, words in (("kubernetes", "by --launcher local"), (None, "--launcher-settings")):
        with pytest.raises(ConfigError, match=words):
            resumed_cluster(launcher, settings_file, tmp_path)


def test_neither_torch_nor_a_gpu_is_needed_here(
    tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text(f"{SETTINGS}resources: {{gpu_count: 2}}\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "reviews.csv").write_text("text,label\na,x\n")
    options = SearchOptions(
        data=str(tmp_path / "reviews.csv"),
        store=str(tmp_path / "store"),
        out=tmp_path / "out",
        budget="2gpuh",
        launcher="kubernetes",
        launcher_settings=settings_file,
    )
    request = new_search(options)
    assert request.cluster is not None
    assert request.spec.spending.gpus_per_trial == 2
    with pytest.raises(ConfigError, match="trial"):
        new_search(given_options({**dict(options), "launcher": None, "launcher_settings": None}))
