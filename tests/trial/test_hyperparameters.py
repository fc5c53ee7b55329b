from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import FINE_TUNING_METHODS
from xautolm_core.records.methods import USUAL_LEARNING_RATES
from xautolm_core.space import presets
from xautolm_core.space.hyperparameters import HYPERPARAMETERS
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.hyperparameters import read_hyperparameters


def _read(method: str = "full", **parameters: Any) -> HyperParameters:
    return read_hyperparameters(
        Configuration(branch="b", model="m", method=method, parameters=parameters)
    )


@pytest.mark.parametrize("method", FINE_TUNING_METHODS)
def test_defaults(method: str) -> None:
    found = _read(method)
    assert found.learning_rate == USUAL_LEARNING_RATES[method]
    assert found.clipping_norm == 1.0
    assert not found.use_early_stopping


def test_given_values_are_taken_and_typed() -> None:
    found = _read(
        learning_rate=1,
        epochs=2.0,
        warmup_steps=None,
        init_lora_weights=None,
        early_stopping_patience=3,
        use_gradient_clipping=False,
        num_workers="3/4",
    )
    assert found.learning_rate == 1.0 and isinstance(found.learning_rate, float)
    assert found.epochs == 2 and isinstance(found.epochs, int)
    assert found.use_early_stopping and found.early_stopping_patience == 3
    assert found.clipping_norm is None


def test_early_stopping_can_be_off_with_a_patience() -> None:
    assert not _read(use_early_stopping=False, early_stopping_patience=3).use_early_stopping


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 2.5),
        ("batch_size", True),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("epochs", "three"),
        ("dropout_rate", 1.0),
        ("optimizer", "lion"),
        ("lr_scheduler", "magic"),
        ("lora_bias", "some"),
        ("use_mixed_precision", 1),
        ("colour", "blue"),
    ],
)
def test_wrong_values_are_invalid_and_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfiguration, match=name):
        _read(**{name: value})


@pytest.mark.parametrize(
    "name", sorted(n for n, known in HYPERPARAMETERS.items() if known.kind in ("integer", "number"))
)
@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 2.0**1000, float("inf"), float("nan")],
    ids=["huge", "-huge", "great", "inf", "nan"],
)
def test_every_number_has_bounds(name: str, value: float) -> None:
    with pytest.raises(InvalidConfiguration, match=f"'{name}' must be"):
        _read("lora", **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 30.0),
        ("warmup_ratio", 1.0),
        ("warmup_steps", 10**6),
        ("weight_decay", 2.0),
        ("lora_r", 8_192),
        ("early_stopping_patience", 5_000),
        ("gradient_clipping_max_norm", 10.0**9),
    ],
)
def test_rare_values_that_make_sense_are_taken(name: str, value: float) -> None:
    assert getattr(_read("lora", **{name: value}), name) == value


def _grids() -> list[tuple[str, str, Any]]:
    found = []
    for file in sorted(Path(presets.__file__).parent.glob("*.yaml")):
        for branch in yaml.safe_load(file.read_text())["branches"].values():
            for name, domain in branch["parameters"].items():
                values = [True, False] if domain == "boolean" else domain
                if isinstance(domain, dict):
                    values = [domain["low"], domain["high"]]
                for value in values if isinstance(values, list) else [values]:
                    # YAML 1.1 takes 5e-6 for a text; the space's own reader does not.
                    number = isinstance(value, str) and re.fullmatch(r"\d+e-?\d+", value)
                    found.append((branch["method"], name, float(value) if number else value))
    return found


def test_every_value_of_every_preset_is_taken() -> None:
    grids = _grids()
    assert len(grids) > 100
    for method, name, value in grids:
        found = _read(method, **{name: value})
        assert value is None or getattr(found, name) == value


def test_unknown_method_is_invalid() -> None:
    with pytest.raises(InvalidConfiguration, match="method"):
        _read("prompt")


def test_trials_have_the_hyper_parameters_that_spaces_may_name() -> None:
    assert {field.name for field in fields(HyperParameters)} == {"method", *HYPERPARAMETERS}


@given(steps=st.integers(1, 5_000), warmup=st.none() | st.integers(0, 2_000))
def test_warm_up_leaves_steps_at_the_full_rate(steps: int, warmup: int | None) -> None:
    found = HyperParameters("full", warmup_steps=warmup).warmup(steps)
    assert 0 <= found <= steps // 2
    if warmup is not None and warmup <= steps // 2:
        assert found == warmup
