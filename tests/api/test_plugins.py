"""Plug-ins of other packages: found by name, named when at fault, used without a line here.

The package in ``plugin/`` is built and installed by pip, into a folder of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import ClassVar

import pandas as pd
import pytest

from tests.cli.running import run_process
from xautolm import ConfigError
from xautolm.extending import EnergyProvider
from xautolm.extending import LauncherInputs
from xautolm.extending import MeterInputs
from xautolm.testing import EnergyMeterContract
from xautolm.testing import SamplerContract
from xautolm_components.conftest import WITH_CHEAP
from xautolm_components.conftest import write_data
from xautolm_core.cluster_search import _require_plugins
from xautolm_core.energy.surroundings import METERS
from xautolm_core.launch.choice import open_launcher
from xautolm_core.objects.open import open_objects
from xautolm_core.plugins import PluginReference
from xautolm_core.plugins import Registry
from xautolm_core.plugins import installed_plugins
from xautolm_core.progress.line_view import QuietView
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import given_options
from xautolm_core.request.search_request import new_search
from xautolm_core.search.samplers.contract import SAMPLERS
from xautolm_core.search.samplers.factory import check_sampler

SOURCE = Path(__file__).parent / "plugin"
PLUG = PluginReference(group="xautolm.energy", name="acme-plug", package="acme-xautolm 1.2")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package was installed to."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--no-cache-dir")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    subprocess.run([*pip, "--target", str(folder), str(SOURCE)], check=True)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(site))
    return site


def _offer(folder: Path, package: str, entries: str) -> None:
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)


@pytest.mark.usefixtures("installed")
def test_names_of_packages_stand_behind_our_own() -> None:
    names = SAMPLERS.names()
    assert names[: len(SAMPLERS.built_in)] == SAMPLERS.built_in
    assert names[len(SAMPLERS.built_in) :] == ("acme-broken", "acme-largest")
    assert SAMPLERS.reference("random") is None
    assert METERS.reference("acme-plug") == PLUG
    assert PLUG in installed_plugins()
    with pytest.raises(ConfigError, match=r"no sampler 'acme'.*random, acme-broken, acme-largest"):
        SAMPLERS.load("acme")


@pytest.mark.usefixtures("installed")
def test_a_package_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(ConfigError, match=r"acme-xautolm 1\.2.*ModuleNotFoundError"):
        SAMPLERS.load("acme-broken")


def test_our_names_cannot_be_taken_and_two_packages_cannot_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry("xautolm.samplers", "sampler", {"random": "os:sep"})
    for package in ("one", "two-more"):
        _offer(tmp_path, package, "[xautolm.samplers]\nrandom = os:name\nshared = os:name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.load("random") == os.sep
    with pytest.raises(ConfigError, match=r"'shared' is offered by (one|two-more) 1\.0 and"):
        registry.load("shared")
    assert registry.names() == ("random", "shared")


def test_a_package_is_named_when_what_it_offers_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = {"samplers": "os:name", "launchers": "json:loads", "storages": "math:sqrt"}
    _offer(
        tmp_path,
        "faulty",
        "\n".join(f"[xautolm.{group}]\nodd = {value}" for group, value in offered.items()),
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    uses: list[Callable[[], object]] = [
        lambda: check_sampler("odd", {}),
        lambda: open_launcher("odd", LauncherInputs("suite", tmp_path, {}, QuietView())),
        lambda: open_objects("odd://x"),
    ]
    for use in uses:
        with pytest.raises(ConfigError, match=r"'odd' of package faulty 1\.0 is at fault"):
            use()
    (tmp_path / "rows.csv").write_text("text,label\na,x\n")
    options = SearchOptions(data=str(tmp_path / "rows.csv"), methods="tfidf", out=tmp_path / "run")
    unkept = given_options(
        {**dict(options), "launcher": "odd", "launcher_settings": {"a": object()}}
    )
    with pytest.raises(ConfigError, match="cannot be kept with the run"):
        new_search(unkept)


@pytest.mark.usefixtures("installed")
def test_what_a_search_used_has_to_be_there_again() -> None:
    METERS.require(PLUG)
    with pytest.raises(ConfigError, match=r"was of package acme-xautolm 1\.1, and here it is of"):
        METERS.require(PLUG.model_copy(update={"package": "acme-xautolm 1.1"}))


def test_the_image_of_trial_pods_needs_what_trials_use() -> None:
    _require_plugins([PLUG], [PLUG])
    with pytest.raises(ConfigError, match="pods does not have it"):
        _require_plugins([PLUG], [])
    other = PLUG.model_copy(update={"package": "acme-xautolm 1.3"})
    with pytest.raises(ConfigError, match=r"pods has acme-xautolm 1\.3"):
        _require_plugins([PLUG], [other])


@pytest.mark.usefixtures("installed")
class TestLargestFirst(SamplerContract):
    sampler_name = "acme-largest"
    options: ClassVar[Mapping[str, Any]] = {"largest": False}


@pytest.mark.usefixtures("installed")
class TestPlug(EnergyMeterContract):
    @pytest.fixture
    def providers(self, inputs: MeterInputs) -> Sequence[EnergyProvider]:
        found: Sequence[EnergyProvider] = METERS.load("acme-plug")(inputs)
        return found


@pytest.mark.slow
def test_a_package_gives_sampler_and_meter_to_the_command_line(site: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_data(tmp_path / "moods.csv")
    (tmp_path / "space.yaml").write_text(WITH_CHEAP)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH") or str(Path.cwd())])
    options = ["--sampler", "acme-largest", "--sampler-option", "starts=none"]
    options += ["--meter", "acme-plug", "--space", "space.yaml", "--trials", "1"]
    where = ["--store", "store", "--out", "run", "--json"]
    ended = run_process(
        "search",
        "moods.csv",
        *options,
        *where,
        folder=tmp_path,
        environment={"PYTHONPATH": path},
        timeout_seconds=280,
    )
    assert ended.code == 0, ended.err
    table = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    assert set(table["energy.other.source"]) == {"acme:plug"}
    assert "acme draws the largest" in set(table["why"])
    plugins = json.loads((tmp_path / "run" / "search.json").read_text())["plugins"]
    assert [(one["name"], one["package"]) for one in plugins] == [
        ("acme-largest", "acme-xautolm 1.2"),
        ("acme-plug", "acme-xautolm 1.2"),
    ]
    # Without the package the run is not gone on with, and the message says what is missing.
    again = run_process("search", "--resume", "run", "--trials", "2", folder=tmp_path)
    assert again.code == 2
    assert "no sampler 'acme-largest'" in again.err
