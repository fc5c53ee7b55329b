"""The trials of methods ``untuned`` and ``untuned_few_shot``: a language model as it is."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from xautolm_core.records.methods import FEW_SHOT_EXAMPLES
from xautolm_core.records.methods import FEW_SHOT_ROWS
from xautolm_core.records.methods import UNTUNED_FEW_SHOT
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.prepared import open_prepared_conversations
from xautolm_core.trial.architectures import longest_input
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.evaluation import evaluation_tokens
from xautolm_core.trial.failures import DeadlineExceeded
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.fine_tune import prepare_torch
from xautolm_core.trial.generation.decoding import Decoder
from xautolm_core.trial.generation.examples import Examples
from xautolm_core.trial.generation.examples import choose_examples
from xautolm_core.trial.generation.generator import cut_prompts
from xautolm_core.trial.generation.training import GenerationData
from xautolm_core.trial.generation.training import GenerationKind
from xautolm_core.trial.generation.training import GenerationSource
from xautolm_core.trial.generation.training import judge
from xautolm_core.trial.generation.training import prompt_tokens
from xautolm_core.trial.generation.training import scored_rows
from xautolm_core.trial.metering import meter_of
from xautolm_core.trial.models import check_fit
from xautolm_core.trial.models import check_vocabulary
from xautolm_core.trial.models import load_config
from xautolm_core.trial.models import load_model
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.plan import deadline_of
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_conversations
from xautolm_core.trial.rows import generated_rows
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.saving import make_readable
from xautolm_core.trial.saving import save_folder
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import open_tokenizer

_LATE = 2.0
_DEFAULT_LENGTH = 512
_SHORTEST_LENGTH = 2


class UntunedRun:
    """A language model that writes as it is, without examples or with some.

    Args:
        spec: What is asked.
        state: Is kept up to date.
        interruption: Is looked at after each token.
    """

    def __init__(self, spec: TrialSpec, state: TrialState, interruption: Interruption) -> None:
        if spec.model is None:
            raise InvalidConfiguration("Writing needs a language model")
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
        spec, state, clock = self._spec, self._state, self._state.clock
        prepare_torch(spec.threads, spec.seed)
        device = choose_device(spec.device)
        machine = Machine(device, choose_precision(device, None))
        state.device, state.precision = str(device), machine.precision
        if device.type == "cuda":
            torch.cuda.init()
            torch.cuda.reset_peak_memory_stats(device)
        with clock.phase("load_data"):
            task = open_prepared_conversations(spec.task_folder)
            rows = scored_rows(choose_conversations(task, spec))
        with clock.phase("tokenize"):
            data, config = self._tokenize(task, rows)
        self._interruption.check()
        with clock.phase("load_model"):
            model = load_model(
                self._model, config, GenerationKind().auto_class(config.model_type)
            ).to(device)
            check_vocabulary(model, data.tokenizer.traits)
        state.meter = meter_of(device, spec.meters)
        try:
            with state.meter, clock.phase("train"):
                state.first_step_at = datetime.now(UTC)
                examples = self._evaluate(model, data, machine)
            if spec.measure_latency:
                with clock.phase("latency"):
                    state.latency_ms = data.latency_ms(model, machine)
        finally:
            if device.type == "cuda":
                state.peak_gpu_bytes = int(torch.cuda.max_memory_reserved(device))
        self._interruption.check()
        self._save(model, data, machine, examples)

    def _tokenize(self, task: GenerationTask, rows: TrialRows) -> tuple[GenerationData, Any]:
        spec = self._spec
        tokenizer = open_tokenizer(self._model, task, spec.task_folder.name, spec.cache_folder)
        config = load_config(self._model, (), tokenizer.traits, None)
        check_fit(config, spec.configuration.method, spec.task_type)
        max_length = min(self._max_length, longest_input(config, tokenizer.traits.max_length))
        return GenerationSource(spec, task, rows).tokenize(tokenizer, max_length), config

    def _evaluate(self, model: Any, data: GenerationData, machine: Machine) -> Examples:
        """Take down how good the answers are; return what stood before the prompts."""
        state = self._state
        has_examples = self._spec.configuration.method == UNTUNED_FEW_SHOT
        examples = Examples()
        prompts = data.prompts()
        ids, accepted = list(prompts.ids), list(prompts.accepted)
        if has_examples:
            examples = choose_examples(data.task.train, FEW_SHOT_EXAMPLES)
            chosen = generated_rows(len(ids), FEW_SHOT_ROWS)
            rows = data.rows.validation[chosen]
            most = prompt_tokens(data.max_length, data.decoding.max_new_tokens)
            shown = [
                examples.before(data.task.validation.messages[row].as_py()) for row in rows.tolist()
            ]
            ids = cut_prompts(data.renderer.prompts(shown), most, data.renderer.fixed_tokens)
            accepted = [accepted[place] for place in chosen.tolist()]
        deadline = deadline_of(state)
        soft = self._spec.budget.soft_deadline_seconds
        # No score comes of a part of the rows; what is tuned must get time nevertheless.
        late = None if soft is None else _LATE * soft

        def between() -> None:
            self._interruption.check()
            deadline.check_wall(0.0)
            if late is not None and deadline.spent_seconds() > late:
                raise DeadlineExceeded("Writing took twice the time that it was given")

        decoder = Decoder(model, data.decoding, machine.device, machine.precision)
        with state.clock.phase("evaluate"):
            written = decoder.write(
                ids, max_tokens=evaluation_tokens(machine.device), between=between
            )
            found = judge([data.renderer.text(one) for one in written], accepted)
        state.rows, state.epochs, state.best_epoch = 0, 1.0, 1
        state.best_score, state.scores = found.score, dict(found.scores)
        return examples

    def _save(self, model: Any, data: GenerationData, machine: Machine, examples: Examples) -> None:
        spec, state = self._spec, self._state
        if not spec.save_model:
            return
        card = make_card(
            data.task,
            configuration=spec.configuration,
            max_length=data.max_length,
            precision=machine.precision,
            tokenizer=data.tokenizer,
            decoding=data.decoding.settings,
        )

        def fill(folder: Path) -> None:
            model.save_pretrained(folder)
            data.tokenizer.copy_to(folder)
            examples.write(folder)
            make_readable(folder)

        with state.clock.phase("save"):
            state.model_folder = save_folder(spec.out_folder, card, fill)


def _asked_length(spec: TrialSpec) -> int:
    parameters = dict(spec.configuration.parameters)
    length = parameters.pop("max_length", _DEFAULT_LENGTH)
    if parameters:
        raise InvalidConfiguration(
            f"A model that is not tuned has no hyper-parameter '{min(parameters)}'"
        )
    if not isinstance(length, int) or isinstance(length, bool) or length < _SHORTEST_LENGTH:
        raise InvalidConfiguration(f"Hyper-parameter 'max_length' cannot be {length!r}")
    return length
