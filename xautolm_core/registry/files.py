"""Which files are a model's: weights as safetensors, and text; never code or pickles."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from pathlib import PurePosixPath

from xautolm_core.errors import ConfigError
from xautolm_core.objects.bundle import files_below

WEIGHTS_SUFFIX = ".safetensors"
ALLOWED_SUFFIXES = frozenset({WEIGHTS_SUFFIX, ".json", ".jinja", ".md", ".model", ".txt"})
"""``.model`` is a vocabulary of SentencePiece (a protocol buffer)."""


def model_files(folder: Path) -> list[str]:
    """Return the names of a model's files below a folder.

    Raises:
        ConfigError: There is no folder, no weights, or a file that a model must not have.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is no folder with a model", hint="Give RUN/model of a finished search"
        )
    names = files_below(folder)
    check_names(names, str(folder))
    return names


def check_names(names: Iterable[str], where: str) -> None:
    """Check that the files are those of a model, by their names.

    Raises:
        ConfigError: They are not.
    """
    suffixes = {name: PurePosixPath(name).suffix.lower() for name in names}
    for name, suffix in suffixes.items():
        if suffix not in ALLOWED_SUFFIXES:
            raise ConfigError(
                f"{where} holds {name!r}, which is no file of a registered model",
                hint=f"Remove it: files end in {', '.join(sorted(ALLOWED_SUFFIXES))}",
            )
    if WEIGHTS_SUFFIX not in suffixes.values():
        raise ConfigError(
            f"{where} holds no weights (a file that ends in {WEIGHTS_SUFFIX})",
            hint="Give RUN/model of a finished search",
        )


def require_replaceable(folder: Path) -> None:
    """Check that nothing but a model is lost if a folder is replaced.

    Raises:
        ConfigError: There is something else in it.
    """
    if not folder.exists():
        return
    try:
        if folder.is_dir() and not any(folder.iterdir()):
            return
        model_files(folder)
    except (OSError, ConfigError) as error:
        raise ConfigError(
            f"{folder} is there already and holds more than a model",
            hint="Give a folder of its own",
        ) from error
