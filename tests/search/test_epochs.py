"""Epochs are chosen so that a trial fits into its part of the time left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.spaces import MODELS
from xautolm_core.records.configuration import Configuration
from xautolm_core.search.epochs import fit_epochs
from xautolm_core.search.forecast import Forecast
from xautolm_core.search.plan import SHARE_OF_FIRST
from xautolm_core.search.plan import SHARE_OF_WHOLE_EPOCHS
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace

_CHOICES = (Integer("epochs", 1, 4, "epochs"), Categorical("epochs", (2, 4, 8), "epochs"))


def _space(epochs: Parameter) -> SearchSpace:
    model = Categorical("model", MODELS, "model")
    return SearchSpace("s", (Branch("full", "full", model, (epochs,)),), {})


def _asked(epochs: int) -> Configuration:
    return Configuration(
        branch="full", model=MODELS[0], method="full", parameters={"epochs": epochs}
    )


def _forecast(epoch_seconds: float) -> Callable[[Configuration], Forecast]:
    def forecast(one: Configuration) -> Forecast:
        epochs = float(one.parameters["epochs"])
        return Forecast(epoch_seconds * epochs, epochs, 1.0, 0.1)

    return forecast


@given(
    epochs=st.sampled_from(_CHOICES),
    asked=st.sampled_from((2, 4)),
    epoch_seconds=st.floats(0.1, 100),
    limit_seconds=st.floats(0.1, 500),
)
def test_the_most_epochs_that_fit_are_kept(
    epochs: Parameter, asked: int, epoch_seconds: float, limit_seconds: float
) -> None:
    forecast = _forecast(epoch_seconds)
    found = fit_epochs(
        _space(epochs), _asked(asked), forecast=forecast, limit_seconds=limit_seconds
    )
    chosen = int(found.parameters["epochs"])
    possible = range(1, asked + 1) if isinstance(epochs, Integer) else (2, 4)
    fitting = [n for n in possible if forecast(_asked(n)).seconds <= limit_seconds and n <= asked]
    assert chosen == max(fitting, default=min(possible))


@pytest.mark.parametrize(("share", "epochs"), [(SHARE_OF_FIRST, 2), (SHARE_OF_WHOLE_EPOCHS, 1)])
def test_a_first_configuration_may_take_nearly_all(share: float, epochs: int) -> None:
    """Two epochs of 100 s with 240 s left: trained to the end, or half with time for others."""
    found = fit_epochs(
        _space(_CHOICES[0]), _asked(4), forecast=_forecast(100.0), limit_seconds=share * 240.0
    )
    assert found.parameters["epochs"] == epochs
