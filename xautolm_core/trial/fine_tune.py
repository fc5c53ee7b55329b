"""One fine-tuning from the spec to the saved model: the phases of a trial, in their order."""

from __future__ import annotations

from typing import Any

import torch

from xautolm_core.trial.architectures import longest_input
from xautolm_core.trial.checkpoint import Checkpoints
from xautolm_core.trial.checkpoint import identity_of
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.hyperparameters import read_hyperparameters
from xautolm_core.trial.kinds import fine_tuning_kind
from xautolm_core.trial.metering import meter_of
from xautolm_core.trial.methods import apply_method
from xautolm_core.trial.methods import checkpoint_gradients
from xautolm_core.trial.methods import merge
from xautolm_core.trial.models import check_fit
from xautolm_core.trial.models import check_vocabulary
from xautolm_core.trial.models import load_config
from xautolm_core.trial.models import load_model
from xautolm_core.trial.objective import Machine
from xautolm_core.trial.objective import TrialAtWork
from xautolm_core.trial.objective import TrialData
from xautolm_core.trial.objective import TrialSource
from xautolm_core.trial.plan import deadline_of
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.process import prepare_process
from xautolm_core.trial.saved_state import claim_saved
from xautolm_core.trial.saving import StateSaver
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import open_tokenizer
from xautolm_core.trial.training import FineTuning


class FineTuneRun:
    """The fine-tuning that a spec asks for.

    Args:
        spec: What is asked.
        state: Is kept up to date.
        interruption: Is looked at throughout.
    """

    def __init__(self, spec: TrialSpec, state: TrialState, interruption: Interruption) -> None:
        if spec.model is None:
            raise InvalidConfiguration("Fine-tuning needs a language model")
        self._spec = spec
        self._model = spec.model
        self._state = state
        self._interruption = interruption
        self._kind = fine_tuning_kind(spec.task_type)

    def run(self) -> None:
        """Do it all; the state holds what came of it.

        Raises:
            TrialFailure: It did not work out, for a reason that is known.
            Exception: It did not work out, see ``failures.outcome_of``.
        """
        spec, state, clock = self._spec, self._state, self._state.clock
        parameters = read_hyperparameters(spec.configuration)
        prepare_torch(spec.threads, spec.seed)
        machine = self._choose_machine(parameters)
        with clock.phase("load_data"):
            source = self._kind.open(spec)
        with clock.phase("tokenize"):
            data, config = self._tokenize(source, parameters)
        self._interruption.check()
        with clock.phase("load_model"):
            auto_class = self._kind.auto_class(config.model_type)
            model = load_model(self._model, config, auto_class)
            check_vocabulary(model, data.tokenizer.traits)
            model = apply_method(model, parameters, auto_class).to(machine.device)
            if parameters.gradient_checkpointing:
                checkpoint_gradients(model)
        self._interruption.check()
        state.meter = meter_of(machine.device, spec.meters)
        try:
            with state.meter, clock.phase("train"):
                self._train(model, source, data, parameters, machine)
            model = merge(model)
            if spec.measure_latency:
                with clock.phase("latency"):
                    state.latency_ms = data.latency_ms(model, machine)
        finally:
            if machine.device.type == "cuda":
                state.peak_gpu_bytes = int(torch.cuda.max_memory_reserved(machine.device))
        self._interruption.check()
        with clock.phase("save"):
            if claim_saved(spec) is None:
                raise OSError("The saved model cannot be moved to its place")

    def _choose_machine(self, parameters: HyperParameters) -> Machine:
        device = choose_device(self._spec.device)
        precision = choose_precision(device, parameters.use_mixed_precision)
        self._state.device, self._state.precision = str(device), precision
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.cuda.init()
            torch.cuda.reset_peak_memory_stats(device)
        return Machine(device, precision)

    def _tokenize(self, source: TrialSource, parameters: HyperParameters) -> tuple[TrialData, Any]:
        """Return the trial's data as tokens, and the model's config."""
        spec, task = self._spec, source.task
        tokenizer = open_tokenizer(self._model, task, spec.task_folder.name, spec.cache_folder)
        traits = tokenizer.traits
        config = load_config(
            self._model,
            self._kind.head_labels(task),
            traits,
            parameters.dropout_rate,
            self._kind.problem_type,
        )
        check_fit(config, parameters.method, spec.task_type)
        max_length = min(parameters.max_length, longest_input(config, traits.max_length))
        return source.tokenize(tokenizer, max_length), config

    def _train(
        self,
        model: Any,
        source: TrialSource,
        data: TrialData,
        parameters: HyperParameters,
        machine: Machine,
    ) -> None:
        spec, state, task = self._spec, self._state, source.task
        deadline = deadline_of(state)
        work = TrialAtWork(spec, parameters, machine, state, deadline, self._interruption)
        objective, train_rows = data.objective(model, work)
        card = make_card(
            task,
            has_pairs=source.has_pairs,
            max_length=data.max_length,
            precision=machine.precision,
            configuration=spec.configuration,
            tokenizer=data.tokenizer,
        )
        identity = identity_of(spec, parameters, task.fingerprint, train_rows)
        FineTuning(
            model=model,
            objective=objective,
            work=work,
            saver=StateSaver(model, data.tokenizer, card, state),
            checkpoints=Checkpoints(state, identity),
        ).run()


def prepare_torch(threads: int, seed: int) -> None:
    """Prepare the process, torch included. To be called before any tensor is made."""
    prepare_process(threads, seed)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
