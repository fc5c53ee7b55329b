"""Durations, sizes and KEY=VALUE pairs as people write them on a command line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from xautolm_core.errors import ConfigError

_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)\s*(d|h|min|m|s))", re.IGNORECASE)
_BYTES = {
    "": 1,
    "b": 1,
    **{f"{p}{s}": 1000**i for i, p in enumerate("kmgt", start=1) for s in ("", "b")},
    **{f"{p}i{s}": 1024**i for i, p in enumerate("kmgt", start=1) for s in ("", "b")},
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)


def parse_duration(text: str, option: str) -> float:
    """Return the seconds of ``90``, ``90s``, ``10m``, ``1h30m`` or ``1.5h``.

    Args:
        text: What the user wrote.
        option: The option's name, for the message.

    Raises:
        ConfigError: It is not a duration, or not greater than 0.
    """
    plain = text.strip()
    parts = _DURATION.findall(plain)
    try:
        seconds = float(plain)
    except ValueError:
        if not parts or _DURATION.sub("", plain).strip():
            raise ConfigError(
                f"{option}: '{text}' is not a duration", hint="Write for example 90s, 10m or 1h30m"
            ) from None
        seconds = sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ConfigError(
            f"{option}: '{text}' is not a positive duration", hint="Give more than 0 seconds"
        )
    return seconds


def parse_size(text: str, option: str) -> int:
    """Return the bytes of ``4GiB``, ``4Gi``, ``500MB``, ``500M`` or a plain number.

    Units with an ``i`` are powers of 1024, those without are powers of 1000.

    Args:
        text: What the user wrote.
        option: The option's name, for the message.

    Raises:
        ConfigError: It is not a size, or not greater than 0.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _BYTES:
        raise ConfigError(
            f"{option}: '{text}' is not a size", hint="Write for example 4GiB, 500MB or 2000000000"
        )
    size = int(float(match[1]) * _BYTES[match[2].lower()])
    if size <= 0:
        raise ConfigError(
            f"{option}: '{text}' is not a positive size", hint="Give more than 0 bytes"
        )
    return size


def parse_pairs(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """Return ``KEY=VALUE`` pairs as a mapping; a value is JSON where it reads as such, else text.

    Raises:
        ConfigError: A pair has no ``=`` or no key, or a key comes twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ConfigError(f"{option}: '{pair}' is not KEY=VALUE", hint="Write for example k=5")
        if key in values:
            raise ConfigError(f"{option}: '{key}' is given twice", hint="Give it once")
        try:
            values[key] = json.loads(value)
        except ValueError:
            values[key] = value
    return values
