"""The error hierarchy.

Every message says what is wrong, where, and how to fix it. The command line prints it on one line
and exits with ``exit_code``.
"""

from __future__ import annotations


class XautolmError(Exception):
    """Base class of all errors that xautolm raises on purpose.

    Args:
        problem: What is wrong, and where (file, line, column, option).
        hint: How to fix it, as an imperative sentence. Empty if there is no advice.
    """

    exit_code = 1

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        """Return problem and hint on one line."""
        text = f"{self.problem.rstrip('. ')}. {self.hint}" if self.hint else self.problem
        return " ".join(text.split())


class ConfigError(XautolmError):
    """The user's input (an option, a file, a preset) is wrong. Nothing was changed."""

    exit_code = 2


class DataError(ConfigError):
    """The task's data cannot be used."""


class SpaceError(ConfigError):
    """A search space is malformed, or nothing in it can run on this machine."""


class StoreError(XautolmError):
    """An experience store cannot be read or written."""

    exit_code = 3


class LaunchError(XautolmError):
    """A trial process could not be started or watched."""

    exit_code = 4


class MissingExtraError(ConfigError):
    """An optional dependency is needed that is not installed.

    Args:
        extra: Name of the extra of the ``xautolm`` distribution that brings it.
        purpose: What it is needed for.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs packages that are not installed",
            hint=f"Install them with: pip install 'xautolm[{extra}]'",
        )
