"""The record of a registered model: its origin, its scores, its cost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import JsonValue
from pydantic import field_validator
from pydantic import model_validator

from xautolm_core.records.energy import EnergyReading

_DIGEST = r"^[0-9a-f]{16,128}$"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class SplitScores(_Frozen):
    """Scores of a model on some rows.

    Attributes:
        macro_f1: In [0, 1].
        accuracy: In [0, 1], if known.
        rows: Number of rows, if known.
        confusion: Rows of true class i predicted as class j, in the order of the model's classes,
            if known. The uncertainty of the scores follows from it.
    """

    macro_f1: float = Field(ge=0, le=1)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    rows: int | None = Field(default=None, ge=1)
    confusion: tuple[tuple[int, ...], ...] | None = None

    @model_validator(mode="after")
    def _check_confusion(self) -> SplitScores:
        if self.confusion is None:
            return self
        if any(len(row) != len(self.confusion) for row in self.confusion):
            raise ValueError("the confusion matrix is not square")
        if any(count < 0 for row in self.confusion for count in row):
            raise ValueError("the confusion matrix has a negative count")
        if self.rows is not None and sum(map(sum, self.confusion)) != self.rows:
            raise ValueError("the confusion matrix counts other rows than 'rows' says")
        return self


class ModelRecord(_Frozen):
    """Origin, scores and cost of a model. It holds no text of the task.

    Attributes:
        task_fingerprint: Digest (hex) of the content that it was trained on.
        labels: Class names in the model's order.
        has_pairs: Whether an input consists of two texts.
        search_id: The search that found it.
        trial: Number of the trial within the search.
        configuration: Branch, model, method and hyper-parameters.
        validation: Scores on the rows that it was chosen on: slightly optimistic.
        test: Scores on test rows, which no choice was based on, if there was a test.
        seconds: Training plus evaluation seconds of the trial.
        search_seconds: Wall-clock seconds of the whole search.
        energy: Of the training of the model; empty if nothing could be metered.
        versions: Package name to version.
        created_at: When it was trained (UTC). The same for every registration of one model.
        parent: Version of the champion at the time of registration, or None.
    """

    schema_version: Literal[1] = 1
    task_fingerprint: str = Field(pattern=_DIGEST)
    labels: tuple[str, ...] = Field(min_length=1)
    has_pairs: bool = False
    search_id: str = Field(min_length=1)
    trial: int = Field(ge=0)
    configuration: Mapping[str, JsonValue] = Field(default_factory=dict)
    validation: SplitScores | None = None
    test: SplitScores | None = None
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    search_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    energy: tuple[EnergyReading, ...] = ()
    versions: Mapping[str, str] = Field(default_factory=dict)
    created_at: AwareDatetime
    parent: str | None = None

    @field_validator("created_at")
    @classmethod
    def _to_utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC)

    @property
    def scores(self) -> SplitScores | None:
        """The scores to compare with later: on test, else on validation."""
        return self.test or self.validation

    @property
    def joules_by_quality(self) -> dict[str, float]:
        """Quality class to joules, summed over the components."""
        sums: dict[str, float] = {}
        for reading in self.energy:
            sums[reading.quality] = sums.get(reading.quality, 0.0) + reading.joules
        return dict(sorted(sums.items()))
