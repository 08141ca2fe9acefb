"""The shipped nginx configuration in front of the real app, on ports and with a certificate of the test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.certificates import Certificate, self_signed

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
NAME = "ops.example.com"
"""The name in the shipped file; the test's server is called by its address."""

HOST = "127.0.0.1"
USER, PASSWORD = "anna", "pass phrase"
PLAIN = "anna:{PLAIN}pass phrase\n"


@dataclass(frozen=True, slots=True)
class Proxied:
    """Where nginx listens (`https_port`, `http_port`) and the app behind it (`app`), with the certificate shown."""

    https_port: int
    http_port: int
    app: str
    certificate: Certificate

    @property
    def origin(self) -> str:
        """The dashboard's address as a viewer knows it."""
        return f"https://{HOST}:{self.https_port}"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def replaced(text: str, changes: dict[str, str]) -> str:
    """`text` with each key replaced; a key that is not there would leave the shipped file untested."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is no longer in the file"
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[Proxied]:
    """A real nginx that runs deploy/nginx/halo-ops.conf in front of `upstream` (host:port)."""
    http_port, https_port = free_ports(2)
    certificate = self_signed(folder)
    (folder / "htpasswd").write_text(PLAIN, encoding="utf-8")
    changes = {
        "listen 80;": f"listen {HOST}:{http_port};", "listen 443 ssl": f"listen {HOST}:{https_port} ssl",
        "127.0.0.1:8501": upstream, "/etc/nginx/halo-ops-secret": str(folder / "halo-ops-secret"),
        "/etc/nginx/tls/halo-ops.pem": str(certificate.certificate),
        "/etc/nginx/tls/halo-ops.key": str(certificate.key), "/etc/nginx/halo-ops.htpasswd": str(folder / "htpasswd"),
        f"https://{NAME}": f"https://{HOST}:{https_port}", NAME: HOST,
    }  # fmt: skip
    site = replaced((DEPLOY / "nginx" / "halo-ops.conf").read_text(encoding="utf-8"), changes)
    (folder / "site.conf").write_text(site, encoding="utf-8")
    (folder / "nginx.conf").write_text(_main(folder), encoding="utf-8")
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        until(lambda: _status(f"http://{HOST}:{http_port}/") == 301, process)
        yield Proxied(https_port, http_port, f"http://{upstream}", certificate)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def proxied_app(folder: Path, **more: str) -> Iterator[Proxied]:
    """`python app.py` behind nginx; `more` of its environment."""
    [port] = free_ports(1)
    environment = {"HALO_OPS_DATA_DIR": str(folder / "data"), "HALO_OPS_PORT": str(port), **more}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | environment)
    try:
        until(lambda: _status(f"http://{HOST}:{port}/livez") == 200, process)
        with nginx(folder, f"{HOST}:{port}") as running:
            yield running
    finally:
        process.terminate()
        process.wait(20)


def _main(folder: Path) -> str:
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.geteuid() == 0 else ""  # its workers must read the test's own folder
    return (
        f"{user}daemon off; pid {folder / 'nginx.pid'}; error_log {folder / 'error.log'} warn; events {{}} "
        f"http {{ include /etc/nginx/mime.types; access_log {folder / 'access.log'}; {temporary} "
        f"include {folder / 'site.conf'}; }}"
    )


def _status(url: str) -> int:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def until(
    condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None, within_s: float = 60
) -> None:
    """Waits until the condition is true; fails when `process` ends before or the time is over."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert process is None or process.poll() is None, f"{process.args!r} ended: its reason stands above"
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)
