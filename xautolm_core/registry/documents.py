"""The documents of a registry, stored with their digest so that damage is detected."""

from __future__ import annotations

import hashlib
import json
from typing import Literal
from typing import TypeVar

from pydantic import AwareDatetime
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.registry.record import ModelRecord
from xautolm_core.validation import first_problem

ModelT = TypeVar("ModelT", bound=BaseModel)
_SHA256 = r"^[0-9a-f]{64}$"


class DamagedVersionError(StoreError):
    """A registered model or a promotion is damaged."""


class StoredVersion(BaseModel):
    """One registered model.

    Attributes:
        version: Its id.
        task_name: Name of the task.
        record: Origin, scores and cost of the model.
        files: Its files.
        rows_sha256: Digest over the digests of the rows that it has seen, if they are known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    version: str
    task_name: str
    record: ModelRecord
    files: BundleReference
    rows_sha256: str | None = Field(default=None, pattern=_SHA256)


class Promotion(BaseModel):
    """One promotion. It is never changed; the one with the highest number counts.

    Attributes:
        number: One more than the highest that its writer saw, as clocks give no reliable order.
        version: The version that became champion.
        task_name: Name of the task.
        replaces: The previous champion, as its writer saw it.
        promoted_at: By the writer's clock, for people.
        reason: Reason of the promotion, in words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    number: int = Field(ge=1)
    version: str
    task_name: str
    replaces: str | None = None
    promoted_at: AwareDatetime
    reason: str = ""


def seal(document: BaseModel) -> bytes:
    """Return a document as JSON, with the SHA-256 of its content beside it."""
    content = document.model_dump(mode="json")
    return json.dumps({"sha256": _digest(content), "content": content}, indent=1).encode()


def unseal(data: bytes, kind: type[ModelT], name: str) -> ModelT:
    """Read what ``seal`` has written.

    Args:
        data: Content of the object.
        kind: Type of the document.
        name: Name for messages.

    Raises:
        DamagedVersionError: It is incomplete, damaged, or of a newer version of xautolm.
    """
    try:
        envelope = json.loads(data)
        content = envelope["content"]
        if envelope["sha256"] != _digest(content):
            raise damaged(name, "its content does not match its digest")
        return kind.model_validate(content)
    except ValidationError as error:
        raise damaged(name, str(first_problem(error))) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(name, "it is not a document of a registry") from error


def damaged(name: str, problem: str) -> DamagedVersionError:
    """Return the error that says what is damaged, and how."""
    return DamagedVersionError(
        f"{name} is damaged: {problem}",
        hint="Use another version, or delete it and register the model again",
    )


def _digest(content: object) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
