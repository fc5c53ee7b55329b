"""A base image without a registry: Debian with Python, made by debootstrap once for all runs.

What this machine needs to reach a package index, its certificates and pip's settings, goes into
this local base alone, never into the images that are built from it.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.docker_engine import Engine
from tests.servers.docker_engine import cache_folder

NAME = "xautolm-test/python"
SUITE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv,python3-pip"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")


def why_not() -> str | None:
    """Return why the base cannot be made here; None if it can."""
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed"
    return None if os.geteuid() == 0 else "only root can make a base image"


def base_image(engine: Engine) -> str:
    """Return the name of the base, made first where the engine does not have it.

    Raises:
        RuntimeError: It cannot be made.
    """
    configuration = pip_configuration(host_pip_settings())
    certificates = CERTIFICATES.read_bytes() if CERTIFICATES.exists() else b""
    recipe = f"{SUITE} {PACKAGES} {configuration}".encode() + certificates
    name = f"{NAME}:{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not engine.has_image(name):
        _make(engine, name, configuration, certificates)
    return name


def host_pip_settings() -> dict[str, str]:
    """Return what pip is told on this machine, by its files and its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings: dict[str, str] = {}
    for line in sorted(done.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        settings[name.removeprefix(":env:.").rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings


def pip_configuration(settings: dict[str, str]) -> str:
    """Return a ``pip.conf`` with those settings that mean something in a container."""
    lines = ["[global]"]
    if CERTIFICATES.exists():
        lines.append(f"cert = {CERTIFICATES}")
    for name in _SETTINGS:
        # A folder of this machine is not in the container.
        words = [w for w in settings.get(name, "").split() if not w.startswith("file:")]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    return "\n".join(lines) + "\n"


def _make(engine: Engine, name: str, configuration: str, certificates: bytes) -> None:
    folder = Path(tempfile.mkdtemp(prefix="base-", dir=cache_folder()))
    root = folder / "root"
    try:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"debootstrap failed: {(done.stdout + done.stderr)[-2000:]}")
        shutil.rmtree(root / "var/cache/apt/archives")
        (root / "etc/pip.conf").write_text(configuration)
        if certificates:
            (root / CERTIFICATES.relative_to("/")).write_bytes(certificates)
        with subprocess.Popen(
            ["tar", "-C", str(root), "--numeric-owner", "-c", "."], stdout=subprocess.PIPE
        ) as tar:
            subprocess.run(
                ["docker", "import", "-", name],
                stdin=tar.stdout,
                env=engine.environment,
                capture_output=True,
                check=True,
            )
    finally:
        # Where debootstrap was broken off, it is still mounted there.
        subprocess.run(["umount", str(root / "proc")], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
