"""Allowed forms of each kind of string in an experience; anything else is replaced.

Only a failure's message is free text (see ``messages``). Every other string is a name of some kind,
and has to look like one: that is what keeps texts of the task, paths, hosts and credentials out.

What is replaced becomes ``local:<digest>`` if it is a path, ``name:<digest>`` if it has to stay
distinct from others of its kind, and ``<secret>`` or ``<removed>`` otherwise. A digest is the
beginning of SHA-256, the same wherever it is made.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from xautolm_core.experience.credentials import SECRET
from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.credentials import holds_secret
from xautolm_core.experience.hosts import holds_host

REMOVED = "<removed>"

_REPLACED = re.compile(r"(?:local|name):[0-9a-f]{16}|<secret>|<removed>")
_DIGEST_CHARACTERS = 16
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.+:-]{0,99}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_CLASS_KEY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,63})/(?P<class>.{1,64})", re.DOTALL)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}|refs/(?:pr|convert)/[A-Za-z0-9-]{1,20}")
_VERSION = re.compile(
    r"v?(?:\d+!)?\d+(?:\.\d+)*(?:[._-]?(?:[a-z]|alpha|beta|preview|rc|post|rev|dev)[._-]?\d*)*"
    r"(?:\+[a-z0-9]{1,12}(?:[._-][a-z0-9]{1,12})*)?",
    re.IGNORECASE,
)
_LONGEST_VERSION = 40
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_UNIT = re.compile(r"[A-Za-z0-9%°µ·^*_-]{1,16}(?:/[A-Za-z0-9%°µ·^*_-]{1,16})?")
_VALUES = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+:*-]{0,63}(?:, ?[A-Za-z0-9_.+:*-]{1,64}){0,15}")
_NAME = re.compile(r"[^\W_][\w .,()\[\]{}=+#@:/-]{0,99}|[\w.-]{1,64}")
_MOST_WORDS = 6
_RELATIVE_PATH = re.compile(r"[\w][\w .,()\[\]=+#@-]*(?:/[\w][\w .,()\[\]=+#@-]*){1,15}")
_LONGEST_ORIGIN = 300
_MOST_ORIGIN_WORDS = 8
_PATH = re.compile(r"~|[/\\]|\.{1,2}(?:[/\\]|$)|[A-Za-z]:[/\\]|\$|file:", re.IGNORECASE)
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FINGERPRINT = re.compile(r"[0-9a-f]{1,128}")
_HARDWARE = re.compile(r"[\w][\w .,()/@+®™-]{1,79}")
_HARDWARE_KEYS = ("cpu", "gpu", "accelerator")
_HARDWARE_WORDS = re.compile(
    r"\b(?:intel|amd|nvidia|apple|arm|qualcomm|ibm|power\d*|qemu|kvm|virtual|neoverse|cortex|tesla"
    r"|geforce|quadro|rtx|gtx|grid|radeon|instinct|xeon|epyc|ryzen|core|graviton|ampere|altra|cpu"
    r"|gpu|tpu|processor|[abhlptv]\d{1,4})\b",
    re.IGNORECASE,
)
_MOST_HARDWARE_WORDS = 10
_PHRASE = re.compile(r"not computed|stratified sample of \d{1,12}")
_MODELS = re.compile(rf"{_MODEL.pattern}(?:, {_MODEL.pattern}){{0,63}}")


@dataclass(frozen=True)
class Rules:
    """The rules, for the surroundings of one process. Each takes a string and returns a clean one.

    Applied to a clean one, each returns it as it is.

    Attributes:
        surroundings: Strings that must not occur, in any form.
        allow_class_names: Whether names of classes may stand in keys; else only their indices.
    """

    surroundings: Surroundings
    allow_class_names: bool = False

    def word(self, text: str) -> str:
        """Return a word of ours: a kind of task, an outcome's source, a class of errors."""
        return text if not text or self._is(_WORD, text) else self._gone(text)

    def identifier(self, text: str) -> str:
        """Return a word that has to stay distinct from others: a branch, a parameter's value."""
        return text if not text or self._is(_WORD, text) else self._digest(text)

    def key(self, text: str) -> str | None:
        """Return a mapping's key; None if the entry has to go.

        ``<name>/<class>`` says that something is of one class of the task: its index, or its name
        where that is allowed.
        """
        if self._is(_KEY, text):
            return text
        parts = _CLASS_KEY.fullmatch(text)
        if parts is None or self._must_go(text) or not self._is(_KEY, parts["name"]):
            return None
        if re.fullmatch(r"\d{1,6}", parts["class"]):
            return text
        return text if self.allow_class_names and parts["class"].isprintable() else None

    def model(self, text: str) -> str:
        """Return a model's id: ``name`` or ``organisation/name``. A path becomes a digest.

        A relative path of one folder and one name (``models/bert``) looks like an id.
        """
        is_id = _MODEL.fullmatch(text) and ".." not in text
        # A registry's host may stand before a model's name; this machine's name may be a model's.
        is_clean = is_id and not any(map(holds_host, text.split("/"))) and not self._secret(text)
        return text if is_clean else self._digest(text)

    def revision(self, text: str) -> str:
        """Return a commit, a tag, or a branch."""
        is_one = _REVISION.fullmatch(text) and ".." not in text and not self._must_go(text)
        return text if is_one else self._digest(text)

    def version(self, text: str) -> str:
        """Return the version of a software or an extractor."""
        is_one = _VERSION.fullmatch(text) and len(text) <= _LONGEST_VERSION
        # Four parts are an address more often than a version.
        if is_one and not _ADDRESS.fullmatch(text) and not self._secret(text):
            return text
        return self.word(text)

    def unit(self, text: str) -> str:
        """Return a unit of measurement."""
        return text if not text or self._is(_UNIT, text) else self._gone(text)

    def parameter(self, text: str) -> str:
        """Return a hyper-parameter's value: a word, some words, or a model's id."""
        if not text or self._is(_VALUES, text):
            return text
        return self.model(text)

    def name(self, text: str) -> str:
        """Return what a user calls a task or a search: at most 100 characters and six words."""
        is_short = _NAME.fullmatch(text) and len(text.split()) <= _MOST_WORDS
        is_inside = "/" not in text or self._is_inside(text)
        return text if is_short and is_inside and not self._must_go(text) else self._digest(text)

    def fingerprint(self, text: str) -> str:
        """Return a digest of data in hexadecimal, or a name in its place."""
        is_digest = _FINGERPRINT.fullmatch(text) and text not in self.surroundings.secrets
        return text if is_digest else self.identifier(text)

    def origin(self, text: str) -> str:
        """Return where an imported experience came from: a name, or a path within the source.

        A path that begins at the root, at home or here is one of a machine, and becomes a digest.
        """
        is_short = len(text) <= _LONGEST_ORIGIN and len(text.split()) <= _MOST_ORIGIN_WORDS
        is_place = self._is_inside(text) or _VERSION.fullmatch(text)
        return text if is_short and is_place and not self._must_go(text) else self.name(text)

    def fact(self, key: str, text: str) -> str:
        """Return a fact of a feature extractor: a device's name, model ids, a number, a word."""
        if not text or _PHRASE.fullmatch(text):
            return text
        if key.startswith(_HARDWARE_KEYS) and self._is_hardware(text):
            return text
        if key in {"tokenizer", "skipped_tokenizers"}:
            return ", ".join(map(self.model, text.split(", ")))
        return text if self._is(_MODELS, text) and ".." not in text else self.word(text)

    def is_tenant(self, text: str) -> bool:
        """Whether a text is a tenant's name, and no credential."""
        return _TENANT.fullmatch(text) is not None and not self._secret(text)

    def _is_hardware(self, text: str) -> bool:
        return (
            _HARDWARE.fullmatch(text) is not None
            and _HARDWARE_WORDS.search(text) is not None
            and len(text.split()) <= _MOST_HARDWARE_WORDS
            and not self._must_go(text)
        )

    def _is(self, pattern: re.Pattern[str], text: str) -> bool:
        return pattern.fullmatch(text) is not None and not self._must_go(text)

    @staticmethod
    def _is_inside(text: str) -> bool:
        return _RELATIVE_PATH.fullmatch(text) is not None and ".." not in text.split("/")

    def _must_go(self, text: str) -> bool:
        if _REPLACED.fullmatch(text):
            return False
        return (
            _PATH.match(text) is not None
            or self._secret(text)
            or holds_host(text, self.surroundings.hostnames)
        )

    def _secret(self, text: str) -> bool:
        return holds_secret(text, self.surroundings)

    def _gone(self, text: str) -> str:
        if _REPLACED.fullmatch(text):
            return text
        return SECRET if self._secret(text) else REMOVED

    def _digest(self, text: str) -> str:
        if _REPLACED.fullmatch(text):
            return text
        if self._secret(text):
            return SECRET
        kind = "local" if _PATH.match(text) or "/" in text or "\\" in text else "name"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{kind}:{digest[:_DIGEST_CHARACTERS]}"
