"""Where the trials of a search run: on this machine, on a cluster, or where a plug-in says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.launch.choice import KUBERNETES
from xautolm_core.launch.choice import LAUNCHERS
from xautolm_core.launch.choice import LOCAL
from xautolm_core.request.locations import absolute_store
from xautolm_core.validation import first_problem

if TYPE_CHECKING:
    from xautolm_core.launch.kubernetes.settings import ClusterSettings

Settings = Path | Mapping[str, Any]
"""A YAML file, or its content."""


def given_cluster(launcher: str | None, settings: Settings | None) -> ClusterSettings | None:
    """Return how the trials of a new search run on a cluster; None if they run elsewhere.

    Args:
        launcher: Name of the launcher; None for that of this machine.
        settings: Settings of the launcher: ``ClusterSettings`` for ``kubernetes``.

    Raises:
        ConfigError: There is no such launcher, or its settings are missing or wrong.
    """
    if launcher is not None:
        LAUNCHERS.reference(launcher)
    if launcher in (None, LOCAL) and settings:
        raise ConfigError(
            "--launcher-settings: trials on this machine have none",
            hint="Add --launcher kubernetes, or leave it out",
        )
    if launcher != KUBERNETES:
        return None
    if settings is None:
        raise ConfigError(
            "--launcher kubernetes: its settings are missing",
            hint="Name their YAML file by --launcher-settings (see docs/launching.md)",
        )
    found = _cluster_settings(settings)
    # A resume may run in another folder.
    return found.model_copy(update={"workspace": absolute_store(found.workspace)})


def _cluster_settings(settings: Settings) -> ClusterSettings:
    from pydantic import ValidationError

    from xautolm_core.launch.kubernetes.settings import ClusterSettings
    from xautolm_core.launch.kubernetes.settings import read_settings

    if isinstance(settings, Path):
        return read_settings(settings.expanduser(), ClusterSettings)
    try:
        return ClusterSettings.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(
            f"--launcher-settings: {first_problem(error)}", hint="See docs/launching.md"
        ) from error


def plugin_settings(launcher: str, settings: Settings | None) -> Mapping[str, Any]:
    """Return the settings of a plug-in's launcher, which are kept with the run; empty for others.

    Args:
        launcher: Name of the launcher.
        settings: The settings as given.

    Raises:
        ConfigError: The file cannot be read, or does not map names to values.
    """
    from xautolm_core import yaml_document

    if launcher in LAUNCHERS.built_in or settings is None:
        return {}
    if not isinstance(settings, Path):
        return settings
    try:
        document = yaml_document.read(settings.expanduser())
    except FileNotFoundError:
        raise ConfigError(
            f"--launcher-settings: there is no file {settings}", hint="Correct its path"
        ) from None
    if not isinstance(document.data, dict):
        raise document.error((), "must map names to values", "See the launcher's documentation")
    return {str(name): value for name, value in document.data.items()}


def resumed_cluster(
    launcher: str | None, settings: Settings | None, run: Path, *, known: str = LOCAL
) -> ClusterSettings | None:
    """Return how the trials of a run run on a cluster; None if they run elsewhere.

    Args:
        launcher: Name of the launcher, if it was given again; it cannot change.
        settings: New settings; those of a cluster with the workspace of the old ones.
        run: The run folder.
        known: The launcher of the search, as its spec says.

    Raises:
        ConfigError: The search runs its trials elsewhere, or the settings cannot be used.
    """
    from xautolm_core.cluster_search import read_cluster_run

    of_run = read_cluster_run(run)
    was = known if of_run is None else KUBERNETES
    if launcher not in (None, was):
        raise ConfigError(
            f"--resume continues the search as it was, by --launcher {was}",
            hint="Leave --launcher out, or start a new search",
        )
    if of_run is not None and settings is None:
        return of_run.settings
    given = given_cluster(was, settings)
    if given is not None and of_run is not None and given.workspace != of_run.settings.workspace:
        raise ConfigError(
            f"--launcher-settings: the workspace of the search is {of_run.settings.workspace}",
            hint="Give that one: the results of its trials are there",
        )
    return given
