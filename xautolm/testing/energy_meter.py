"""What every energy meter must do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from xautolm.extending import EnergyProvider
from xautolm.extending import EnergyReading
from xautolm.extending import MeterInputs
from xautolm_core.energy.process_tree import ProcessTree

_SAMPLES = 5
_STEP_SECONDS = 30.0


class EnergyMeterContract:
    """Subclasses give a fixture ``providers``: what the meter's function returned, not sampled yet.

    They must be able to read something; override ``seconds_pass`` for a simulated source, which has
    to be advanced by hand.
    """

    @pytest.fixture
    def inputs(self) -> MeterInputs:
        """Return the arguments of the meter's function: this process, without a GPU."""
        return MeterInputs(ProcessTree())

    @pytest.fixture
    def providers(self, inputs: MeterInputs) -> Sequence[EnergyProvider]:
        raise NotImplementedError

    def seconds_pass(self, providers: Sequence[EnergyProvider], seconds: float) -> None:
        """Advance a simulated source by some seconds; a real one advances by itself."""

    def test_there_is_something_to_read(self, providers: Sequence[EnergyProvider]) -> None:
        assert providers
        for provider in providers:
            assert provider.period_seconds is None or provider.period_seconds > 0
            assert isinstance(provider.answers_at_once, bool)

    def test_nothing_is_known_before_the_window_begins(
        self, providers: Sequence[EnergyProvider]
    ) -> None:
        for provider in providers:
            assert tuple(provider.readings()) == ()
            provider.sample(0.0)
            assert tuple(provider.readings()) == ()

    def test_joules_only_grow_within_the_window(self, providers: Sequence[EnergyProvider]) -> None:
        last: dict[tuple[int, str], float] = {}
        for step in range(_SAMPLES):
            if step:
                self.seconds_pass(providers, _STEP_SECONDS)
            for place, provider in enumerate(providers):
                provider.sample(step * _STEP_SECONDS)
                for reading in provider.readings():
                    key = place, reading.component
                    assert reading.joules >= last.get(key, 0.0)
                    last[key] = reading.joules
        assert last, "nothing was read"

    def test_a_reading_says_what_it_is_worth(self, providers: Sequence[EnergyProvider]) -> None:
        for reading in self._window(providers):
            assert reading.component in {"gpu", "cpu", "dram", "other"}
            assert math.isfinite(reading.joules)
            assert reading.joules > 0
            assert reading.source
            assert not any(character.isspace() for character in reading.source)
            assert reading.quality in {"A", "B", "C"}
            assert reading.uncertainty is not None
            assert 0 < reading.uncertainty <= 1
            assert reading.seconds is not None
            assert 0 < reading.seconds <= (_SAMPLES - 1) * _STEP_SECONDS
            assert reading.idle_joules is None or 0 <= reading.idle_joules <= reading.joules

    def test_a_clock_that_goes_back_is_no_fault(self, providers: Sequence[EnergyProvider]) -> None:
        for provider in providers:
            provider.sample(100.0)
            provider.sample(50.0)
            assert all(reading.joules >= 0 for reading in provider.readings())

    def test_closing_twice_is_no_fault(self, providers: Sequence[EnergyProvider]) -> None:
        for provider in providers:
            provider.close()
            provider.close()

    def _window(self, providers: Sequence[EnergyProvider]) -> list[EnergyReading]:
        for step in range(_SAMPLES):
            if step:
                self.seconds_pass(providers, _STEP_SECONDS)
            for provider in providers:
                provider.sample(step * _STEP_SECONDS)
        found = [reading for provider in providers for reading in provider.readings()]
        assert found, "nothing was read"
        return found
