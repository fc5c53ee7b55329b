"""Converts models that packages bring in another format to safetensors, once for this user.

Weights are read as safetensors alone, with this one exception: files whose SHA-256 stands in
``CONVERSIONS``, in an installed package. Size and hash are checked before anything of a file is
parsed, and no code of the package is run. The result is kept in the user's cache under a name made
from the hashes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import SpaceError
from xautolm_core.space.descriptor import CONFIG_FILE
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.descriptor import tokenizer_digest
from xautolm_core.space.gguf_llama import SMOLLM2
from xautolm_core.space.onnx_bert import PARAPHRASE_MINILM
from xautolm_core.space.packages import package_folder
from xautolm_core.space.weight_files import weight_shapes
from xautolm_core.whole_files import folder_once

if TYPE_CHECKING:
    import numpy as np

    from xautolm_core.space.packaged_file import ModelParts
    from xautolm_core.space.packaged_file import PackagedFile

_WEIGHTS_FILE = "model.safetensors"

CONVERSIONS: tuple[PackagedFile, ...] = (PARAPHRASE_MINILM, SMOLLM2)
"""The files that are converted."""


def conversion_of(package: str, path: str) -> PackagedFile | None:
    """Return how a package's file is converted; None if it is none of those that are."""
    return next((c for c in CONVERSIONS if (c.package, c.file) == (package, path)), None)


def converted_folder(conversion: PackagedFile) -> Path | None:
    """Return the folder of a converted model, converted now if that was not done yet.

    Returns:
        The folder; None if neither it nor the package is there.

    Raises:
        SpaceError: The package has another file than is known, or its tokenizer is not there.
        MissingExtraError: What reads the file is not installed.
        OSError: The file cannot be read, or the cache not be written.
    """
    target = conversion.folder
    if _is_whole(target, conversion):
        return target
    package = package_folder(conversion.package)
    if package is None:
        return None
    parts = conversion.read(package)
    _check_weights(parts.weights, conversion)
    with folder_once(target) as folder:
        _write(folder, parts, conversion)
        if not _is_whole(folder, conversion):
            raise SpaceError(f"{conversion.file} did not become a whole model's folder")
        if not _is_whole(target, conversion):
            # What a power cut has left of an earlier one.
            shutil.rmtree(target, ignore_errors=True)
    return target


def _is_whole(folder: Path, conversion: PackagedFile) -> bool:
    try:
        return (
            weight_shapes(folder / _WEIGHTS_FILE) == conversion.shapes
            and read_config(folder) == conversion.config
            and tokenizer_digest(folder) == conversion.tokenizer_digest
        )
    except ValueError:
        return False


def _check_weights(weights: Mapping[str, np.ndarray], conversion: PackagedFile) -> None:
    """Make sure that all weights of the model are there, and no others.

    Raises:
        SpaceError: They are not.
    """
    import numpy as np

    expected = conversion.shapes
    found = {
        name: values.shape
        for name, values in weights.items()
        if values.dtype == np.float32 and np.isfinite(values).all()
    }
    wrong = [name for name in {*weights, *expected} if found.get(name) != expected.get(name)]
    if wrong:
        raise SpaceError(
            f"{conversion.file} cannot be converted: {len(wrong)} weights are missing, not expected"
            f" or no float32 numbers of the right shape, {min(wrong)} among them"
        )


def _write(folder: Path, parts: ModelParts, conversion: PackagedFile) -> None:
    from safetensors.numpy import save

    # Not by its save_file, which makes files private.
    (folder / _WEIGHTS_FILE).write_bytes(save(dict(parts.weights), metadata={"format": "pt"}))
    text = json.dumps(dict(conversion.config), indent=2, sort_keys=True) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    for name, content in parts.tokenizer.items():
        (folder / name).write_bytes(content)
