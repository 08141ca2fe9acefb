"""A mail server that keeps what it is given, or answers as it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.proxy import free_ports


@dataclass
class MailServer:
    """`port` it listens on; `mails` it took, each with its recipients; `rcpt` and `data` are what it answers to both."""

    port: int
    rcpt: str = "250 OK"
    data: str = "250 OK queued as 42"
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def handle_EHLO(
        self, _server: Any, session: Any, _envelope: Any, hostname: str, answers: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.commands.append("EHLO")
        return answers

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.commands.append("DATA")
        if self.data.startswith("250"):
            message = message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default)
            self.mails.append((list(envelope.rcpt_tos), message))
        return self.data


@contextmanager
def serving(password: str = "", **answers: str) -> Iterator[MailServer]:
    """A server on a free port of this machine; with a password it knows who signs in with it."""
    [port] = free_ports(1)
    mail = MailServer(port, **answers)

    def judge(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == password.encode(), handled=False)

    more = {"authenticator": judge, "auth_require_tls": False} if password else {}
    controller = Controller(mail, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()
