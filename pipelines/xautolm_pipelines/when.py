"""When a schedule fires: a cron expression or an interval, checked here.

The server's cron has six fields, the first of them seconds; the usual five are taken as such.
"""

import re
from dataclasses import dataclass

from xautolm_core.errors import ConfigError

_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    (
        "month",
        1,
        12,
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    ("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_MACROS = {
    "@hourly": "0 0 * * * *",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@weekly": "0 0 0 * * 0",
    "@monthly": "0 0 0 1 * *",
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
}
_PART = re.compile(r"(?:\*|\?|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?")
_SHORTEST_SECONDS = 60
_HINT = "Write for example '0 3 * * 0' for Sundays at 03:00 UTC"


@dataclass(frozen=True)
class When:
    """Exactly one of both.

    Attributes:
        cron: Six fields, in UTC unless the cluster says otherwise.
        every_seconds: Seconds between the starts of two runs.
    """

    cron: str | None = None
    every_seconds: int | None = None

    def __str__(self) -> str:
        """Return it in words."""
        return f"cron {self.cron}" if self.cron is not None else f"every {self.every_seconds} s"


def parse_when(cron: str | None, every: str | None) -> When:
    """Return when a schedule fires.

    Args:
        cron: Five fields, six with seconds first, or a name such as ``@weekly``.
        every: A duration such as ``12h`` or ``7d``.

    Raises:
        ConfigError: Both or neither are given, or one is malformed.
    """
    from xautolm_core.request.quantities import parse_duration

    if (cron is None) == (every is None):
        raise ConfigError(
            "a schedule needs either --cron or --every",
            hint="Give one of them, for example --cron '0 3 * * 0' or --every 7d",
        )
    if cron is not None:
        return When(cron=parse_cron(cron))
    seconds = parse_duration(every or "", "--every")
    if seconds < _SHORTEST_SECONDS or seconds > 10 * 366 * 86_400:
        raise ConfigError(
            f"--every: '{every}' is less than a minute or more than ten years",
            hint="Give for example 12h or 7d",
        )
    return When(every_seconds=round(seconds))


def parse_cron(text: str) -> str:
    """Return a cron expression of six fields.

    Raises:
        ConfigError: It is malformed.
    """
    plain = text.strip().lower()
    if plain.startswith("@"):
        if plain not in _MACROS:
            raise ConfigError(f"--cron: '{text}' is unknown (known: {', '.join(_MACROS)})")
        return _MACROS[plain]
    fields = plain.split()
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6:
        raise ConfigError(f"--cron: '{text}' has {len(fields)} fields, not five", hint=_HINT)
    for content, (name, lowest, highest, names) in zip(fields, _FIELDS, strict=True):
        _check_field(content, name, lowest, highest, names)
    return " ".join(fields)


def _check_field(
    content: str, name: str, lowest: int, highest: int, names: tuple[str, ...]
) -> None:
    for part in content.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ConfigError(f"--cron: '{part}' is not a {name}", hint=_HINT)
        ends = [_number(end, names, lowest) for end in (match[1], match[2]) if end is not None]
        if any(end is None or not lowest <= end <= highest for end in ends):
            extra = "; Sunday is 0" if name == "day of the week" else ""
            raise ConfigError(
                f"--cron: '{part}' is not a {name} from {lowest} to {highest}{extra}", hint=_HINT
            )
        if len(ends) == 2 and (ends[0] or 0) > (ends[1] or 0):
            raise ConfigError(f"--cron: in '{part}' the end is before the start", hint=_HINT)
        if match[3] is not None and int(match[3]) == 0:
            raise ConfigError(f"--cron: '{part}' steps by 0", hint=_HINT)


def _number(text: str, names: tuple[str, ...], lowest: int) -> int | None:
    if text.isdigit():
        return int(text)
    return names.index(text) + lowest if text in names else None
