"""A certificate authority of the tests' own, and a server certificate of it for this machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files.

    Attributes:
        authority: Certificate of the authority: what a client gives as its CA bundle.
        chain: Certificate of the server, for ``localhost`` and ``127.0.0.1``.
        key: Its private key.
    """

    authority: Path
    chain: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a server certificate, valid for two days, in a new folder."""
    folder.mkdir()
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for arguments in (
        f"req -x509 {new_key} -keyout ca.key -out ca.pem -days 2 -subj /CN=xautolm-tests"
        " -addext keyUsage=critical,keyCertSign",
        f"req {new_key} -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
        " -extfile names -out server.pem",
    ):
        done = subprocess.run(
            ["openssl", *arguments.split()], check=False, cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"openssl {arguments[:20]}... failed: {done.stderr[-1000:]}")
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
