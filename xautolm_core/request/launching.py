"""Where the trials of a search run: on this machine, or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import ConfigError
from xautolm_core.request.locations import absolute_store

if TYPE_CHECKING:
    from xautolm_core.launch.kubernetes.settings import ClusterSettings

LAUNCHERS = ("local", "kubernetes")


def given_cluster(launcher: str | None, settings_file: Path | None) -> ClusterSettings | None:
    """Return how the trials of a new search run on a cluster; None if they run on this machine.

    Args:
        launcher: Name of the launcher; None for that of this machine.
        settings_file: YAML of ``ClusterSettings``.

    Raises:
        ConfigError: There is no such launcher, or its settings are missing or wrong.
    """
    if launcher not in (None, *LAUNCHERS):
        raise ConfigError(
            f"--launcher: there is no launcher '{launcher}'",
            hint=f"Known are {', '.join(LAUNCHERS)}",
        )
    if launcher != "kubernetes":
        if settings_file is not None:
            raise ConfigError(
                "--launcher-settings: trials on this machine have none",
                hint="Add --launcher kubernetes, or leave it out",
            )
        return None
    if settings_file is None:
        raise ConfigError(
            "--launcher kubernetes: its settings are missing",
            hint="Name their YAML file by --launcher-settings (see docs/launching.md)",
        )
    from xautolm_core.launch.kubernetes.settings import ClusterSettings
    from xautolm_core.launch.kubernetes.settings import read_settings

    settings = read_settings(settings_file.expanduser(), ClusterSettings)
    # A resume may begin in another folder.
    return settings.model_copy(update={"workspace": absolute_store(settings.workspace)})


def resumed_cluster(
    launcher: str | None, settings_file: Path | None, run: Path
) -> ClusterSettings | None:
    """Return how the trials of a run run on a cluster; None if they run on this machine.

    Args:
        launcher: Name of the launcher, if it was given again; it cannot change.
        settings_file: New settings, with the workspace of the old ones.
        run: The run folder.

    Raises:
        ConfigError: The search runs its trials elsewhere, or the settings cannot be used.
    """
    from xautolm_core.cluster_search import read_cluster_run

    known = read_cluster_run(run)
    was = "local" if known is None else "kubernetes"
    if launcher not in (None, was):
        raise ConfigError(
            f"--resume goes on with the search as it was, by --launcher {was}",
            hint="Leave --launcher out, or start a new search",
        )
    if known is not None and settings_file is None:
        return known.settings
    given = given_cluster(was, settings_file)
    if given is not None and known is not None and given.workspace != known.settings.workspace:
        raise ConfigError(
            f"--launcher-settings: the workspace of the search is {known.settings.workspace}",
            hint="Give that one: what its trials came to is there",
        )
    return given
