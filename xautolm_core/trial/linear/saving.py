"""The folder of a saved linear model: JSON and safetensors, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xautolm_core.errors import ConfigError
from xautolm_core.storage_faults import as_os_errors
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.regression import LinearModel
from xautolm_core.trial.linear.tfidf import VOCABULARY_FILE
from xautolm_core.trial.linear.tfidf import Tfidf
from xautolm_core.trial.linear.tfidf import TfidfVocabulary

WEIGHTS_FILE = "linear.safetensors"
BACKBONE_FOLDER = "backbone"

_HINT = "Take the folder from the run that made it, or from the registry, again"


@as_os_errors()
def write_parts(folder: Path, parts: Sequence[LinearPart]) -> None:
    """Write the parts of a linear classifier to its folder.

    Raises:
        OSError: They cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    for part in parts:
        arrays |= part.source.write(folder)
        arrays[f"{part.name}.coefficients"] = part.model.coefficients
        arrays[f"{part.name}.intercepts"] = part.model.intercepts
        if len(parts) > 1:
            arrays[f"{part.name}.weight"] = np.array([part.weight], dtype=np.float32)
    save_arrays(folder, arrays)


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a model's arrays to its folder."""
    from safetensors.numpy import save_file

    path = folder / WEIGHTS_FILE
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    # safetensors makes its file readable for its owner alone.
    path.chmod(0o644)


class SavedArrays:
    """The arrays of a saved linear model, checked as they are asked for.

    Args:
        folder: The model's folder.

    Raises:
        ConfigError: They cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        self._folder = folder
        try:
            self._arrays: dict[str, np.ndarray] = load_file(folder / WEIGHTS_FILE)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"The model in {folder} has no readable {WEIGHTS_FILE}", hint=_HINT
            ) from error

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array of finite float32 numbers.

        Raises:
            ConfigError: There is none of that name, or it is another.
        """
        found = self._arrays.get(name)
        if found is None:
            raise ConfigError(
                f"{WEIGHTS_FILE} of the model in {self._folder} has no {name!r}", hint=_HINT
            )
        if found.shape != shape or found.dtype != np.float32 or not np.isfinite(found).all():
            shown = " x ".join(map(str, shape))
            raise ConfigError(
                f"{name!r} in {WEIGHTS_FILE} of the model in {self._folder} is not {shown} finite"
                " numbers (float32)",
                hint=_HINT,
            )
        return found

    def weight(self, prefix: str) -> float:
        """Return the weight of a part, in [0, 1].

        Raises:
            ConfigError: It is not there, or out of its range.
        """
        found = float(self.array(f"{prefix}.weight", (1,))[0])
        if not 0 <= found <= 1:
            raise ConfigError(
                f"'{prefix}.weight' of the model in {self._folder} is not from 0 to 1", hint=_HINT
            )
        return found

    def model(self, prefix: str, classes: int, columns: int) -> LinearModel:
        """Return a logistic regression.

        Raises:
            ConfigError: It is not there, or does not fit classes and columns.
        """
        return LinearModel(
            self.array(f"{prefix}.coefficients", (classes, columns)),
            self.array(f"{prefix}.intercepts", (classes,)),
        )


def read_tfidf(folder: Path, arrays: SavedArrays) -> Tfidf:
    """Return the TF-IDF of a saved model.

    Raises:
        ConfigError: It is not there, or its parts do not fit together.
    """
    from pydantic import ValidationError

    try:
        vocabulary = TfidfVocabulary.model_validate_json((folder / VOCABULARY_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"The model in {folder} has no readable {VOCABULARY_FILE}", hint=_HINT
        ) from error
    return Tfidf.of(vocabulary, arrays.array("tfidf.idf", (vocabulary.columns,)))
