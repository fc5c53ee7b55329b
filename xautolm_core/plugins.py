"""Names that stand for code: our own, and what other packages offer through entry points.

A package offers a sampler, for example, by these lines in its ``pyproject.toml``::

    [project.entry-points."xautolm.samplers"]
    my-sampler = "my_package.sampler:MySampler"

Nothing of it is imported before its name is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict

from xautolm_core.errors import ConfigError
from xautolm_core.errors import XautolmError

GROUPS = (
    "xautolm.samplers",
    "xautolm.launchers",
    "xautolm.energy",
    "xautolm.storages",
    "xautolm.task_types",
    "xautolm.task_features",
    "xautolm.task_tests",
    "xautolm.task_reports",
)


class PluginReference(BaseModel):
    """A name that a package offers, as it is written down with what used it.

    Attributes:
        group: Group of the entry point.
        name: Its name.
        package: The package with its version: ``acme-xautolm 1.2``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str
    name: str
    package: str


def installed_plugins() -> tuple[PluginReference, ...]:
    """Return what packages offer here, in the order in which the path has them."""
    return tuple(
        PluginReference(group=group, name=one.name, package=_package(one))
        for group in GROUPS
        for one in entry_points(group=group)
    )


class Registry:
    """The names of one group. Names of our own cannot be taken by a package.

    Args:
        group: Group of the entry points, such as ``xautolm.samplers``.
        what: What messages call one of them, such as ``sampler``.
        built_in: Name of our own ones to ``module:attribute``.
    """

    def __init__(self, group: str, what: str, built_in: Mapping[str, str]) -> None:
        self.group = group
        self.what = what
        self.built_in = tuple(built_in)
        self._own = {
            name: EntryPoint(name=name, value=value, group=group)
            for name, value in built_in.items()
        }

    def names(self) -> tuple[str, ...]:
        """Return all names: our own in their order, then those of packages by name."""
        others = {one.name for one in entry_points(group=self.group)} - set(self._own)
        return (*self._own, *sorted(others))

    def __contains__(self, name: str) -> bool:
        """Whether there is such a name."""
        return name in self._own or bool(entry_points(group=self.group, name=name))

    def reference(self, name: str) -> PluginReference | None:
        """Return what a name of a package is written down as; None for one of our own.

        Raises:
            ConfigError: There is no such name, or two packages offer it.
        """
        package = _package(self._find(name))
        return PluginReference(group=self.group, name=name, package=package) if package else None

    def require(self, plugin: PluginReference) -> None:
        """Make sure that a plug-in is here in the version that was written down.

        Raises:
            ConfigError: It is not.
        """
        found = self.reference(plugin.name)
        if found != plugin:
            raise ConfigError(
                f"The {self.what} {plugin.name!r} was of package {plugin.package}, and here it is "
                f"{f'of {found.package}' if found else 'one of xautolm'}",
                hint="Install that version again, or start a new search",
            )

    def load(self, name: str) -> Any:
        """Import and return what a name stands for.

        Raises:
            ConfigError: There is no such name, two packages offer it, or its package is broken.
        """
        found = self._find(name)
        try:
            return found.load()
        except Exception as error:
            package = _package(found)
            if not package:
                raise
            raise ConfigError(
                f"The {self.what} {name!r} of package {package} cannot be imported from "
                f"{found.value} ({type(error).__name__}: {error})",
                hint="Install a version of that package that fits this one of xautolm",
            ) from error

    @contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """Raise what goes wrong in code of a package within the context as an error that names it.

        Args:
            name: What is used within the context. Faults of our own stay as they are.

        Raises:
            ConfigError: Its package is at fault.
        """
        try:
            yield
        except XautolmError:
            raise
        except Exception as error:
            package = _package(self._find(name))
            if not package:
                raise
            raise ConfigError(
                f"The {self.what} {name!r} of package {package} is at fault "
                f"({type(error).__name__}: {error})",
                hint=f"Report it to its authors, or use another {self.what}",
            ) from error

    def _find(self, name: str) -> EntryPoint:
        if name in self._own:
            return self._own[name]
        # The same package may be found in two places of the path: the first one counts.
        found: dict[str, EntryPoint] = {}
        for one in entry_points(group=self.group, name=name):
            found.setdefault(one.dist.name if one.dist is not None else one.value, one)
        if not found:
            raise ConfigError(
                f"There is no {self.what} {name!r}", hint=f"Known are {', '.join(self.names())}"
            )
        if len(found) > 1:
            packages = " and ".join(_package(one) for one in found.values())
            raise ConfigError(
                f"The {self.what} {name!r} is offered by {packages}", hint="Uninstall one of them"
            )
        return next(iter(found.values()))


def _package(found: EntryPoint) -> str:
    return "" if found.dist is None else f"{found.dist.name} {found.dist.version}"
