"""Launchers by name."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from xautolm_core.errors import ConfigError
from xautolm_core.plugins import Registry

if TYPE_CHECKING:
    from xautolm_core.launch.contract import Launcher
    from xautolm_core.launch.local import LocalLauncher

LOCAL = "local"
KUBERNETES = "kubernetes"

LAUNCHERS = Registry(
    "xautolm.launchers",
    "launcher",
    # The Kubernetes launcher needs a workspace, and measures a pod: see there.
    {LOCAL: f"{__name__}:local_launcher", KUBERNETES: "xautolm_core.cluster_search:on_cluster"},
)


class LauncherNotes(Protocol):
    """Receives notes for the user, such as why a trial does not start."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Tell something."""
        ...


@dataclass(frozen=True)
class LauncherInputs:
    """The inputs that a launcher is built from.

    Attributes:
        search_id: Id of the search whose trials it runs.
        out_folder: The run folder.
        settings: The user's settings, by name.
        notes: Receives notes for the user.
    """

    search_id: str
    out_folder: Path
    settings: Mapping[str, Any]
    notes: LauncherNotes


LauncherFactory = Callable[[LauncherInputs], "Launcher"]
"""The function behind the name of a launcher."""


def open_launcher(name: str, inputs: LauncherInputs) -> Launcher:
    """Return the launcher of a search; the caller closes it.

    Args:
        name: One of ``LAUNCHERS.names()``, but ``kubernetes``.
        inputs: Inputs of the search.

    Raises:
        ConfigError: There is no such launcher, or its settings are wrong.
        LaunchError: It cannot start any trial.
    """
    make: LauncherFactory = LAUNCHERS.load(name)
    with LAUNCHERS.blaming(name):
        launcher = make(inputs)
    return launcher


def local_launcher(inputs: LauncherInputs) -> LocalLauncher:
    """Return the launcher of this machine, which has no settings.

    Raises:
        ConfigError: There are settings.
        LaunchError: Its fork server cannot be started.
    """
    from xautolm_core.launch.local import LocalLauncher

    for name in inputs.settings:
        raise ConfigError(f"The launcher local has no setting {name!r}", hint="Leave it out")
    return LocalLauncher()
