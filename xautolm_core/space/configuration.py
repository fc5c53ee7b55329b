"""One point of a search space."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic import ConfigDict

Value = bool | int | float | str | None


class Configuration(BaseModel):
    """A model, a fine-tuning method and the method's active hyper-parameters.

    Attributes:
        branch: Name of the space's branch (fine-tuner) that it was drawn from, such as
            ``encoder-lora``.
        model: Identifier of the model (hub id, or the catalogue's name of a local one).
        revision: Revision of the model, or None for an unversioned local one.
        method: Fine-tuning method: ``full``, ``partial``, ``lora`` or ``head``.
        parameters: Hyper-parameter name to value; those of other methods are absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    branch: str
    model: str
    revision: str | None = None
    method: str
    parameters: Mapping[str, Value]

    def __hash__(self) -> int:
        """Hash by content, so that repeated configurations can be found."""
        return hash(
            (self.branch, self.model, self.revision, tuple(sorted(self.parameters.items())))
        )
