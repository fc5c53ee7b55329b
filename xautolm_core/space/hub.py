"""Fetch a model's config from the Hugging Face hub, without its weights."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xautolm_core.space.descriptor import CONFIG_FILE

TIMEOUT_SECONDS = 5.0


class HubUnreachableError(Exception):
    """The hub cannot be reached; the message says why."""


class HubModelError(Exception):
    """The hub has no such model, or not in a usable form; the message says why."""


@dataclass(frozen=True)
class HubModel:
    """A model of the hub.

    Attributes:
        revision: The commit that its revision currently refers to.
        config: Its config.
    """

    revision: str
    config: dict[str, Any]

    def digest(self, model: str) -> str:
        """Return a digest of model and commit, which determine its tokenizer files."""
        return hashlib.sha256(f"{model}@{self.revision}".encode()).hexdigest()


def is_offline() -> bool:
    """Whether the environment forbids access to the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}


def cached_folder(model: str, revision: str | None) -> Path | None:
    """Return the folder of a model that the hub's cache on this machine holds, or None."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(model, CONFIG_FILE, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def ask(model: str, revision: str | None) -> HubModel:
    """Return a model of the hub; only its config file is fetched.

    Raises:
        HubModelError: The hub does not have it, denies access, or has no safetensors.
        HubUnreachableError: The hub does not answer.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import GatedRepoError
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.errors import RepositoryNotFoundError
        from huggingface_hub.errors import RevisionNotFoundError
    except ImportError as error:
        raise HubUnreachableError("huggingface_hub is not installed") from error
    try:
        info = HfApi().model_info(model, revision=revision, timeout=TIMEOUT_SECONDS)
        names = [file.rfilename for file in info.siblings or []]
        if not any(n.startswith("model") and n.endswith(".safetensors") for n in names):
            raise HubModelError("has no safetensors weights on the hub")
        if info.sha is None:
            raise HubModelError("has no revision on the hub")
        path = hf_hub_download(model, CONFIG_FILE, revision=info.sha, etag_timeout=TIMEOUT_SECONDS)
        config = json.loads(Path(path).read_text(encoding="utf-8"))
    except GatedRepoError as error:
        raise HubModelError("is gated: accept its terms on the hub and log in") from error
    except RevisionNotFoundError as error:
        raise HubModelError(f"has no revision {revision!r} on the hub") from error
    except RepositoryNotFoundError as error:
        raise HubModelError("is not on the hub") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status is not None and 400 <= status < 500 and status != 429:
            raise HubModelError(f"is not available from the hub (status {status})") from error
        raise HubUnreachableError(f"the hub answers with status {status}") from error
    except HubModelError:
        raise
    except Exception as error:
        # changes with its version (requests, httpx, httpx2).
        raise HubUnreachableError(f"the hub cannot be reached ({type(error).__name__})") from error
    if not isinstance(config, dict):
        raise HubModelError("has a config that is not a JSON object")
    return HubModel(revision=info.sha, config=config)
