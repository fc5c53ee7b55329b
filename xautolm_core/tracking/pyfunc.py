"""A model as MLflow's pyfunc: its code as a file, its weights as safetensors, nothing pickled.

The terms of a TF-IDF come from the task's texts. They are written as digests: the model answers as
before, and nobody can read them.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.records.methods import is_cheap
from xautolm_core.storage_faults import as_os_errors
from xautolm_core.tracking.client_environment import quiet_client
from xautolm_core.tracking.settings import has_client
from xautolm_core.trial.agreement import Agreement
from xautolm_core.trial.agreement import require_agreement
from xautolm_core.trial.agreement import sample_texts
from xautolm_core.trial.linear.saving import WEIGHTS_FILE
from xautolm_core.trial.linear.tfidf import VOCABULARY_FILE
from xautolm_core.trial.linear.tfidf import TfidfVocabulary
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.predict import read_card
from xautolm_core.whole_files import whole_folder
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.trial.saving import ModelCard

ANALYZERS_FILE = "analyzers.json"
_CODE_FILE = "model_code.py"
_LINEAR_PACKAGES = ("mlflow", "numpy", "pandas", "safetensors")
_LANGUAGE_PACKAGES = ("torch", "transformers", "tokenizers")


def save_pyfunc(model_folder: Path, target: Path) -> Agreement:
    """Write a model as a pyfunc, and make sure that it answers as the original.

    Args:
        model_folder: Folder of a model that a search left.
        target: The folder to make; what is there is replaced.

    Raises:
        ConfigError: There is no model, or the other form would not answer as it does.
        MissingExtraError: MLflow, or what the model needs, is not installed.
        OSError: It cannot be written. Nothing is left behind.
    """
    if not has_client():
        raise MissingExtraError("mlflow", "A model for MLflow")
    card = read_card(model_folder)
    original = load_classifier(model_folder, mixed=False)
    with (
        tempfile.TemporaryDirectory(prefix="xautolm-pyfunc-") as name,
        whole_folder(target) as new,
        quiet_client(),
    ):
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc import load_model
        from mlflow.pyfunc import save_model

        files, code = Path(name) / "model", Path(name) / _CODE_FILE
        _write_files(model_folder, card, files)
        # MLflow writes down where the code lay: not the place of this installation.
        shutil.copyfile(Path(__file__).with_name(_CODE_FILE), code)
        new.rmdir()  # MLflow makes it itself
        try:
            save_model(
                path=str(new),
                python_model=str(code),
                artifacts={"model": str(files)},
                signature=_signature(card),
                pip_requirements=_requirements(card),
                metadata={"labels": list(card.labels), "task": card.task},
            )
            other = load_model(str(new)).unwrap_python_model()
        except MlflowException as error:
            raise ConfigError(
                f"MLflow cannot hold the model in {model_folder}",
                hint="Serve the folder as it is (see docs/serving.md)",
            ) from error
        shutil.rmtree(new / "__pycache__", ignore_errors=True)
        samples = sample_texts(has_pairs=card.has_pairs)
        return require_agreement(
            original.probabilities, other.probabilities, samples, form="MLflow's pyfunc"
        )


def _write_files(source: Path, card: ModelCard, target: Path) -> None:
    """Write what the model's code reads: the folder as it is, but without the terms of texts."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(VOCABULARY_FILE, WEIGHTS_FILE))
    if not is_cheap(card.configuration.method):
        return
    with as_os_errors():
        arrays = _arrays(source)
        if card.configuration.method != LINEAR_PROBE:
            vocabulary = TfidfVocabulary.model_validate_json(
                (source / VOCABULARY_FILE).read_bytes()
            )
            arrays |= _digests(vocabulary)
            write_json(target / ANALYZERS_FILE, [part.analyzer for part in vocabulary.parts])
        _write_arrays(arrays, target / WEIGHTS_FILE)


def _arrays(source: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return dict(load_file(source / WEIGHTS_FILE))


def _write_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    path.chmod(0o644)


def _digests(vocabulary: TfidfVocabulary) -> dict[str, np.ndarray]:
    """Return the digests of each part's terms, in the order of their columns.

    Raises:
        ConfigError: Two terms have one digest.
    """
    from xautolm_core.tracking.model_code import term_digest

    found: dict[str, np.ndarray] = {}
    for number, part in enumerate(vocabulary.parts):
        digests = np.array([term_digest(term) for term in part.terms], dtype=np.int64)
        if len(np.unique(digests)) != len(digests):
            raise ConfigError("Two terms of the vocabulary have the same digest")
        found[f"tfidf.terms.{number}"] = digests
    return found


def _requirements(card: ModelCard) -> list[str]:
    """Return the packages that the model's code needs, in the versions that it was checked with."""
    has_backbone = card.tokenizer is not None
    names = (*_LINEAR_PACKAGES, *(_LANGUAGE_PACKAGES if has_backbone else ()))
    return [f"{name}=={_version(name)}" for name in names]


def _version(name: str) -> str:
    # MLflow's small client has a name of its own; builds of torch have a suffix of theirs.
    return version("mlflow-skinny" if name == "mlflow" else name).partition("+")[0]


def _signature(card: ModelCard) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec
    from mlflow.types import DataType
    from mlflow.types import Schema
    from mlflow.types.schema import Map

    inputs = ["text", "text_pair"] if card.has_pairs else ["text"]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, name) for name in inputs]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(Map(DataType.double), "probabilities"),
            ]
        ),
    )
