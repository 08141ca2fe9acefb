"""Certificates for servers of the tests, signed by an authority of their own."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the server's certificate and key, which are their own authority; it is for 127.0.0.1 and `names`."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """What a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def self_signed(folder: Path, *names: str) -> Certificate:
    """A certificate that ends tomorrow, made by openssl in `folder`."""
    made = Certificate(folder / "server.pem", folder / "server.key")
    places = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=tests", "-addext", f"subjectAltName={places}", "-out", str(made.certificate), "-keyout", str(made.key),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made
