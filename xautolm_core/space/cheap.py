"""The cheap candidates of a space, and a space without some of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace

from xautolm_core.errors import SpaceError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import FEW_SHOT_EXAMPLES
from xautolm_core.records.methods import METHODS
from xautolm_core.records.methods import UNTUNED_FEW_SHOT
from xautolm_core.records.methods import cheap_methods_of
from xautolm_core.records.methods import has_model
from xautolm_core.space.hyperparameters import suggestion
from xautolm_core.space.screening import comparable
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel
from xautolm_core.tasks.spec import TaskType

_DEFAULT_LENGTH = 128
"""Default number of tokens of a text that a probe reads."""

_DEFAULT_GENERATION_LENGTH = 512
"""The same of prompt and answer together, of a model that is not tuned."""


def cheap_candidates(
    starts: Sequence[Configuration],
    models: Mapping[str, SpaceModel],
    task_type: str = TaskType.TEXT_CLASSIFICATION,
) -> tuple[Configuration, ...]:
    """Return the cheap candidates of a space, in the order in which they are tried.

    Probes and untuned models take the pretrained model of the first start that has one, else the
    smallest pretrained model; without a pretrained model there are none.

    Args:
        starts: The space's starts.
        models: Model id to available model.
        task_type: Type of the tasks that the space is for.
    """
    methods = cheap_methods_of(task_type)
    modelless = tuple(
        Configuration(branch=method, method=method, parameters={})
        for method in methods
        if not has_model(method)
    )
    pretrained = {name: m for name, m in models.items() if m.descriptor.pretrained}
    if not pretrained:
        return modelless
    start = _probed_start(starts, models)
    if start is not None and start.model is not None:
        name = start.model
    else:
        name = min(pretrained, key=lambda name: pretrained[name].descriptor.parameters)
    model = pretrained[name]
    length = probe_length(starts, models, task_type)
    probes = (
        Configuration(
            branch=method,
            model=name,
            revision=model.reference.revision,
            method=method,
            parameters={"max_length": min(_whole(method, length), model.descriptor.max_length)},
        )
        for method in methods
        if has_model(method)
    )
    return (*modelless, *probes)


def _whole(method: str, length: int) -> int:
    """Return the tokens of all that a method reads at once, of texts of a length."""
    return length * (FEW_SHOT_EXAMPLES + 1) if method == UNTUNED_FEW_SHOT else length


def probe_length(
    starts: Sequence[Configuration],
    models: Mapping[str, SpaceModel],
    task_type: str = TaskType.TEXT_CLASSIFICATION,
) -> int:
    """Return how many tokens of a text the probes of a space read, as far as the model allows.

    Args:
        starts: The space's starts.
        models: Model id to available model.
        task_type: Type of the tasks that the space is for.
    """
    start = _probed_start(starts, models)
    asked = start.parameters.get("max_length") if start is not None else None
    if isinstance(asked, int):
        return asked
    is_generation = task_type == TaskType.TEXT_GENERATION
    return _DEFAULT_GENERATION_LENGTH if is_generation else _DEFAULT_LENGTH


def _probed_start(
    starts: Sequence[Configuration], models: Mapping[str, SpaceModel]
) -> Configuration | None:
    """Return the first start of a pretrained model, which the probes read."""
    pretrained = {name for name, model in models.items() if model.descriptor.pretrained}
    return next((start for start in starts if start.model in pretrained), None)


def parse_methods(text: str, parameter: str) -> tuple[str, ...]:
    """Return the methods of a list such as ``tfidf,full``, each once; none if it is empty.

    Args:
        text: The list.
        parameter: Name of the parameter, for the message.

    Raises:
        SpaceError: One is not known.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    try:
        check_methods(names)
    except SpaceError as error:
        error.problem = f"{parameter}: {error.problem}"
        raise
    return names


def check_methods(names: Sequence[str]) -> None:
    """Check names of methods.

    Raises:
        SpaceError: One is not known.
    """
    for name in names:
        if name not in METHODS:
            raise SpaceError(f"There is no method {name!r}", hint=suggestion(name, list(METHODS)))


def restrict(space: SearchSpace, methods: Sequence[str]) -> SearchSpace:
    """Return a space restricted to some methods.

    Args:
        space: The space.
        methods: Names of methods, in any order.

    Raises:
        SpaceError: A method is not known, or nothing of the space is left.
    """
    check_methods(methods)
    branches = tuple(b for b in space.branches if b.method in methods)
    cheap = tuple(c for c in space.cheap if c.method in methods)
    screening = comparable([s for s in space.screening if s.method in methods], branches)
    if not branches and not cheap:
        has = dict.fromkeys([*(b.method for b in space.branches), *(c.method for c in space.cheap)])
        raise SpaceError(
            f"Search space {space.name!r} has no method {' or '.join(methods) or 'at all'}",
            hint=f"It has: {', '.join(has)}",
        )
    names = {str(choice) for branch in branches for choice in branch.model.choices}
    names |= {c.model for c in cheap if c.model is not None}
    return replace(
        space,
        branches=branches,
        models={name: model for name, model in space.models.items() if name in names},
        starts=tuple(s for s in space.starts if s.method in methods),
        cheap=cheap,
        screening=screening,
    )
