"""Arms around engines that may propose what they have proposed before.

The tables are exact: a configuration that was tried is answered from the table, and costs no
trial. So engines that do not rule out repetitions are not charged for them.
"""

from __future__ import annotations

from typing import Protocol

from benchmarks.replay.problem import Observed
from xautolm_core.records.configuration import Configuration

FREE_REPETITIONS = 20
"""So many in a row; the next one counts as a trial."""


class Engine(Protocol):
    """What proposes configurations under numbers of its own."""

    def propose(self, number: int) -> Configuration:
        """Return a configuration, known by the number from now on."""
        ...

    def answer(self, number: int, observed: Observed) -> None:
        """Take the outcome of the configuration of a number."""
        ...

    @property
    def other_cpu_seconds(self) -> float:
        """CPU seconds that other processes of the engine have used so far."""
        ...


class EngineArm:
    """An arm around an engine.

    Args:
        engine: Proposes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._proposals = 0
        self._numbers: dict[int, int] = {}
        self._known: dict[str, Observed] = {}

    def ask(self, number: int) -> Configuration:
        """Return what the engine proposes that is not known yet."""
        for _ in range(FREE_REPETITIONS):
            configuration = self._propose(number)
            known = self._known.get(configuration.model_dump_json())
            if known is None:
                return configuration
            self._engine.answer(self._numbers.pop(number), known)
        return self._propose(number)

    def tell(self, number: int, configuration: Configuration, observed: Observed) -> None:
        """Answer the engine, and keep the answer."""
        self._known[configuration.model_dump_json()] = observed
        self._engine.answer(self._numbers.pop(number), observed)

    def explanation(self, number: int) -> None:
        """Return nothing: engines do not report their predictions."""

    @property
    def other_cpu_seconds(self) -> float:
        """CPU seconds of the engine's processes."""
        return self._engine.other_cpu_seconds

    def _propose(self, number: int) -> Configuration:
        self._numbers[number] = self._proposals
        self._proposals += 1
        return self._engine.propose(self._numbers[number])
