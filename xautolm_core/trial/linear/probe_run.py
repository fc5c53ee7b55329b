"""The trials of methods ``linear_probe`` and ``linear_probe_tfidf``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from datetime import datetime

import numpy as np
import torch

from xautolm_core.records.methods import LINEAR_PROBE_TFIDF
from xautolm_core.space.model import ModelReference
from xautolm_core.space.screening import ROWS_PARAMETER
from xautolm_core.space.screening import is_screening
from xautolm_core.space.screening import screening_rows
from xautolm_core.tasks.task import SplitName
from xautolm_core.trial.architectures import longest_input
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.fine_tune import prepare_torch
from xautolm_core.trial.linear.fitting import FittedPart
from xautolm_core.trial.linear.fitting import LinearTrial
from xautolm_core.trial.linear.mean_pooling import MeanPooling
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.parts import average
from xautolm_core.trial.linear.probe_part import Probe
from xautolm_core.trial.linear.probe_part import fit_probe_part
from xautolm_core.trial.linear.run import finish
from xautolm_core.trial.linear.run import open_trial
from xautolm_core.trial.linear.settings import recall
from xautolm_core.trial.linear.settings import remember
from xautolm_core.trial.linear.tfidf_part import fit_tfidf_part
from xautolm_core.trial.metering import meter_of
from xautolm_core.trial.models import check_fit
from xautolm_core.trial.models import check_vocabulary
from xautolm_core.trial.models import load_backbone
from xautolm_core.trial.models import load_config
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.saving import TextReader
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import open_tokenizer
from xautolm_core.trial.tokens import Tokens
from xautolm_core.trial.tokens import open_tokens

_DEFAULT_LENGTH = 128
_SHORTEST_LENGTH = 2
# Of the time of a joined trial its TF-IDF may use so much; the probe has the rest.
_TFIDF_SHARE = 0.4
# Weights of the probe's log-probabilities; the middle one wins a draw.
_WEIGHTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)


class ProbeRun:
    """A linear probe, alone or joined with TF-IDF.

    Args:
        spec: What is asked.
        state: Is kept up to date.
        interruption: Is looked at between two steps.
    """

    def __init__(self, spec: TrialSpec, state: TrialState, interruption: Interruption) -> None:
        if spec.model is None:
            raise InvalidConfiguration("A probe needs a language model")
        self._spec = spec
        self._model = spec.model
        self._max_length = _asked_length(spec)
        self._state = state
        self._interruption = interruption

    def run(self) -> None:
        """Do it all; the state holds what came of it.

        Raises:
            TrialFailure: It did not work out, for a reason that is known.
            Exception: It did not work out, see ``failures.outcome_of``.
        """
        spec, state = self._spec, self._state
        prepare_torch(spec.threads, spec.seed)
        device = choose_device(spec.device)
        state.device, state.precision = str(device), choose_precision(device, None)
        if device.type == "cuda":
            torch.cuda.init()
            torch.cuda.reset_peak_memory_stats(device)
        trial = open_trial(spec, state, self._interruption)
        probe = self._prepare(trial, device)
        self._interruption.check()
        state.meter = meter_of(device, spec.meters)
        try:
            with state.meter, state.clock.phase("train"):
                state.first_step_at = datetime.now(UTC)
                parts = self._fit(trial, probe)
            reader = probe.reader
            card = make_card(
                trial.task,
                configuration=spec.configuration,
                has_pairs=trial.task.has_pairs,
                max_length=reader.max_length,
                precision=reader.precision,
                tokenizer=probe.tokenizer,
            )
            finish(trial, card, parts)
        finally:
            if device.type == "cuda":
                state.peak_gpu_bytes = int(torch.cuda.max_memory_reserved(device))

    def _prepare(self, trial: LinearTrial, device: torch.device) -> Probe:
        spec, clock, task = self._spec, self._state.clock, trial.task
        key = spec.task_folder.name
        with clock.phase("tokenize"):
            tokenizer = open_tokenizer(self._model, task, key, spec.cache_folder)
            config = load_config(self._model, task.labels, tokenizer.traits, None)
            check_fit(config, spec.configuration.method)
            max_length = min(self._max_length, longest_input(config, tokenizer.traits.max_length))
            few = is_screening(spec.configuration)

            def tokens_of(split: SplitName, rows: np.ndarray) -> Tokens:
                return open_tokens(
                    task,
                    split,
                    key=key,
                    tokenizer=tokenizer,
                    max_length=max_length,
                    cache_folder=spec.cache_folder,
                    rows=rows if few else None,
                )

            train = tokens_of("train", trial.rows.train)
            validation = tokens_of("validation", trial.rows.validation)
        self._interruption.check()
        precision = choose_precision(device, None)
        with clock.phase("load_model"):
            backbone = load_backbone(self._model, config).to(device)
            check_vocabulary(backbone, tokenizer.traits)
        return Probe(
            reference=self._model,
            pooling=MeanPooling(backbone, device, precision),
            tokenizer=tokenizer,
            reader=TextReader(max_length, precision, tokenizer.traits),
            train=train,
            validation=validation,
        )

    def _fit(self, trial: LinearTrial, probe: Probe) -> list[LinearPart]:
        """Fit the parts, and take down the scores of what they answer together."""
        is_joined = self._spec.configuration.method == LINEAR_PROBE_TFIDF
        tfidf_key, probe_key = _settings_key(None, None), _settings_key(self._model, probe.reader)
        fitted: list[FittedPart] = []
        if is_joined:
            # Its settings are those of the parts alone: a choice for both would cost their product.
            known = recall(trial, tfidf_key)
            fitted.append(fit_tfidf_part(trial, share=_TFIDF_SHARE, setting=known))
            remember(trial, tfidf_key, fitted[-1].setting)
        known = recall(trial, probe_key) if is_joined else None
        fitted.append(fit_probe_part(trial, probe, share=1.0, setting=known))
        remember(trial, probe_key, fitted[-1].setting)
        logits = [one.logits for one in fitted]
        rows = max(one.rows for one in fitted)
        with self._state.clock.phase("evaluate"):
            weights = _choose_weights(trial, logits) if is_joined else [1.0]
            trial.note(average(logits, weights), rows)
        return [
            replace(one.part, weight=weight) for one, weight in zip(fitted, weights, strict=True)
        ]


def _choose_weights(trial: LinearTrial, logits: list[np.ndarray]) -> list[float]:
    """Return the weights of TF-IDF and probe that answer the validation rows best."""

    def pair(weight: float) -> list[float]:
        # As they are saved, so that the saved model gives the same predictions.
        return [float(np.float32(1 - weight)), float(np.float32(weight))]

    return max(map(pair, _WEIGHTS), key=lambda weights: trial.macro_f1(average(logits, weights)))


def _settings_key(model: ModelReference | None, reader: TextReader | None) -> str:
    if model is None or reader is None:
        return "tfidf"
    place = model.path or model.revision or ""
    return f"probe:{model.id}:{model.blocks}:{place}:{reader.max_length}:{reader.precision}"


def _asked_length(spec: TrialSpec) -> int:
    parameters = dict(spec.configuration.parameters)
    length = parameters.pop("max_length", _DEFAULT_LENGTH)
    try:
        if screening_rows(spec.configuration) is not None:
            del parameters[ROWS_PARAMETER]
    except ValueError as error:
        raise InvalidConfiguration(str(error)) from error
    if parameters:
        raise InvalidConfiguration(f"A probe has no hyper-parameter '{min(parameters)}'")
    if not isinstance(length, int) or isinstance(length, bool) or length < _SHORTEST_LENGTH:
        raise InvalidConfiguration(f"Hyper-parameter 'max_length' cannot be {length!r}")
    return length
