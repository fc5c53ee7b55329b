"""Finds names and addresses of machines in text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

HOST = "<host>"

_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.]*\w)"
    r"|\[?(?<![\w:])(?:(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}"
    r"|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?::[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)(?![\w:])\]?(?::\d+)?",
    re.IGNORECASE,
)
_LABEL = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
_ENDINGS = (
    "com|org|net|edu|gov|mil|info|biz|io|ai|app|dev|cloud|tech|local|localdomain|lan|home|internal"
    "|intern|intra|intranet|private|corp|svc|cluster|consul|test|example|invalid"
)
# Elsewhere these are endings of files and names of attributes: only after two more parts.
_COUNTRIES = "eu|de|uk|fr|es|nl|ch|se|dk|fi|pl|cz|us|ca|au|jp|cn|kr|br|ru|mx"
_DOMAIN = re.compile(
    rf"(?<![\w.-])(?:(?:{_LABEL}\.)+(?:{_ENDINGS})|(?:{_LABEL}\.){{2,}}(?:{_COUNTRIES}))"
    r"\.?(?![\w-])(?::\d+)?",
    re.IGNORECASE,
)
_WITH_PORT = re.compile(r"(?<![\w<.-])[A-Za-z][\w.-]*:\d{4,5}(?!\w)")
_TOLD = re.compile(
    r"(?P<word>\bhost(?:name)?[\"']?\s*[=:]\s*)[\"']?(?!<host>)[^\s'\",;)\]<]+[\"']?", re.IGNORECASE
)
_ORDINARY = frozenset({"localhost", "host", "path", "mail", "text", "secret", "removed"})
_SHORTEST_NAME = 4


def without_hosts(text: str, hostnames: Sequence[str] = ()) -> str:
    """Return a text with ``<host>`` in place of what names a machine.

    Args:
        text: The text.
        hostnames: Names of this machine. Short and ordinary ones are left alone: they would tear
            other words apart.
    """
    text = _TOLD.sub(rf"\g<word>{HOST}", text)
    text = _DOMAIN.sub(HOST, _ADDRESS.sub(HOST, text))
    text = _WITH_PORT.sub(HOST, text)
    for name in hostnames:
        if len(name) >= _SHORTEST_NAME and name.lower() not in _ORDINARY:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", HOST, text, flags=re.IGNORECASE)
    return text


@lru_cache(maxsize=4096)  # most strings are the same from trial to trial
def holds_host(text: str, hostnames: tuple[str, ...] = ()) -> bool:
    """Whether a name holds the address or the full name of a machine, or this machine's name.

    A name of this machine counts only with a digit, a dash or a dot in it: one such as ``bert``
    may well be the name of something else.
    """
    telling = [name for name in hostnames if re.search(r"[\d.-]", name)]
    return without_hosts(text, telling) != text
