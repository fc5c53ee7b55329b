"""A real S3 server on loopback: one Ceph monitor, one OSD in memory and the object gateway.

The packages are Debian's: ``ceph-mon ceph-osd radosgw ceph-common``. It is up in about 15 s.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.servers.certificates import Certificates
from tests.servers.certificates import make_certificates

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START_SECONDS = 90.0

_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
ms bind ipv4 = true
public addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
auth supported = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon warn on pool no redundancy = false
osd heartbeat grace = 60
osd client watch timeout = 3
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/log/$name.log
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
rgw frontends = beast {endpoints} tcp_nodelay=1
rgw data log backing = omap
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd.0
"""


def is_installed() -> bool:
    """Whether this machine can start the gateway."""
    return all(shutil.which(program) for program in PROGRAMS)


def started_gateway(attempts: int = 3) -> CephGateway:
    """Return a running gateway; tried again where another process took one of its ports."""
    for left in reversed(range(attempts)):
        gateway = CephGateway()
        try:
            gateway.start()
        except RuntimeError as error:
            if not left:
                raise
            print(f"trying again: {error}", file=sys.stderr)
        else:
            return gateway
    raise AssertionError("unreachable")


class CephGateway:
    """The server; ``start`` makes an empty one, ``stop`` ends it and removes all of it.

    Between them, the gateway alone may be stopped and started again (an outage): the data stay.
    If this process ends in whatever way, the server ends with it.

    Attributes:
        endpoint: ``http://127.0.0.1:port``.
        access_key: Key of a user who may do everything.
        secret_key: Its secret.
        tls_endpoint: The same server over TLS; None without the ``openssl`` program.
        certificates: What its certificate is checked with; None without the ``openssl`` program.
    """

    def __init__(self) -> None:
        # Short, as the path of a socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="ceph-", dir="/tmp"))
        self.certificates: Certificates | None = None
        mon_port, self.port, tls_port = _free_ports(3)
        endpoints = f"endpoint=127.0.0.1:{self.port}"
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.tls_endpoint: str | None = None
        if shutil.which("openssl"):
            self.certificates = make_certificates(self.folder / "tls")
            self.tls_endpoint = f"https://localhost:{tls_port}"
            endpoints += (
                f" ssl_endpoint=127.0.0.1:{tls_port}"
                f" ssl_certificate={self.certificates.chain}"
                f" ssl_private_key={self.certificates.key}"
            )
        self.access_key = "xautolm-test"
        self.secret_key = secrets.token_hex(20)
        self._mon_port = mon_port
        self._fsid = str(uuid.uuid4())
        self._configuration = self.folder / "ceph.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                fsid=self._fsid, mon_port=mon_port, folder=self.folder, endpoints=endpoints
            )
        )
        self._watcher: subprocess.Popen[bytes] | None = None
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start it empty, with one user."""
        for name in ("mon", "osd.0", "run", "log"):
            (self.folder / name).mkdir()
        # Daemons join the watcher's group; it kills the group when its input ends: when we stop,
        # and also when this process is killed.
        self._watcher = subprocess.Popen(
            ["sh", "-c", "trap '' INT TERM; read -r _; kill -KILL 0"],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        try:
            self._start_monitor()
            self._start_osd()
            self.start_gateway()
            self.add_user(self.access_key, self.access_key, self.secret_key)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and remove its data."""
        if self._watcher is not None:
            assert self._watcher.stdin is not None
            self._watcher.stdin.close()
            self._watcher.wait()
            for daemon in self._daemons.values():
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_gateway(self) -> None:
        """Start the gateway (again), and return once it answers."""
        self._daemon("radosgw", "-n", "client.rgw")
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            self._require_time(deadline, "radosgw")

    def stop_gateway(self) -> None:
        """Kill the gateway: its port is closed, requests under way break off, the data stay."""
        daemon = self._daemons.pop("radosgw")
        daemon.kill()
        daemon.wait()

    def add_user(self, name: str, access_key: str, secret_key: str) -> None:
        """Add a user with keys, or give the user these keys besides those that it has."""
        known = json.loads(self._admin("user", "list"))
        verb = ("key", "create", "--key-type=s3") if name in known else ("user", "create")
        self._admin(
            *verb,
            f"--uid={name}",
            *([] if name in known else [f"--display-name={name}"]),
            f"--access-key={access_key}",
            f"--secret-key={secret_key}",
        )

    def remove_key(self, name: str, access_key: str) -> None:
        """Take a key from a user: requests signed with it are refused from now on."""
        self._admin("key", "rm", "--key-type=s3", f"--uid={name}", f"--access-key={access_key}")

    def _start_monitor(self) -> None:
        monmap = str(self.folder / "monmap")
        address = f"v1:127.0.0.1:{self._mon_port}"
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", self._fsid, monmap)
        self._run("ceph-mon", *self._c, "--mkfs", "-i", "a", "--monmap", monmap)
        self._daemon("ceph-mon", "-i", "a")
        deadline = time.monotonic() + START_SECONDS
        while self._asked("-s") is None:
            self._require_time(deadline, "ceph-mon")

    def _start_osd(self) -> None:
        identity = str(uuid.uuid4())
        self._run("ceph", *self._c, "osd", "new", identity)
        self._run("ceph-osd", *self._c, "-i", "0", "--mkfs", "--osd-uuid", identity)
        self._daemon("ceph-osd", "-i", "0")
        deadline = time.monotonic() + START_SECONDS
        while "1 up" not in (self._asked("osd", "stat") or ""):
            self._require_time(deadline, "ceph-osd")

    @property
    def _c(self) -> tuple[str, str]:
        return ("-c", str(self._configuration))

    def _daemon(self, program: str, *arguments: str) -> None:
        assert self._watcher is not None
        with (self.folder / "log" / f"{program}.out").open("ab") as output:
            self._daemons[program] = subprocess.Popen(
                [program, *self._c, "-f", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=self._watcher.pid,
            )

    def _asked(self, *arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["ceph", *self._c, *arguments],
                check=False,
                capture_output=True,
                text=True,
                timeout=10,
            )
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 else None

    def _admin(self, *arguments: str) -> str:
        return self._run("radosgw-admin", *self._c, *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=START_SECONDS
        )
        if done.returncode:
            # The command may hold a secret.
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
        return done.stdout

    def _require_time(self, deadline: float, program: str) -> None:
        ended = self._daemons[program].poll() is not None
        if ended or time.monotonic() > deadline:
            log = self.folder / "log" / f"{program}.out"
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{program} did not come up: {tail}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


if __name__ == "__main__":
    server = started_gateway()
    print(server.endpoint, server.access_key, server.secret_key, os.getpid(), flush=True)
    try:
        input("Enter ends it. ")
    finally:
        server.stop()
