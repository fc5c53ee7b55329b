"""Meta-features of task and machine that were measured before a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.records.features import FeatureVector
from xautolm_core.validation import first_problem


@dataclass(frozen=True)
class TrialMachine:
    """The resources of one trial where trials run.

    Attributes:
        threads: CPU threads.
        host_bytes: Memory limit; a trial beyond it is ended.
        gpu_bytes: Memory of its GPU; None without one.
    """

    threads: int
    host_bytes: int
    gpu_bytes: int | None = None


@dataclass(frozen=True)
class Measured:
    """Meta-features of a task and of the machines that its trials run on.

    Attributes:
        task: Features of the task.
        system: Features of the machine of a trial.
        machine: Resources of a trial; None where trials run on the search's own machine, which its
            workers then share.
    """

    task: FeatureVector
    system: FeatureVector
    machine: TrialMachine | None = None

    def document(self) -> dict[str, Any]:
        """Return all fields as plain JSON values."""
        return {
            "schema_version": 1,
            "task": self.task.document(),
            "system": self.system.document(),
            "machine": None if self.machine is None else asdict(self.machine),
        }


_ADAPTER = TypeAdapter(Measured)


def read_measured(document: Mapping[str, Any]) -> Measured:
    """Parse the output of ``Measured.document``.

    Raises:
        ConfigError: It is malformed.
    """
    fields = {name: document.get(name) for name in ("task", "system", "machine")}
    try:
        return _ADAPTER.validate_python(fields)
    except ValidationError as error:
        raise ConfigError(
            f"These are not meta-features: {first_problem(error)}",
            hint="Extract them again with this version of xautolm",
        ) from error
