"""Failure messages that are safe to keep and to share."""

from __future__ import annotations

import re

from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.credentials import without_credentials
from xautolm_core.experience.credentials import without_known_secrets
from xautolm_core.experience.credentials import without_random
from xautolm_core.experience.hosts import without_hosts

MAX_MESSAGE_CHARACTERS = 300

_ROUNDS = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*:/{2,}(?:<secret>|[^\s'\"<>)\]])+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_QUOTED_PATH = re.compile(
    r"(?P<quote>['\"`])(?:~\w*[/\\]|/|\\\\|[A-Za-z]:[/\\]|\.{1,2}[/\\]|file:)"
    r"[^'\"`\n]*(?:(?P=quote)|$)"
)
_END = r"[^\s'\"`:;,<>|()\[\]{}]"
_PATH = re.compile(
    # from the root, from home, from here; a drive; a share
    rf"(?<![\w<./\\])(?:~\w*|[A-Za-z]:|\.{{1,2}}|\$\{{?\w+\}}?)?[/\\]{_END}+"
    # folders and a file, or many folders
    rf"|(?<![\w<./\\-])[\w.@+-]+(?:[/\\][\w.@+-]+)*[/\\][\w@+-][\w.@+-]*\.[A-Za-z]\w{{0,7}}\b"
    rf"|(?<![\w<./\\-])[\w.@+-]+(?:[/\\][\w.@+-]+){{2,}}"
    rf"|(?<![\w<./\\-])[\w.@+-]+\\{_END}+"
)
# Of ASCII alone: a sentence of Chinese is one word.
_PLAIN_NAME = re.compile(r"[\w.:\[\]<>-]{0,40}", re.ASCII)
_NAME_OF_CODE = re.compile(r"(?=[^\s]*[._\d])[A-Za-z_][\w.\[\]-]*")
_QUOTES = (("'", "'"), ('"', '"'), ("`", "`"), ("“", "”"), ("‘", "’"), ("«", "»"), ("„", "“"))
_QUOTED_TEXTS = tuple(
    # An apostrophe within a word opens no quotation. One that is never closed was cut off.
    re.compile(rf"(?<!\w){opening}([^{opening}{closing}]*)(?:{closing}|$)")
    for opening, closing in _QUOTES
)


def scrub_message(
    text: str, *, hostname: str | None = None, surroundings: Surroundings | None = None
) -> str:
    """Return a failure message that is safe to keep and to share.

    One line of at most 300 characters. Credentials, URLs, paths, mail and network addresses, host
    names, and quotations that may be a text of the task are replaced by a word in angle brackets.
    Of quotations plain names stay: up to 40 ASCII letters, digits and ``_.:[]<>-``. Host names are
    found by this machine's own name, by common endings, by a port, and by the word ``host`` before
    them: that is the best that can be done without a list of all hosts. Scrubbing a scrubbed
    message changes nothing.

    Args:
        text: The message as it was raised. It must not quote the task's texts unmarked: no rule
            could tell them from the rest.
        hostname: Name of this machine; asked from the system if None.
        surroundings: What else must not be there; this process's own if None.
    """
    around = surroundings or Surroundings.of_this_process()
    if hostname is not None:
        around = Surroundings((hostname,), around.secrets)
    # A replacement may bring together what a rule did not see before.
    for _ in range(_ROUNDS):
        clean = _scrubbed(text, around)
        if clean == text:
            return clean
        text = clean
    return "<removed>"


def scrub_foreign_message(text: str) -> str:
    """Return a failure message of others that is safe to keep and to share.

    The same as ``scrub_message``; besides, a quoted word stays only if it looks like a name of code
    (``lora_alpha``, ``torch.bfloat16``): another one may be the name of a class.
    """
    for quoted in _QUOTED_TEXTS:
        text = quoted.sub(_name_of_code, text)
    return scrub_message(text)


def _name_of_code(match: re.Match[str]) -> str:
    return match.group() if _NAME_OF_CODE.fullmatch(match.group(1)) else "<text>"


def _scrubbed(text: str, around: Surroundings) -> str:
    clean = " ".join(_CONTROL.sub(" ", text).split())
    clean = without_known_secrets(clean, around)
    clean = _URL.sub("<url>", clean)
    clean = without_credentials(clean)
    clean = _EMAIL.sub("<mail>", clean)
    clean = _QUOTED_PATH.sub(r"\g<quote><path>\g<quote>", clean)
    for quoted in _QUOTED_TEXTS:
        clean = quoted.sub(_plain_quotation, clean)
    clean = _PATH.sub("<path>", clean)
    clean = without_random(clean)
    clean = without_hosts(clean, around.hostnames)
    clean = " ".join(clean.split())
    if len(clean) > MAX_MESSAGE_CHARACTERS:
        clean = clean[: MAX_MESSAGE_CHARACTERS - 3].rstrip() + "..."
    return clean


def _plain_quotation(match: re.Match[str]) -> str:
    return match.group() if _PLAIN_NAME.fullmatch(match.group(1)) else "<text>"
