"""Write a reading to a file, for the node exporter's textfile collector."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import write_to_textfile

from xautolm_core.errors import ConfigError
from xautolm_core.monitoring.collector import registry_of
from xautolm_core.monitoring.reading import StoreReading

SUFFIX = ".prom"


def check_textfile(path: Path) -> None:
    """Refuse a file that the node exporter does not read.

    Raises:
        ConfigError: It has another suffix.
    """
    if path.suffix != SUFFIX:
        raise ConfigError(
            f"--textfile: the node exporter reads no {path.name}",
            hint=f"Give a name with {SUFFIX}",
        )


def write_textfile(path: Path, reading: StoreReading) -> None:
    """Write a reading atomically.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        write_to_textfile(str(path), registry_of(lambda: reading))
    except OSError as error:
        raise ConfigError(
            f"--textfile: {path} cannot be written: {error.strerror or error}",
            hint="Give a file in a folder that this user may write to",
        ) from error
