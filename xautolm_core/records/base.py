"""The base class of all records."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic import ConfigDict


class Record(BaseModel):
    """A frozen record. Unknown fields are ignored on read: a newer version may have written it."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())
