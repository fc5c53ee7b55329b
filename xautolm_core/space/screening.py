"""Screening: every model of a space is compared on the same few rows before any is fine-tuned.

A screening trial is a linear probe on at most ``SCREENING_ROWS`` training rows, scored on at most
as many validation rows. The number is a hyper-parameter of its configuration, so that experiences
distinguish it from a probe on all rows, and equal configurations compare.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SpaceModel

SCREENING_ROWS = 1_000
"""Most training rows, and validation rows, that a model is screened on."""

ROWS_PARAMETER = "screening_rows"
"""Hyper-parameter of a linear probe that makes it a screening trial."""


def is_screening(configuration: Configuration) -> bool:
    """Whether a configuration is that of a screening trial."""
    return configuration.method == LINEAR_PROBE and ROWS_PARAMETER in configuration.parameters


def screening_rows(configuration: Configuration) -> int | None:
    """Return the rows of each split that a screening trial uses at most; None for any other trial.

    Raises:
        ValueError: The hyper-parameter is not a whole number above 0.
    """
    if not is_screening(configuration):
        return None
    rows = configuration.parameters[ROWS_PARAMETER]
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ValueError(f"Hyper-parameter '{ROWS_PARAMETER}' cannot be {rows!r}")
    return rows


def at_most_screened(configuration: Configuration, rows: int) -> int:
    """Return how many rows of a split a configuration's trial uses."""
    return min(rows, screening_rows(configuration) or rows)


def screening_candidates(
    branches: Iterable[Branch], models: Mapping[str, SpaceModel], *, max_length: int
) -> tuple[Configuration, ...]:
    """Return a screening configuration for each pretrained model that can be drawn.

    With a single model there is nothing to compare, and no candidate.

    Args:
        branches: The space's branches.
        models: Model id to available model.
        max_length: Tokens of a text to read, as far as the model allows.
    """
    found = (
        Configuration(
            branch=LINEAR_PROBE,
            model=name,
            revision=model.reference.revision,
            method=LINEAR_PROBE,
            parameters={
                "max_length": min(max_length, model.descriptor.max_length),
                ROWS_PARAMETER: SCREENING_ROWS,
            },
        )
        for name, model in models.items()
        if model.descriptor.pretrained
    )
    return comparable(tuple(found), branches)


def comparable(
    screening: Sequence[Configuration], branches: Iterable[Branch]
) -> tuple[Configuration, ...]:
    """Return the candidates whose model a branch offers; none if there are fewer than two."""
    offered = {choice for branch in branches for choice in branch.model.choices}
    kept = tuple(one for one in screening if one.model in offered)
    return kept if len(kept) > 1 else ()
