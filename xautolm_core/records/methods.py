"""The names of the methods that make a model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TFIDF = "tfidf"
LINEAR_PROBE = "linear_probe"
LINEAR_PROBE_TFIDF = "linear_probe_tfidf"
LEXICAL_SPAN = "lexical_span"
UNTUNED = "untuned"
UNTUNED_FEW_SHOT = "untuned_few_shot"

FINE_TUNING_METHODS = ("full", "partial", "lora", "head")
"""Methods that train weights of a language model; samplers draw their hyper-parameters."""

CHEAP_METHODS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text-classification": (TFIDF, LINEAR_PROBE, LINEAR_PROBE_TFIDF),
        "question-answering": (LEXICAL_SPAN,),
        "text-generation": (UNTUNED, UNTUNED_FEW_SHOT),
    }
)
"""Type of task to its methods that cost seconds, in the order in which they are tried.

Of text classification: logistic regressions on TF-IDF, on the features of a frozen language model,
and on both. Of question answering: spans ranked by the words that they and their surroundings share
with the question. Of text generation: a language model as it is, without examples and with four of
the training split before each prompt."""

FEW_SHOT_EXAMPLES = 4
"""Training rows that the method ``untuned_few_shot`` shows before each prompt."""

FEW_SHOT_ROWS = 100
"""Most validation rows that it is scored on."""

MOST_NEW_TOKENS = 512
"""Tokens of a generated text, at most."""

MAX_GENERATED_ROWS = 300
"""Most rows of validation or test that a model writes answers for: a seeded sample of more."""

CHEAP_METHODS = tuple(method for methods in CHEAP_METHODS_OF.values() for method in methods)
"""The cheap methods of all types of tasks."""

METHODS = (*FINE_TUNING_METHODS, *CHEAP_METHODS)

MODELLESS_METHODS = (TFIDF, LEXICAL_SPAN)
"""Methods that do without a language model."""

MODEL_METHODS = tuple(method for method in METHODS if method not in MODELLESS_METHODS)
"""Methods that work with a language model."""

LEARNING_RATE = "learning_rate"
"""Name of the hyper-parameter that matters most."""

USUAL_LEARNING_RATES: Mapping[str, float] = MappingProxyType(
    {"full": 4e-5, "partial": 1e-4, "lora": 4e-4, "head": 4e-3}
)
"""Usual learning rate of a method, also that of a configuration without one.

The fewer weights a method trains, the larger; rates of different methods compare by their ratio to
it."""


def is_untuned(method: str) -> bool:
    """Whether a method takes a language model as it is."""
    return method in (UNTUNED, UNTUNED_FEW_SHOT)


def is_cheap(method: str) -> bool:
    """Whether a method is one of the cheap ones, which are enqueued and never drawn."""
    return method in CHEAP_METHODS


def has_model(method: str) -> bool:
    """Whether a method works with a language model: all but the ``MODELLESS_METHODS`` do."""
    return method not in MODELLESS_METHODS


def cheap_methods_of(task_type: str) -> tuple[str, ...]:
    """Return the cheap methods of a type of task, in the order in which they are tried."""
    return CHEAP_METHODS_OF.get(task_type, ())


def methods_of(task_type: str) -> tuple[str, ...]:
    """Return all methods of a type of task."""
    return (*FINE_TUNING_METHODS, *cheap_methods_of(task_type))
