"""One fine-tuning from the spec to the saved model: the phases of a trial, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

import numpy as np
import torch

from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task
from xautolm_core.trial.architectures import longest_input
from xautolm_core.trial.checkpoint import Checkpoints
from xautolm_core.trial.checkpoint import identity_of
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.evaluation import measure_latency
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.head_only import FrozenRows
from xautolm_core.trial.head_only import HeadOnlyRows
from xautolm_core.trial.head_only import replace_backbone
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.hyperparameters import read_hyperparameters
from xautolm_core.trial.inputs import ClassifierInput
from xautolm_core.trial.inputs import TokenInput
from xautolm_core.trial.metering import meter_of
from xautolm_core.trial.methods import apply_method
from xautolm_core.trial.methods import merge
from xautolm_core.trial.models import check_fit
from xautolm_core.trial.models import check_vocabulary
from xautolm_core.trial.models import load_config
from xautolm_core.trial.models import load_model
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.plan import deadline_of
from xautolm_core.trial.precision import Precision
from xautolm_core.trial.precision import choose_device
from xautolm_core.trial.precision import choose_precision
from xautolm_core.trial.process import prepare_process
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.rows import choose_rows
from xautolm_core.trial.saved_state import claim_saved
from xautolm_core.trial.saving import StateSaver
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.trial.tokenizer import TokenizerFolder
from xautolm_core.trial.tokenizer import open_tokenizer
from xautolm_core.trial.tokens import Tokens
from xautolm_core.trial.tokens import open_tokens
from xautolm_core.trial.training import FineTuning
from xautolm_core.trial.training import LabelledRows


@dataclass(frozen=True)
class TrialData:
    """A trial's data as the model takes them.

    Attributes:
        task: The task.
        rows: The rows that the budget allows.
        tokenizer: The model's tokenizer.
        max_length: Longest input in tokens.
        train: Tokens of the training split.
        validation: Tokens of the validation split.
    """

    task: Task
    rows: TrialRows
    tokenizer: TokenizerFolder
    max_length: int
    train: Tokens
    validation: Tokens

    def labels(self, split: SplitName) -> np.ndarray:
        """Class of each row of a split, int64."""
        return self.task.splits[split].labels.astype(np.int64)


@dataclass(frozen=True)
class Machine:
    """Device and precision of a trial."""

    device: torch.device
    precision: Precision

    def inputs(self, model: Any, tokens: Tokens, tokenizer: TokenizerFolder) -> TokenInput:
        """Return a split's rows as the whole model takes them."""
        return TokenInput(model, tokens, tokenizer.traits, self.device, self.precision)


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
            task = open_prepared(spec.task_folder)
            rows = choose_rows(task, spec)
        with clock.phase("tokenize"):
            data, config = self._tokenize(task, rows, parameters)
        self._interruption.check()
        with clock.phase("load_model"):
            model = load_model(self._model, config)
            check_vocabulary(model, data.tokenizer.traits)
            model = apply_method(model, parameters).to(machine.device)
        self._interruption.check()
        state.meter = meter_of(machine.device, spec.meters)
        try:
            with state.meter, clock.phase("train"):
                self._train(model, data, parameters, machine)
            model = merge(model)
            if spec.measure_latency:
                with clock.phase("latency"):
                    inputs = machine.inputs(model, data.validation, data.tokenizer)
                    state.latency_ms = measure_latency(
                        model, inputs, data.rows.validation, machine.device
                    )
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

    def _tokenize(
        self, task: Task, rows: TrialRows, parameters: HyperParameters
    ) -> tuple[TrialData, Any]:
        """Return the trial's data as tokens, and the model's config."""
        spec = self._spec
        key = spec.task_folder.name
        tokenizer = open_tokenizer(self._model, task, key, spec.cache_folder)
        traits = tokenizer.traits
        config = load_config(self._model, task.labels, traits, parameters.dropout_rate)
        check_fit(config, parameters.method)
        max_length = min(parameters.max_length, longest_input(config, traits.max_length))

        def tokens_of(split: SplitName) -> Tokens:
            return open_tokens(
                task,
                split,
                key=key,
                tokenizer=tokenizer,
                max_length=max_length,
                cache_folder=spec.cache_folder,
            )

        train, validation = tokens_of("train"), tokens_of("validation")
        return TrialData(task, rows, tokenizer, max_length, train, validation), config

    def _train(
        self, model: Any, data: TrialData, parameters: HyperParameters, machine: Machine
    ) -> None:
        spec, state, labels = self._spec, self._state, data.labels
        deadline = deadline_of(state)
        train_input: ClassifierInput = machine.inputs(model, data.train, data.tokenizer)
        validation_input: ClassifierInput = machine.inputs(model, data.validation, data.tokenizer)
        train_rows = data.rows.train
        if parameters.method == "head":
            # Its first training step is the first pass for features.
            state.first_step_at = datetime.now(UTC)
            features = self._replace_backbone(model, data, machine, deadline)
            if features is not None:
                train_input, validation_input = features.train, features.validation
                train_rows = features.train_rows
                state.reused_seconds = features.reused.seconds
                state.reused_joules = features.reused.joules
        card = make_card(
            data.task,
            max_length=data.max_length,
            precision=machine.precision,
            configuration=spec.configuration,
            tokenizer=data.tokenizer,
        )
        identity = identity_of(spec, parameters, data.task.fingerprint, train_rows)
        FineTuning(
            model=model,
            parameters=parameters,
            train=LabelledRows(train_input, train_rows, labels("train")[train_rows]),
            validation=LabelledRows(
                validation_input, data.rows.validation, labels("validation")[data.rows.validation]
            ),
            names=data.task.labels,
            device=machine.device,
            precision=machine.precision,
            max_steps=spec.budget.max_steps,
            deadline=deadline,
            state=state,
            interruption=self._interruption,
            seed=spec.seed,
            saver=StateSaver(model, data.tokenizer, card, state),
            checkpoints=Checkpoints(state, identity),
        ).run()

    def _replace_backbone(
        self, model: Any, data: TrialData, machine: Machine, deadline: Deadline
    ) -> HeadOnlyRows | None:
        splits = [
            FrozenRows(tokens, machine.inputs(model, tokens, data.tokenizer), rows, labels)
            for tokens, rows, labels in (
                (data.train, data.rows.train, data.labels("train")),
                (data.validation, data.rows.validation, data.labels("validation")),
            )
        ]
        return replace_backbone(
            model,
            *splits,
            reference=self._model,
            cache_folder=self._spec.cache_folder,
            device=machine.device,
            precision=machine.precision,
            seed=self._spec.seed,
            goes_on=self._interruption.check,
            has_time=deadline.allows_features,
            joules=self._state.joules,
        )


def prepare_torch(threads: int, seed: int) -> None:
    """Prepare the process, torch included. To be called before any tensor is made."""
    prepare_process(threads, seed)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
