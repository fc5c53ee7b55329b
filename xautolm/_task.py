"""The description of a task, for what the arguments of a search cannot express."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from pydantic import ModelWrapValidatorHandler
from pydantic import ValidationError
from pydantic import model_validator

from xautolm._words import given_path
from xautolm._words import in_callers_words
from xautolm_core.errors import DataError
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.validation import did_you_mean
from xautolm_core.validation import first_problem

if TYPE_CHECKING:
    from xautolm_core.tasks.task import AnyTask


class Task(TaskSpec):
    """A task: its data, their columns, its splits. The same fields as in a YAML task file.

    Give it to ``xautolm.search`` in place of the data where the arguments there are not enough:
    files for each split, classes that may be missing, shares of the splits.

    Attributes:
        name: Stays the same at each retraining; derived from the data's name if None.
        data: A data file, a folder with ``train``, ``validation`` and ``test`` files, an ``s3://``
            address of either, or the name of a ``datasets`` data set.
        train: File of the training split, where the splits are given one by one.
        validation: File of the validation split, likewise.
        test: File of the test split, likewise.
        text: Column of the text; found automatically if None.
        text_pair: Column of a second text, or None.
        label: Column of the class; found automatically if None.
        labels: All class names in their order, if some may be missing in the data.
        question: Column of the question (question answering); found by its name if None.
        context: Column of the passage that holds the answer, likewise.
        answers: Column of the accepted answers, likewise.
        prompt: Column of the prompt (text generation); found by its name if None.
        completion: Column of the text to be written, likewise.
        messages: Column of whole conversations; the last message of each is the text to be written.
        type: Name of the kind of task; found from the columns if None.
        splits: Shares of the splits that are not given.
        seed: Seed of the split.
        drop_invalid: Leave out rows without text or label, or without an answer in the passage.
        quoting: What the double quotes in CSV and TSV files are.
        languages: ISO 639-1 codes of the languages of the texts, if known.

    Example:
        >>> task = xautolm.Task(train="train.csv", test="test.csv", label="stars")
        >>> task.load().labels
        ('1', '2', '3', '4', '5')
    """

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, given: Any, validate: ModelWrapValidatorHandler[Task]) -> Task:
        """Report invalid fields as an ``XautolmError``, like all other bad input."""
        try:
            return validate(given)
        except ValidationError as error:
            found = first_problem(error)
            hint = did_you_mean(found.field, cls.model_fields) or "See help(xautolm.Task)"
            raise DataError(f"Task: {found}", hint=hint) from error

    @classmethod
    def read(cls, path: str | Path) -> Task:
        """Return the task of a YAML file; relative paths in it start from its folder.

        Raises:
            DataError: There is no such file, or it is wrong; the message names the line.
        """
        from xautolm_core.tasks.source import read_task_spec

        with in_callers_words():
            text = path if isinstance(path, str) else str(given_path(path, "path"))
            return cls.model_validate(read_task_spec(text).model_dump())

    def load(self) -> AnyTask:
        """Read and check the data.

        Returns:
            Kind, labels, splits (``train``, ``validation``, ``test``), fingerprint and warnings.

        Raises:
            DataError: The data cannot be used; the message says which rows and why.
        """
        from xautolm_core.tasks.load import load_task
        from xautolm_core.tasks.source import complete_task

        with in_callers_words():
            return load_task(complete_task(self))
