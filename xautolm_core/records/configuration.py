"""One point of a search space."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import model_validator

from xautolm_core.records.methods import has_model
from xautolm_core.records.methods import is_cheap

NO_MODEL = "none"
"""Label of a configuration without a language model."""

Value = bool | int | float | str | None


class Configuration(BaseModel):
    """A model, a method and the method's active hyper-parameters.

    Attributes:
        branch: Name of the space's branch that it was drawn from, such as
            ``encoder-lora``; of a cheap method the method's name.
        model: Identifier of the model (hub id, or the catalogue's name of a local one); None for
            the method ``tfidf``, which needs none.
        revision: Revision of the model, or None for an unversioned local one.
        method: One of ``xautolm_core.records.methods``.
        parameters: Hyper-parameter name to value; those of other methods are absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    branch: str
    model: str | None = None
    revision: str | None = None
    method: str
    parameters: Mapping[str, Value]

    @model_validator(mode="after")
    def _check_method(self) -> Configuration:
        if has_model(self.method) != (self.model is not None):
            needs = "needs a model" if self.model is None else "has no model"
            raise ValueError(f"method {self.method!r} {needs}")
        if self.model is None and self.revision is not None:
            raise ValueError("there is a revision, but no model")
        if is_cheap(self.method) and self.branch != self.method:
            raise ValueError(f"the branch of method {self.method!r} is named {self.method!r}")
        return self

    @property
    def model_label(self) -> str:
        """The model's identifier; ``none`` where there is no model."""
        return NO_MODEL if self.model is None else self.model

    def __hash__(self) -> int:
        """Hash by content, so that repeated configurations can be found."""
        return hash(
            (self.branch, self.model, self.revision, tuple(sorted(self.parameters.items())))
        )
