"""Copies a model from an object storage into the cache of this machine."""

from __future__ import annotations

import hashlib
import json
import re
from fnmatch import fnmatch
from pathlib import Path

from xautolm_core.caches import folder_of_caches
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.space.descriptor import CONFIG_FILE
from xautolm_core.space.descriptor import TOKENIZER_FILES
from xautolm_core.space.descriptor import WEIGHTS_PATTERN
from xautolm_core.whole_files import folder_once

_WANTED = (CONFIG_FILE, *TOKENIZER_FILES, WEIGHTS_PATTERN, "model.safetensors.index.json")


def cache_folder() -> Path:
    """Return where downloaded models are kept: with the user's caches.

    A model has to lie somewhere: where caches are off it is the usual folder.
    """
    return folder_of_caches() or Path.home() / ".cache" / "xautolm"


def download_model(storage: ObjectStorage, prefix: str, cache: Path) -> Path | None:
    """Return a local copy of the model below a prefix, or None if there is no model.

    The copy is named by the listing (names, sizes, times), so a changed model is copied anew; it is
    complete once it is there. Only config, tokenizer and safetensors files are copied.

    Raises:
        StoreError: The storage cannot be read.
        OSError: The cache cannot be written.
    """
    root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    # A key comes from outside: files of subfolders are left out, so a name is never a path.
    found = [(info, info.key.removeprefix(root)) for info in storage.list(root)]
    files = [(info, name) for info, name in found if _is_wanted(name)]
    if not any(name == CONFIG_FILE for _, name in files):
        return None
    target = cache / "models" / f"{_plain(prefix)}-{_listing_digest(files)}"
    if not target.is_dir():
        with folder_once(target) as folder:
            for info, name in files:
                (folder / name).write_bytes(storage.get(info.key))
    return target


def model_files(folder: Path) -> list[str]:
    """Return the names of a model's files in a folder: config, tokenizer and safetensors."""
    return sorted(p.name for p in folder.iterdir() if _is_wanted(p.name) and p.is_file())


def _is_wanted(name: str) -> bool:
    is_plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) is not None
    return is_plain and any(fnmatch(name, pattern) for pattern in _WANTED)


def _plain(prefix: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", prefix.strip("/"))[-60:].strip("-") or "model"


def _listing_digest(files: list[tuple[ObjectInfo, str]]) -> str:
    listing = sorted((name, i.size_bytes, i.modified_at.isoformat()) for i, name in files)
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:16]
