"""A synthetic conditional space of fine-tuning with failures: twelve related tasks.

A configuration is (model, method, learning rate, batch size, epochs, length). It always has
the same outcome: ``ok``, ``oom_gpu``, ``timeout`` or ``diverged``. 31 to 54 % of random
configurations fail. What a tool can know beforehand is ``SyntheticTask.estimates``: the truth
differs from it by a bias of the model and by noise.
"""

from __future__ import annotations

import random

import numpy as np

METHODS = ("full", "partial", "lora", "head")
LEARNING_RATES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
BATCH_SIZES = (4, 8, 16, 32, 64, 128)
LENGTHS = (64, 128, 256, 512)
MOST_EPOCHS = 10
MODELS = 12
TASKS = 12

SyntheticConfiguration = tuple[int, str, float, int, int, int]

_shared = np.random.RandomState(7)
LOG10_PARAMETERS = np.linspace(6.6, 9.4, MODELS)
_QUALITY = 0.55 * (LOG10_PARAMETERS - 6.6) / 2.8 + 0.18 * _shared.randn(MODELS)
_AFFINITY = _shared.randn(MODELS, 2) * 0.5
_MEMORY_BIAS = [np.random.RandomState(m).randn() for m in range(MODELS)]
_TIME_BIAS = [np.random.RandomState(m + 50).randn() for m in range(MODELS)]
_USUAL_LOG10_RATE = {"full": -4.4, "partial": -4.0, "lora": -3.4, "head": -2.4}
_BYTES_A_PARAMETER = {"full": 16, "partial": 5.5, "lora": 2.6, "head": 2.1}
_ACTIVATIONS = {"full": 34, "partial": 16, "lora": 30, "head": 6}
_WORK = {"full": 6, "partial": 4, "lora": 4.6, "head": 2.2}
_FIT = {"full": 1.0, "partial": 0.93, "lora": 0.97, "head": 0.72}
_CENTRES = np.array([[1, 0], [-0.5, 0.9], [-0.5, -0.9]])


class SyntheticTask:
    """One of the tasks; three groups of four are alike.

    Attributes:
        memory_limit: Gigabytes of the GPU.
        time_limit: Seconds that a trial may take.
    """

    def __init__(self, index: int) -> None:
        r = np.random.RandomState(100 + index)
        centre = _CENTRES[index % 3]
        self.index = index
        self.latent = centre + 0.35 * r.randn(2)
        self.rows = 10 ** r.uniform(3, 4.7)
        self.base, self.gain = r.uniform(0.15, 0.4), r.uniform(0.35, 0.55)
        self.epochs_needed = r.uniform(1.5, 4) * (3e4 / self.rows) ** 0.15
        self.rate_shift = 0.25 * r.randn() + 0.15 * centre[0]
        self.words, self.classes = 10 ** r.uniform(1.5, 2.5), int(r.randint(2, 12))
        self.memory_limit = float(r.choice([3, 4, 6, 8]))
        self.time_limit = float(r.choice([60, 120, 240]))

    def features(self) -> dict[str, float]:
        """Return the paper's ten meta-features."""
        noise = np.random.RandomState(500 + self.index).randn(3) * 0.05
        return {
            "n_instances": float(self.rows),
            "n_classes": float(self.classes),
            "class_entropy": float(np.log2(self.classes) * 0.9),
            "min_class_probability": 0.5 / self.classes,
            "max_class_probability": 1.6 / self.classes,
            "imbalance_ratio": 0.3,
            "mean_document_characters": float(self.words * 4.5),
            "std_document_characters": float(self.words * 3),
            "cv_document_characters": 0.66,
            "landmark_decision_tree_accuracy": float(self.base + 0.04 * self.latent[0] + noise[0]),
        }

    def estimates(self, x: SyntheticConfiguration) -> tuple[float, float]:
        """Return gigabytes and seconds as a tool would estimate them beforehand."""
        model, method, _, batch, epochs, length = x
        parameters = 10 ** LOG10_PARAMETERS[model]
        width, layers = width_and_layers(model)
        tokens = min(length, self.words * 1.6)
        activations = batch * min(length, self.words * 2.5) * width * layers * _ACTIVATIONS[method]
        memory = parameters * _BYTES_A_PARAMETER[method] / 1e9 + activations / 1e9 + 0.8
        rows = min(self.rows, 2e4)
        work = parameters**0.92 * rows * tokens * epochs * _WORK[method] / 3.2e13
        return float(memory), float(work * (1 + 6.0 / batch) + 8)

    def evaluate(self, x: SyntheticConfiguration) -> tuple[str, float | None, float]:
        """Return outcome, score (None for a failure) and seconds."""
        model, method, rate, batch, epochs, length = x
        # Of numbers alone, so that it is the same in every process.
        whole = (self.index, model, METHODS.index(method), int(1e9 * rate), batch, epochs, length)
        r = random.Random(abs(hash(whole)) % 2**31)
        memory, seconds = self.estimates(x)
        memory *= np.exp(0.15 * _MEMORY_BIAS[model] + 0.05 * r.gauss(0, 1))
        seconds *= np.exp(0.25 * _TIME_BIAS[model] + 0.08 * r.gauss(0, 1))
        if memory > self.memory_limit:
            return "oom_gpu", None, float(min(20.0, 0.2 * seconds))
        best = (
            _USUAL_LOG10_RATE[method]
            - 0.22 * (LOG10_PARAMETERS[model] - 8)
            + self.rate_shift
            + 0.3 * np.log10(batch / 16)
        )
        off = np.log10(rate) - best
        if off > 0.75 + 0.15 * r.gauss(0, 1):
            return "diverged", None, float(min(0.3 * seconds, self.time_limit))
        if seconds > self.time_limit:
            return "timeout", None, self.time_limit
        score = self._score(x, float(off)) + 0.008 * r.gauss(0, 1)
        return "ok", float(np.clip(score, 0.02, 0.99)), float(seconds)

    def _score(self, x: SyntheticConfiguration, off: float) -> float:
        """Return the score without noise; ``off`` is log10 of the rate over the best one."""
        model, method, _, batch, epochs, length = x
        quality = _QUALITY[model] + _AFFINITY[model] @ self.latent
        fit_of_method = _FIT[method]
        if method == "full" and self.rows <= 3e3:
            fit_of_method *= 0.93
        fit = np.exp(-0.5 * (off / (0.55 if off < 0 else 0.45)) ** 2)
        passes = epochs * np.sqrt(16 / batch) / self.epochs_needed
        converged = 1 - np.exp(-passes * (1.3 if method == "head" else 1))
        seen = min(1.0, length / (self.words * 1.3)) ** 0.25
        reached = 0.25 + 0.75 / (1 + np.exp(-2.2 * (quality - 0.2)))
        trained = 0.15 + 0.85 * fit * converged
        score = self.base + self.gain * reached * fit_of_method * trained * seen
        overfitted = 0.006 * max(0, epochs - 6) * (method == "full")
        return float(score - overfitted)


def width_and_layers(model: int) -> tuple[float, float]:
    """Return the shape of a model, as its size has it."""
    relative = 10 ** LOG10_PARAMETERS[model] / 4e6
    return 64 * relative**0.38, 4 * relative**0.22


def random_configuration(r: np.random.RandomState) -> SyntheticConfiguration:
    """Return a configuration drawn uniformly, part by part."""
    return (
        int(r.randint(MODELS)),
        METHODS[r.randint(4)],
        LEARNING_RATES[r.randint(len(LEARNING_RATES))],
        BATCH_SIZES[r.randint(len(BATCH_SIZES))],
        int(r.randint(1, MOST_EPOCHS + 1)),
        LENGTHS[r.randint(len(LENGTHS))],
    )
