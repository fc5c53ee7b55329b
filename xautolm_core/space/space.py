"""The conditional search space: a branch per fine-tuner, its models and its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import is_cheap
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.model import ModelReference
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.parameters import value_key


@dataclass(frozen=True)
class Branch:
    """One fine-tuner: a method for one kind of models, with its own hyper-parameters.

    Attributes:
        name: Such as ``encoder-lora``; key of the branch's weight in a probabilistic model.
        method: ``full``, ``partial``, ``lora`` or ``head``.
        model: The choice of the model; its handle is shared by the branches of the same models.
        parameters: Hyper-parameters in their order.
    """

    name: str
    method: str
    model: Categorical
    parameters: tuple[Parameter, ...]

    def parameter(self, name: str) -> Parameter | None:
        """Return the hyper-parameter of that name, or None."""
        return next((p for p in self.parameters if p.name == name), None)


@dataclass(frozen=True)
class SpaceModel:
    """A model that can be had: where it is and what it is like."""

    reference: ModelReference
    descriptor: ModelDescriptor


@dataclass(frozen=True)
class SearchSpace:
    """All configurations that a search may try.

    Attributes:
        name: Name of the preset, or the file's.
        branches: The fine-tuners.
        models: Model id to model, of those that can be had.
        starts: Configurations to try first, in this order (sound defaults).
        warnings: What was left out, and why.
        cheap: Candidates that cost seconds (see ``xautolm_core.records.methods``), in the order in
            which they are tried. They are enqueued; no branch has them, so nobody draws them.
        screening: Probes of each pretrained model on the same few rows (see
            ``xautolm_core.space.screening``); empty where fewer than two could be compared. They
            are enqueued likewise.
    """

    name: str
    branches: tuple[Branch, ...]
    models: Mapping[str, SpaceModel]
    starts: tuple[Configuration, ...] = ()
    warnings: tuple[str, ...] = ()
    cheap: tuple[Configuration, ...] = ()
    screening: tuple[Configuration, ...] = ()

    def branch(self, name: str) -> Branch | None:
        """Return the branch of that name, or None."""
        return next((b for b in self.branches if b.name == name), None)

    def model_of(self, configuration: Configuration) -> SpaceModel | None:
        """Return the model of a configuration; None if it has none, or none of this space."""
        return None if configuration.model is None else self.models.get(configuration.model)

    def contains(self, configuration: Configuration) -> bool:
        """Whether the configuration can be drawn from this space, or is one of the cheap ones."""
        if is_cheap(configuration.method):
            return configuration in self.cheap or configuration in self.screening
        branch = self.branch(configuration.branch)
        if branch is None or branch.method != configuration.method:
            return False
        if configuration.model not in branch.model.choices:
            return False
        if set(configuration.parameters) != {p.name for p in branch.parameters}:
            return False
        return all(admits(p, configuration.parameters[p.name]) for p in branch.parameters)


def domains(space: SearchSpace) -> dict[str, Parameter]:
    """Return the hyper-parameter of each handle, models included.

    Branches that share a handle share its distribution: their choices are united, in order.
    """
    found: dict[str, Parameter] = {}
    for branch in space.branches:
        for parameter in (branch.model, *branch.parameters):
            known = found.setdefault(parameter.handle, parameter)
            if isinstance(known, Categorical) and isinstance(parameter, Categorical):
                keys = {value_key(v) for v in known.choices}
                more = tuple(v for v in parameter.choices if value_key(v) not in keys)
                found[parameter.handle] = replace(known, choices=known.choices + more)
    return found


def tokenizer_files(space: SearchSpace) -> dict[str, Path]:
    """Return the ``tokenizer.json`` of the space's models in local folders, equal ones once."""
    files: dict[str, tuple[str, Path]] = {}
    for name, model in space.models.items():
        reference = model.reference
        file = Path(reference.path or "") / "tokenizer.json"
        if reference.path and file.is_file():
            files.setdefault(reference.digest or reference.path, (name, file))
    return dict(files.values())


def admits(parameter: Parameter, value: object) -> bool:
    """Whether a value lies in a hyper-parameter's domain (``True`` is no number here)."""
    match parameter:
        case Categorical(choices=choices):
            return any(
                value == c and isinstance(value, bool) == isinstance(c, bool) for c in choices
            )
        case Integer(low=low, high=high):
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        case Boolean():
            return isinstance(value, bool)
