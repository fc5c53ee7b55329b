"""The user's description of a task, validated at the boundary."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from xautolm_core.tasks.quoting import Quoting


class TaskType(StrEnum):
    """Our own kinds of tasks; packages add others by name (see ``tasks.task_type``)."""

    TEXT_CLASSIFICATION = "text-classification"
    QUESTION_ANSWERING = "question-answering"
    TEXT_GENERATION = "text-generation"


class SplitFractions(BaseModel):
    """Shares of the rows that become validation and test where no such split is given.

    Attributes:
        validation: Share of the rows for validation, in (0, 1).
        test: Share of the rows for the test, in (0, 1).
        max_rows: No held-out split gets more rows than this; the rest stays in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.1, gt=0, lt=1)
    max_rows: int = Field(default=10_000, gt=0)


class TaskSpec(BaseModel):
    """A task as the user (or a YAML file) describes it.

    Attributes:
        name: Keep it for every retraining; derived from the file or folder name if not given.
        type: Name of the kind of task; found from the columns if None.
        data: One data file, or a folder with ``train``, ``validation``, ``test`` files, or the
            ``s3://`` address of either, or the name of a ``datasets`` data set.
        train: Path of the training split, where the splits are given one by one.
        validation: Path of the validation split, likewise.
        test: Path of the test split, likewise.
        text: Column of the text; detected if None.
        text_pair: Column of a second text (text pairs), or None.
        label: Column of the class; detected if None.
        labels: All class names in their order, if some may be missing in the data.
        question: Column of the question (question answering); found by itself if None.
        context: Column of the passage that holds the answer; found by itself if None.
        answers: Column of the accepted answers; found by itself if None.
        prompt: Column of the prompt (text generation); found by itself if None.
        completion: Column of the text to be written; found by itself if None.
        messages: Column of whole conversations, the last message of each being the text to be
            written; found by itself if None.
        splits: Shares of the splits that are not given.
        seed: Seed of the split.
        drop_invalid: Leave out rows whose text is missing or empty, whose label is missing, or
            whose answer does not stand in its passage, instead of refusing the data.
        quoting: What the double quotes in CSV and TSV files are.
        languages: ISO 639-1 codes of the languages of the texts, if known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    type: str | None = None
    data: str | None = None
    train: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    labels: tuple[str, ...] | None = None
    question: str | None = None
    context: str | None = None
    answers: str | None = None
    prompt: str | None = None
    completion: str | None = None
    messages: str | None = None
    splits: SplitFractions = SplitFractions()
    seed: int = Field(default=0, ge=0)
    drop_invalid: bool = False
    quoting: Quoting = Quoting.AUTO
    languages: tuple[str, ...] = ()
