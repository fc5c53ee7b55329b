"""The methods by which a classifier is made: the ground truth of their names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TFIDF = "tfidf"
LINEAR_PROBE = "linear_probe"
LINEAR_PROBE_TFIDF = "linear_probe_tfidf"

FINE_TUNING_METHODS = ("full", "partial", "lora", "head")
"""Methods that train weights of a language model; samplers draw their hyper-parameters."""

CHEAP_METHODS = (TFIDF, LINEAR_PROBE, LINEAR_PROBE_TFIDF)
"""Logistic regressions that cost seconds, in the order in which they are tried: on TF-IDF, on the
features of a frozen language model, and on both."""

METHODS = (*FINE_TUNING_METHODS, *CHEAP_METHODS)

MODEL_METHODS = tuple(method for method in METHODS if method != TFIDF)
"""Methods that work with a language model."""

LEARNING_RATE = "learning_rate"
"""Name of the hyper-parameter that matters most."""

USUAL_LEARNING_RATES: Mapping[str, float] = MappingProxyType(
    {"full": 4e-5, "partial": 1e-4, "lora": 4e-4, "head": 4e-3}
)
"""Learning rate that a method is commonly used with, and which a configuration without one gets.

The fewer weights it trains, the larger: fresh weights alone want, and stand, larger steps. Rates of
different methods compare by their ratio to it."""


def is_cheap(method: str) -> bool:
    """Whether a method is one of the cheap ones, which are enqueued and never drawn."""
    return method in CHEAP_METHODS


def has_model(method: str) -> bool:
    """Whether a method works with a language model: all do but ``tfidf``."""
    return method != TFIDF
