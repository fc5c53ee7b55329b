"""Virtual environments, each with another version of kfp, made once and kept for the next run.

All else comes from the environment that runs the tests: the packages of the version itself stand
before it.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

FOLDER = Path.home() / ".cache" / "xautolm-tests" / "kfp"
RELEASES = {"2.15": "2.15.2", "2.16": "2.16.0", "2.17": "2.17.0"}
"""What the backends' versions are compiled and run with. Kubeflow 26.03 ships 2.16.0."""


def python_with_kfp(version: str) -> Path:
    """Return the interpreter of an environment, which is made if there is none yet.

    Args:
        version: One of ``RELEASES``.
    """
    release = RELEASES[version]
    interpreter = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = FOLDER / f"{release}-python{interpreter}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the same run may want it, too
        if not (folder / "complete").exists():
            _make(folder, release)
    python = folder / "bin" / "python"
    # Not at its making: the tests may be run by another environment the next time.
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    rest = Path(found.stdout.strip()) / "rest.pth"
    rest.write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _make(folder: Path, release: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = [f"{name}=={release}" for name in ("kfp", "kfp-kubernetes", "kfp-pipeline-spec")]
    installed = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"kfp {release} cannot be installed: {installed.stderr[-500:]}")
    (folder / "complete").touch()
