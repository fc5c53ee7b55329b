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
    # That of Kubernetes needs a place for what crosses, and measures a pod: see there.
    {LOCAL: f"{__name__}:local_launcher", KUBERNETES: "xautolm_core.cluster_search:on_cluster"},
)


class LauncherNotes(Protocol):
    """Is told what the user should know, such as why a trial does not start."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Tell something."""
        ...


@dataclass(frozen=True)
class LauncherInputs:
    """What a launcher is built from.

    Attributes:
        search_id: The search whose trials it runs.
        out_folder: The run folder.
        settings: What the user says of it, by name.
        notes: Is told what the user should know.
    """

    search_id: str
    out_folder: Path
    settings: Mapping[str, Any]
    notes: LauncherNotes


LauncherFactory = Callable[[LauncherInputs], "Launcher"]
"""What the name of a launcher stands for."""


def open_launcher(name: str, inputs: LauncherInputs) -> Launcher:
    """Return the launcher of a search; the caller closes it.

    Args:
        name: One of ``LAUNCHERS.names()``, but ``kubernetes``.
        inputs: What is known of the search.

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
        ConfigError: It was given some.
        LaunchError: Its fork server cannot be started.
    """
    from xautolm_core.launch.local import LocalLauncher

    for name in inputs.settings:
        raise ConfigError(f"The launcher local has no setting {name!r}", hint="Leave it out")
    return LocalLauncher()
