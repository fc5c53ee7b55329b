"""How the model of a trial gets to another machine."""

from __future__ import annotations

import site
import sysconfig
from pathlib import Path

from xautolm_core.errors import LaunchError
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle import describe_files
from xautolm_core.objects.bundle import send_bundle
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.space.download import model_files
from xautolm_core.trial.remote_contract import PackagedModel

_MODELS_PLACE = "models/model"


def send_model(storage: ObjectStorage, name: str, folder: Path) -> BundleReference | PackagedModel:
    """Return where another machine finds a model, after sending it if it is only here.

    One that an installed package brings is taken from the same package there. Any other folder (a
    user's own, the cache of a hub or of an S3 prefix) is sent, once for each content.

    Args:
        storage: The objects of the search.
        name: What errors call the model.
        folder: Its folder.

    Raises:
        LaunchError: The folder holds no model any more.
        StoreError: It cannot be read or written.
    """
    names = model_files(folder) if folder.is_dir() else []
    if not names:
        raise LaunchError(
            f"The folder {folder} of model {name} holds no model",
            hint="Restore it, or leave the model out of the space",
        )
    package = _package_of(folder)
    if package is None:
        return send_bundle(storage, _MODELS_PLACE, folder, names)
    digest = describe_files(folder, names).digest
    return PackagedModel(package=package[0], path=package[1], digest=digest)


def _package_of(folder: Path) -> tuple[str, str] | None:
    """Return the installed package that a folder lies in, and its path below; None if in none."""
    paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for place in (*paths, *site.getsitepackages()):
        try:
            name, *below = folder.resolve().relative_to(Path(place).resolve()).parts
        except ValueError:
            continue
        if name.isidentifier():
            return name, "/".join(below)
    return None
