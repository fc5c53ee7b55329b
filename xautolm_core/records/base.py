"""What all records have in common."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic import ConfigDict


class Record(BaseModel):
    """A frozen fact. Unknown fields are ignored on read: a newer writer may know more."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())
