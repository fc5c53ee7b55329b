"""Checkpoints: all that a training needs to continue as if it had never ended.

Tensors are in a safetensors file, everything else is in JSON: nothing is pickled. The folder
appears whole, by a rename.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.storage_faults import as_os_errors
from xautolm_core.trial.best_weights import BestWeights
from xautolm_core.trial.checkpoint_manifest import MANIFEST_FILE
from xautolm_core.trial.checkpoint_manifest import TENSORS_FILE
from xautolm_core.trial.checkpoint_manifest import CheckpointManifest
from xautolm_core.trial.checkpoint_manifest import TrainingPosition
from xautolm_core.trial.checkpoint_manifest import read_manifest
from xautolm_core.trial.contract import CHECKPOINT_FOLDER
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.failures import CheckpointFault
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.saving import SLOW_BYTES_PER_SECOND
from xautolm_core.trial.state import TrialState
from xautolm_core.whole_files import whole_folder
from xautolm_core.whole_files import write_json

_WEIGHT, _BEST, _OPTIMIZER = "weight.", "best.", "optimizer."
_TORCH_RANDOM, _CUDA_RANDOM, _NUMPY_RANDOM = "random.torch", "random.cuda", "random.numpy"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and is valid for the trial.

    Attributes:
        manifest: Its metadata.
        tensors: By name, on the CPU.
    """

    manifest: CheckpointManifest
    tensors: Mapping[str, torch.Tensor]

    def _named(self, prefix: str) -> dict[str, torch.Tensor]:
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


@dataclass(frozen=True)
class TrainedParts:
    """The parts of a training that have a state.

    Attributes:
        model: Its trainable parameters are kept.
        optimizer: Its state is kept; learning rates follow from the schedule.
        scaler: Of the gradients.
        best: The best weights, if they are not the model's.
        device: Whose random numbers are drawn.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.GradScaler
    best: BestWeights
    device: torch.device

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters that are trained, by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}


def identity_of(
    spec: TrialSpec, parameters: HyperParameters, fingerprint: str, rows: np.ndarray
) -> dict[str, str]:
    """Return what a continuation has to share with the trial that it continues, as digests.

    Args:
        spec: The trial.
        parameters: Its hyper-parameters; the number of epochs may change.
        fingerprint: Of the task's content.
        rows: Its training rows.
    """
    model = spec.model
    assert model is not None  # only weights of a model are continued
    weights = model.digest or model.revision or ""
    values = dataclasses.asdict(dataclasses.replace(parameters, epochs=1))
    return {
        "search": spec.search_id,
        "task": fingerprint,
        "model": _digest([model.id, weights, model.untrained_config]),
        "hyper-parameters": _digest(values),
        "seed": str(spec.seed),
        "training rows": hashlib.sha256(rows.tobytes()).hexdigest(),
    }


class Checkpoints:
    """The checkpoint that a trial continues from, and the one that it leaves.

    Args:
        state: State of the trial; its spec holds the request.
        identity: See ``identity_of``.
    """

    def __init__(self, state: TrialState, identity: Mapping[str, str]) -> None:
        self._state = state
        self._spec = state.spec
        self._identity = identity
        self._bytes = 0

    @property
    def expected_seconds(self) -> float:
        """Expected seconds of writing the checkpoint, on a slow disk."""
        return self._bytes / SLOW_BYTES_PER_SECOND

    def restore(self, parts: TrainedParts) -> TrainingPosition | None:
        """Give the parts of a continuation their state; return how far the training was.

        Returns:
            None for a trial that begins anew.

        Raises:
            CheckpointFault: There is no checkpoint, or it does not fit.
        """
        if self._spec.keep_checkpoint:
            trained = sum(p.numel() * p.element_size() for p in parts.trainable().values())
            # The latest and the best weights, and two moments of each.
            self._bytes = 4 * trained
        if self._spec.resume_from is None:
            return None
        checkpoint = read_checkpoint(self._spec.resume_from, self._identity)
        restore(parts, checkpoint)
        return checkpoint.manifest.position

    def write(self, parts: TrainedParts, position: TrainingPosition) -> None:
        """Write a checkpoint if the spec asks for one; without room for it there is none."""
        if not self._spec.keep_checkpoint:
            return
        try:
            with self._state.clock.phase("save"):
                so_far = self._state.result(Outcome.OK)
                name = self._write(parts, position, so_far)
        except OSError as error:
            print(f"xautolm: no checkpoint was written: {error.strerror}", file=sys.stderr)
            return
        self._state.checkpoint_folder = name

    def _write(self, parts: TrainedParts, position: TrainingPosition, so_far: TrialResult) -> str:
        """Write a checkpoint; its folder appears whole or not at all. Return the folder's name."""
        from safetensors.torch import save_file

        spec = self._spec
        chained = spec.continues is not None
        seconds = so_far.cumulative_seconds if chained else so_far.time_seconds
        with whole_folder(spec.out_folder / CHECKPOINT_FOLDER) as temporary:
            file = temporary / TENSORS_FILE
            with as_os_errors():
                save_file(_tensors(parts), file)
            file.chmod(0o644)
            numpy_state: Any = np.random.get_state(legacy=True)
            manifest = CheckpointManifest(
                search_id=spec.search_id,
                trial_number=spec.trial_number,
                identity=self._identity,
                position=position,
                cumulative_seconds=seconds or 0.0,
                cumulative_joules=so_far.cumulative_joules if chained else so_far.energy_joules,
                scaler=parts.scaler.state_dict(),
                python_random=random.getstate(),
                numpy_random=(numpy_state[0], *numpy_state[2:]),
                bytes=file.stat().st_size,
            )
            write_json(temporary / MANIFEST_FILE, manifest, durable=False)
        return CHECKPOINT_FOLDER


def read_checkpoint(folder: Path, identity: Mapping[str, str]) -> Checkpoint:
    """Return the checkpoint in a folder.

    Raises:
        CheckpointFault: It is not there, not whole, or of a training that this one cannot continue.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = read_manifest(folder)
    if manifest is None:
        raise CheckpointFault("There is no checkpoint that is whole")
    for name, value in identity.items():
        if manifest.identity.get(name) != value:
            raise CheckpointFault(f"The checkpoint is of a training with another {name}")
    try:
        return Checkpoint(manifest, load_file(folder / TENSORS_FILE))
    except (OSError, SafetensorError) as error:
        raise CheckpointFault("The checkpoint cannot be read") from error


def restore(parts: TrainedParts, checkpoint: Checkpoint) -> None:
    """Give the parts of a training the state of a checkpoint, and random numbers theirs.

    Raises:
        CheckpointFault: The tensors are not those of these parts.
    """
    trainable = parts.trainable()
    weights, best = checkpoint._named(_WEIGHT), checkpoint._named(_BEST)
    for found in (weights, best) if best else (weights,):
        shapes = {name: tensor.shape for name, tensor in found.items()}
        if shapes != {name: parameter.shape for name, parameter in trainable.items()}:
            raise CheckpointFault("The checkpoint's weights are not those of this model")
    with torch.no_grad():
        for name, parameter in trainable.items():
            parameter.copy_(weights[name])
    if checkpoint.manifest.position.best_epoch:
        if best:
            parts.best.take([best[name] for name in trainable])
        else:
            # The model's own weights are the best so far; training goes on, so they are copied.
            parts.best.keep(last=False)
    state: dict[str, Any] = parts.optimizer.state_dict()
    state["state"] = _optimizer_state(checkpoint._named(_OPTIMIZER))
    try:
        parts.optimizer.load_state_dict(state)
        if parts.scaler.is_enabled() and checkpoint.manifest.scaler:
            parts.scaler.load_state_dict(dict(checkpoint.manifest.scaler))
        _restore_random(checkpoint, parts.device)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointFault("The checkpoint's state is not that of this training") from error


def _tensors(parts: TrainedParts) -> dict[str, torch.Tensor]:
    trainable = parts.trainable()
    tensors = {_WEIGHT + name: parameter.detach() for name, parameter in trainable.items()}
    copies = parts.best.apart()
    if copies is not None:
        tensors |= {_BEST + name: copy for name, copy in zip(trainable, copies, strict=True)}
    for index, values in parts.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{_OPTIMIZER}{index}.{name}"] = value
    tensors[_TORCH_RANDOM] = torch.get_rng_state()
    if parts.device.type == "cuda":
        tensors[_CUDA_RANDOM] = torch.cuda.get_rng_state(parts.device)
    numpy_state: Any = np.random.get_state(legacy=True)
    # Safetensors knows no unsigned 32-bit numbers in every version.
    tensors[_NUMPY_RANDOM] = torch.from_numpy(numpy_state[1].astype(np.int64))
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _optimizer_state(tensors: Mapping[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    return state


def _restore_random(checkpoint: Checkpoint, device: torch.device) -> None:
    manifest, tensors = checkpoint.manifest, checkpoint.tensors
    random.setstate(manifest.python_random)
    name, *others = manifest.numpy_random
    keys = tensors[_NUMPY_RANDOM].numpy().astype(np.uint32)
    np.random.set_state((name, keys, *others))
    torch.set_rng_state(tensors[_TORCH_RANDOM])
    if device.type == "cuda" and _CUDA_RANDOM in tensors:
        torch.cuda.set_rng_state(tensors[_CUDA_RANDOM], device)


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
