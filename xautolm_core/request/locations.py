"""Where things are by default: the experience store and the run folders."""

from __future__ import annotations

import os
import re
import shlex
from datetime import datetime
from pathlib import Path

from xautolm_core.errors import ConfigError
from xautolm_core.objects.addresses import check_slashes
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.folders import LOCK_FILE

STORE_VARIABLE = "XAUTOLM_STORE"


def store_location(given: str | None) -> str:
    """Return the store that is written.

    As given, else ``$XAUTOLM_STORE``, else what the file ``$XAUTOLM_STORES`` calls ``own``, else in
    the user's data folder (XDG).

    Raises:
        ConfigError: That file cannot be used, or an address lacks a slash.
    """
    from xautolm_core.request.read_stores import stores_of_environment

    if given is not None:
        return check_slashes(given, "--store")
    from_environment = os.environ.get(STORE_VARIABLE)
    if from_environment:
        return check_slashes(from_environment, f"${STORE_VARIABLE}")
    of_file = stores_of_environment().own
    if of_file is not None:
        return of_file
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(data_home) / "xautolm" / "experiences")


def absolute_store(location: str) -> str:
    """Return a location that stays right when the working directory changes."""
    return location if "://" in location else str(Path(location).expanduser().absolute())


def default_run_folder(task_name: str, now: datetime) -> Path:
    """Return ``runs/<task>-<UTC timestamp>``, a folder that does not exist yet."""
    safe = re.sub(r"[^\w.-]+", "-", task_name).strip("-.") or "task"
    folder = Path("runs") / f"{safe[:80]}-{now:%Y%m%dT%H%M%SZ}"
    candidate, number = folder, 2
    # A link that leads nowhere takes its name, too.
    while os.path.lexists(candidate):
        candidate, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return candidate.absolute()


def reserve_run_folder(
    given: Path | None, task_name: str, now: datetime
) -> tuple[Path, bool, tuple[Path, ...]]:
    """Return the folder of a new run, whether it was made here, and which ones above it were.

    Only one process can make the folder; those above it (the outermost first) may be shared.

    Args:
        given: As the user names it; the default one, under a name that is free, if None.
        task_name: Name of the task.
        now: When the search is asked for.

    Raises:
        ConfigError: The folder that is given holds something.
        OSError: It cannot be made.
    """
    while True:
        folder = (given or default_run_folder(task_name, now)).expanduser().absolute()
        above = tuple(one for one in reversed(folder.parents) if not one.exists())
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            # A search of the same second has made the default one: the next name is free.
            if given is not None:
                check_new_run_folder(folder)
                return folder, False, ()
        else:
            return folder, True, above


def check_new_run_folder(folder: Path) -> None:
    """Refuse a folder that holds anything; create nothing.

    Raises:
        ConfigError: It is a file, a run, holds something else, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out: {folder} is a file", hint="Give a new folder")
    if (folder / SEARCH_FILE).exists():
        raise ConfigError(
            f"--out: {folder} holds a search already",
            hint=f"Go on with it by --resume {shlex.quote(str(folder.absolute()))}, "
            "or give a new folder",
        )
    # The lock of a process that was killed before its search began keeps nobody out.
    if folder.is_dir() and any(path.name != LOCK_FILE for path in folder.iterdir()):
        raise ConfigError(f"--out: {folder} is not empty", hint="Give a new or empty folder")
    check_can_write(folder, "--out")


def check_can_write(folder: Path, option: str) -> None:
    """Refuse a folder in which nothing can be written; create nothing.

    Raises:
        ConfigError: The folder (or the nearest one above it that exists) is no writable folder.
    """
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ConfigError(
            f"{option}: {folder} cannot be made, as {nearest} is a file", hint="Give a folder"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{option}: {nearest} is not writable",
            hint=f"Give another folder with {option}, or mend its permissions",
        )
