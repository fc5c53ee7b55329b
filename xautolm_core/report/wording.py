"""Format numbers, configurations and outcomes for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from xautolm_core.records.methods import LEXICAL_SPAN
from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.records.methods import LINEAR_PROBE_TFIDF
from xautolm_core.records.methods import TFIDF
from xautolm_core.records.methods import UNTUNED
from xautolm_core.records.methods import UNTUNED_FEW_SHOT
from xautolm_core.space.screening import is_screening
from xautolm_core.space.screening import screening_rows

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.records.configuration import Value
    from xautolm_core.records.outcome import Outcome

NOT_MEASURED = "–"
UNMETERED = "unmetered: no trial has a reading, so the front uses the other objectives"

OUTCOME_WORDS: Mapping[str, str] = {
    "ok": "completed",
    "pruned": "stopped early, as it could not win",
    "oom_gpu": "out of GPU memory",
    "oom_host": "out of main memory",
    "timeout": "ran past its time limit",
    "diverged": "training diverged (loss not finite)",
    "invalid": "configuration that cannot be built",
    "infra": "fault of the machine, says nothing about the configuration",
    "preempted": "evicted from its machine",
    "cancelled": "cancelled",
}


_STOP_WORDS: Mapping[str, str] = {
    "trials": "all trials were run",
    "budget": "the budget was used up",
    "gpu_hours": "the GPU hours leave no room for another trial",
    "energy": "the limit on energy leaves no room for another trial",
    "cost": "the limit on cost leaves no room for another trial",
    "carbon": "the limit on carbon leaves no room for another trial",
    "unmetered": "energy could not be read, and nothing else bounds the search",
    "interrupted": "interrupted",
    "rounds": "all rounds were run",
    "exhausted": "nothing was left to try",
}


def stop_words(stopped_by: str) -> str:
    """Return why a search ended."""
    return _STOP_WORDS.get(stopped_by, stopped_by)


def outcome_words(outcome: Outcome) -> str:
    """Return what an outcome means."""
    return OUTCOME_WORDS[outcome.value]


def joules_words(joules: float | None) -> str:
    """Return an energy such as ``0.52 J``, ``18.3 kJ`` or ``0.12 kWh``.

    Args:
        joules: The energy; None and values that are not finite are shown as not measured.
    """
    if joules is None or not math.isfinite(joules):
        return NOT_MEASURED
    if joules >= 360_000:
        return f"{joules / 3.6e6:.2f} kWh"
    return f"{joules / 1_000:.3g} kJ" if joules >= 1_000 else f"{joules:.3g} J"


def grams_words(grams: float | None) -> str:
    """Return a mass such as ``0.52 mg``, ``18.3 g`` or ``1.2 kg``.

    Args:
        grams: The mass; None and values that are not finite are shown as unknown.
    """
    if grams is None or not math.isfinite(grams):
        return NOT_MEASURED
    if grams >= 1_000:
        return f"{grams / 1_000:.3g} kg"
    return f"{grams:.3g} g" if grams >= 0.1 or grams == 0 else f"{grams * 1_000:.3g} mg"


def seconds_words(seconds: float | None) -> str:
    """Return a duration such as ``0.42 s``, ``12.3 s``, ``4 min 05 s`` or ``2 h 10 min``.

    Args:
        seconds: The duration; None and values that are not finite are shown as not measured.
    """
    if seconds is None or not math.isfinite(seconds):
        return NOT_MEASURED
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def bytes_words(size: int | None) -> str:
    """Return a size in binary units, such as ``1.4 GiB``."""
    if size is None:
        return NOT_MEASURED
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit in ("B", "KiB") else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def score_words(score: float | None) -> str:
    """Return a score in [0, 1] with four decimals."""
    if score is None or not math.isfinite(score):
        return NOT_MEASURED
    return f"{score:.4f}"


def share_words(share: float) -> str:
    """Return a share in [0, 1] as a percentage."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


def steps_words(result: TrialResult) -> str:
    """Return the optimiser steps of a trial, with the planned ones where it did not do them all."""
    done, planned = result.progress.steps, result.progress.planned_steps
    if planned == 0:
        return NOT_MEASURED
    return f"{done}" if done >= planned else f"{done} of {planned}"


def value_words(value: Value) -> str:
    """Return a hyper-parameter's value, short."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    # The leading zero of an exponent (5e-05) only makes a line longer.
    return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e+")


def parameters_words(count: int | None) -> str:
    """Return a number of parameters such as ``22.7 M``."""
    if count is None:
        return NOT_MEASURED
    if count >= 1_000_000_000:
        return f"{count / 1e9:.3g} G"
    return f"{count / 1e6:.3g} M" if count >= 100_000 else f"{count:,}".replace(",", " ")


def number_words(value: float | str | None) -> str:
    """Return a feature's value with about four significant digits, large whole numbers in full."""
    if value is None:
        return NOT_MEASURED
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return NOT_MEASURED
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", " ")
    return f"{value:.4g}"


def count_words(count: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun, such as ``1 trial`` or ``12 trials``."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def points_words(difference: float) -> str:
    """Return a difference of scores in points with its sign, such as ``+7.9`` or ``−0.4``."""
    # Adding 0.0 turns a negative zero into a positive one.
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")


_CHEAP_WORDS: Mapping[str, str] = {
    TFIDF: "TF-IDF, logistic regression",
    LINEAR_PROBE: "linear probe on {model}",
    LINEAR_PROBE_TFIDF: "linear probe on {model}, with TF-IDF",
    LEXICAL_SPAN: "spans ranked by shared words",
    UNTUNED: "{model} untuned",
    UNTUNED_FEW_SHOT: "{model} untuned, with four examples",
}
_LABELS: Mapping[str, str] = {
    TFIDF: "TF-IDF",
    LINEAR_PROBE: "probe",
    LINEAR_PROBE_TFIDF: "probe + TF-IDF",
    LEXICAL_SPAN: "shared words",
    UNTUNED: "untuned",
    UNTUNED_FEW_SHOT: "few-shot",
}


def method_words(method: str, model: str) -> str:
    """Return how a classifier is made, such as ``all-MiniLM-L6-v2 lora``.

    Args:
        method: One of ``xautolm_core.records.methods``.
        model: Name of its model; not shown for a method without one.
    """
    return _CHEAP_WORDS.get(method, f"{{model}} {method}").format(model=model)


def method_label(method: str) -> str:
    """Return a method in a word or two, for labels in plots."""
    return _LABELS.get(method, method)


def configuration_label(configuration: Configuration) -> str:
    """Return a configuration's method and model in a word or two, for labels in plots."""
    return "screening" if is_screening(configuration) else method_label(configuration.method)


_SHORT_NAMES: Mapping[str, str] = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "epochs": "epochs",
    "max_length": "length",
    "num_trainable_layers": "layers",
    "lora_r": "r",
}


def short_model(configuration: Configuration) -> str:
    """Return the name of a configuration's model without its organisation; empty without one."""
    return (configuration.model or "").rsplit("/", 1)[-1]


def configuration_words(configuration: Configuration) -> str:
    """Return a configuration on one line: model, method and what matters most."""
    parts = [made_words(configuration, full_id=False)]
    parts += [
        f"{short} {value_words(configuration.parameters[name])}"
        for name, short in _SHORT_NAMES.items()
        if name in configuration.parameters
    ]
    return ", ".join(parts)


def made_words(configuration: Configuration, *, full_id: bool = True) -> str:
    """Return how a configuration's classifier is made, without its hyper-parameters.

    Args:
        configuration: The configuration.
        full_id: Name the model by its whole id, not by the last part of it.
    """
    model = configuration.model if full_id else short_model(configuration)
    words = method_words(configuration.method, model or "")
    rows = screening_rows(configuration)
    return words if rows is None else f"{words}, screening on {number_words(rows)} rows"
