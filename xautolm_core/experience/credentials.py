"""Finds credentials in text.

By their well-known forms, by the words that stand before them, by their randomness, and by what
this process's own environment holds. The rules are few and plain on purpose: whatever is found is
thrown away, so that a false alarm costs a word of a message and nothing else.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from urllib.parse import quote

SECRET = "<secret>"  # noqa: S105  (what stands in place of one)

_SHORTEST_KNOWN = 8
_SECRET_VARIABLE = re.compile(r"SECRET|TOKEN|PASSW|PASSPHRASE|KEY|CREDENTIAL|PWD", re.IGNORECASE)
_NOT_SECRET_VARIABLES = frozenset({"PWD", "OLDPWD"})

_FORMS = re.compile(
    r"-----BEGIN [A-Z0-9 ]*-----.*?(?:-----END [A-Z0-9 ]*-----|$)"
    # Amazon (and MinIO's service accounts in that form), then others by their prefixes.
    r"|\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z0-9]{12,}"
    r"|\b(?:gh[oprsu]_|github_pat_|glpat-|gl[a-z]{2,5}-|hf_|api_org_|xox[a-z]-|npm_|pypi-|dckr_pat_"
    r"|hv[sbr]\.|[rs]k_(?:live|test)_|sk-|SG\.|AIza|ya29\.|key-|dop_v1_|nvapi-|wandb_v1_)"
    r"(?=[\w.-]*[A-Z0-9])[\w.-]{16,}"
    r"|\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*){0,3}"
    # user:password@host, with or without a scheme before it
    r"|[\w.+%-]+:[^\s@/'\"]+@[\w.-]+",
    re.DOTALL,
)
_VALUE = r"(?:\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|[^\s,;&'\")\]}]+)"
_ASSIGNED = re.compile(
    r"[\"']?\b[\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|credential|signature|private[_-]?key)"
    rf"[\w.-]*[\"']?\s*(?:=>|:=|[:=])\s*{_VALUE}"
    # A number after these is a number: max_token=512, key: 3.
    r"|[\"']?\b[\w.-]*(?:token(?!s|i[sz])|api[_-]?key|access[_-]?key|accesskey|account[_-]?key)"
    r"(?:[_-]?id)?[\"']?\s*(?:=>|:=|[:=])\s*"
    rf"(?![\d.]+(?:[\s,;)\]}}]|$)|None\b|True\b|False\b){_VALUE}"
    r"|\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:\w[\w-]*\s+)?"
    r"[^\s,;'\"]+(?:,\s*\w+=[^\s,;'\"]+)*[\"']?"
    r"|\b(?:bearer|basic)\s+(?=[\w.~+/=-]*[\dA-Z])[\w.~+/=-]{8,}"
    r"|\b(?:set-)?cookie[\"']?\s*[:=]\s*\S+(?:;\s*\S+=\S+)*",
    re.IGNORECASE,
)
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_SEPARATORS = re.compile(r"[-_/+=]")
_LOWER_HEX = re.compile(r"[0-9a-f]+")
_SHORTEST_RANDOM = 20
_LEAST_CHANGES = 0.3


@dataclass(frozen=True)
class Surroundings:
    """What of this process's surroundings must stand in no experience.

    Attributes:
        hostnames: Names of this machine.
        secrets: Values of environment variables whose names say that they are secret, the longest
            first. Values shorter than 8 characters are left out: they would tear words apart.
    """

    hostnames: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str] | None = None) -> Surroundings:
        """Return the surroundings of this process, as they are now."""
        variables = os.environ if environment is None else environment
        names = {socket.gethostname(), variables.get("HOSTNAME", "")}
        names |= {name.partition(".")[0] for name in names}
        found = {
            " ".join(value.split())
            for name, value in variables.items()
            if name not in _NOT_SECRET_VARIABLES and _SECRET_VARIABLE.search(name)
        }
        found |= {quote(value, safe="") for value in found}
        secrets = [value for value in found if len(value) >= _SHORTEST_KNOWN]
        return cls(
            hostnames=tuple(sorted(filter(None, names), key=len, reverse=True)),
            secrets=tuple(sorted(secrets, key=lambda value: (-len(value), value))),
        )


def without_known_secrets(text: str, surroundings: Surroundings) -> str:
    """Return a text with ``<secret>`` in place of the secrets of this process's environment."""
    for value in surroundings.secrets:
        text = _without_beginning(text.replace(value, SECRET), value)
    return text


def without_credentials(text: str) -> str:
    """Return a text with ``<secret>`` in place of what is one by its form or the words before it.

    Randomness alone is not looked at: see ``without_random``.
    """
    return _ASSIGNED.sub(SECRET, _FORMS.sub(SECRET, text))


def without_random(text: str) -> str:
    """Return a text with ``<secret>`` in place of long runs that look random, digests too."""
    return _RUN.sub(lambda match: SECRET if _is_random(match.group()) else match.group(), text)


@lru_cache(maxsize=4096)  # most strings are the same from trial to trial
def holds_secret(text: str, surroundings: Surroundings) -> bool:
    """Whether a name holds a credential.

    Other than in a message, parts in lower-case hexadecimal are taken for what they mostly are in
    names: digests, commits, and ids.
    """
    if without_credentials(without_known_secrets(text, surroundings)) != text:
        return True
    parts = re.split(r"[^A-Za-z0-9]+", text)
    return any(_is_random(part) for part in parts if not _LOWER_HEX.fullmatch(part))


def _is_random(run: str) -> bool:
    """Whether a run changes between upper case, lower case and digits as only chance does."""
    plain = _SEPARATORS.sub("", run)
    if len(plain) < _SHORTEST_RANDOM or not any(c.isdigit() for c in plain):
        return False
    if not any(c.isalpha() for c in plain):
        return False
    kinds = ["0" if c.isdigit() else "A" if c.isupper() else "a" for c in plain]
    changes = sum(a != b for a, b in pairwise(kinds))
    return changes >= _LEAST_CHANGES * (len(plain) - 1)


def _without_beginning(text: str, value: str) -> str:
    """Take out the beginning of a known secret where a text was cut in the middle of it."""
    plain = text.rstrip(". ")
    for length in range(min(len(value) - 1, len(plain)), _SHORTEST_KNOWN - 1, -1):
        if plain.endswith(value[:length]):
            return plain[:-length] + SECRET
    return text
