"""The schema of a search space's YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from xautolm_core.records.configuration import Value
from xautolm_core.records.methods import is_cheap
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import TASK_TYPES

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelEntry(_Strict):
    """A model, and the places where it may be found other than under its id.

    Attributes:
        id: Hub id, or a name of your own.
        revision: Commit or tag on the hub.
        path: Folder of the model: below the package if one is given, else relative to this file. A
            package may also contain a file to convert (``xautolm_core.space.conversion``).
        package: Installed Python package that contains the model, by its import name.
        distribution: Its name for pip, for the message if it is missing.
        base: Hub id of the model whose first blocks this model has; folder, package and so on are
            those of that model.
        blocks: Number of these blocks.
        s3: ``s3://bucket/prefix`` of the model's folder.
        untrained: ``transformers`` config of an architecture without pretraining.
        languages: ISO 639-1 codes, or ``multilingual``.
        license: Text for the reader.
        descriptor: Its descriptor, to show it where its config cannot be read.
    """

    id: str
    revision: str | None = None
    path: str | None = None
    package: str | None = None
    distribution: str | None = None
    base: str | None = None
    blocks: int | None = Field(default=None, ge=1)
    s3: str | None = None
    untrained: Mapping[str, Any] | None = None
    languages: tuple[str, ...] = ()
    license: str | None = None
    descriptor: ModelDescriptor | None = None

    @property
    def origin(self) -> str:
        """Hub id of what is loaded: the model's own, or that of its base."""
        return self.base or self.id

    @field_validator("id", "base")
    @classmethod
    def _check_id(cls, value: str | None) -> str | None:
        if value is not None and (not _MODEL_ID.fullmatch(value) or ".." in value):
            raise ValueError("a model's id looks like 'name' or 'organisation/name'")
        return value

    @field_validator("distribution")
    @classmethod
    def _check_distribution(cls, value: str | None) -> str | None:
        if value is not None and not _DISTRIBUTION.fullmatch(value):
            raise ValueError("that is no name of a distribution, such as 'some-models'")
        return value

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None and ("\x00" in value or not value):
            raise ValueError("that is not a path")
        return value

    @model_validator(mode="after")
    def _check_sources(self) -> ModelEntry:
        if self.untrained is not None:
            if self.path or self.package or self.s3 or self.revision or self.base:
                raise ValueError(
                    "an untrained architecture has no path, package, s3, revision or base"
                )
            if not isinstance(self.untrained.get("model_type"), str):
                raise ValueError("an untrained architecture needs its model_type")
        if (self.base is None) != (self.blocks is None):
            raise ValueError("the first blocks of a model need both its base and their number")
        if self.base == self.id:
            raise ValueError("the first blocks of a model need an id of their own")
        if self.distribution is not None and self.package is None:
            raise ValueError("a distribution needs the package that it brings")
        if self.package is not None and self.path is not None:
            parts = self.path.split("/")
            if self.path.startswith("/") or ".." in parts:
                raise ValueError("the path must lie within the package")
        if self.s3 is not None and not self.s3.startswith("s3://"):
            raise ValueError("s3 must be an address such as s3://bucket/prefix")
        return self


def _entry(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name: use letters, digits, '_' and '-'")
    return value


def _branch_name(value: str) -> str:
    if is_cheap(value):
        raise ValueError(f"{value!r} is the name of a method that no branch has")
    return _name(value)


def _task_type(value: str) -> str:
    if value not in TASK_TYPES:
        raise ValueError(f"{value!r} is not a type of task: use {' or '.join(TASK_TYPES.names())}")
    return value


_Name = Annotated[str, AfterValidator(_name)]
_BranchName = Annotated[str, AfterValidator(_branch_name)]
_Group = Annotated[tuple[Annotated[ModelEntry, BeforeValidator(_entry)], ...], Field(min_length=1)]


class BranchEntry(_Strict):
    """A fine-tuning method for one group of models, with its hyper-parameters.

    Attributes:
        method: ``full``, ``partial``, ``lora`` or ``head``.
        models: Name of a group of models.
        parameters: Hyper-parameter to its domain: a list of values, ``{low: 1, high: 4}``,
            ``boolean``, or one fixed value.
    """

    method: Literal["full", "partial", "lora", "head"]
    models: str
    parameters: Mapping[str, Any] = Field(min_length=1)


class StartEntry(_Strict):
    """A complete configuration to try first."""

    branch: str
    model: str
    parameters: Mapping[str, Value]


class SpaceFile(_Strict):
    """The content of a search space's file. Keys that begin with ``x-`` are free, for anchors.

    Attributes:
        schema_version: Version of this format (key ``schema``).
        name: Its name.
        description: For the reader.
        task: Type of the tasks that it is for.
        models: Group to its models.
        branches: Branch to its description.
        starts: Configurations to try first, in this order.
        cheap: Whether the cheap methods of these tasks belong to it (``tfidf``, ``linear_probe``
            and ``linear_probe_tfidf``, or ``lexical_span``, or ``untuned`` and
            ``untuned_few_shot``), and with the probes the screening of its models.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: str
    description: str = ""
    task: Annotated[str, AfterValidator(_task_type)] = TaskType.TEXT_CLASSIFICATION
    models: Mapping[_Name, _Group] = Field(min_length=1)
    branches: Mapping[_BranchName, BranchEntry] = Field(min_length=1)
    starts: tuple[StartEntry, ...] = ()
    cheap: bool = True
