"""A real mail server that can be told to misbehave, on a free port of this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.proxy import free_ports


@dataclass
class Mailbox:
    """What the server took, and what it answers: per recipient, to all recipients at the end, to the farewell, or to the sign-in."""

    refuse: Mapping[str, str] = field(default_factory=dict)
    data: str = "250 OK"
    farewell: str = "221 Bye"
    port: int = 0
    hang_s: float = 0.0
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    tls_seen: list[bool] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    met: list[SMTP] = field(default_factory=list)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        """Greets."""
        session.host_name = hostname
        self.commands.append("EHLO")
        self.met.append(server)
        return answers

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """250 unless this recipient is refused."""
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keeps the mail where it is taken."""
        self.commands.append("DATA")
        await asyncio.sleep(self.hang_s)
        if self.data.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            mail = message_from_bytes(content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.taken.append((list(envelope.rcpt_tos), mail))
            self.tls_seen.append(
                server.transport is not None and server.transport.get_extra_info("sslcontext") is not None
            )
        return self.data

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Says so."""
        return self.farewell


def _accepts(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data.password == b"right", handled=False)


@contextmanager
def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, sign_in: bool = False
) -> Iterator[Mailbox]:
    """Runs until the end of the block."""
    [port] = free_ports(1)
    box = Mailbox(port=port)
    options: dict[str, Any] = {}
    if starttls:
        options = {"tls_context": starttls, "require_starttls": True}
    if sign_in:
        covered = bool(starttls or tls)
        options |= {"authenticator": _accepts, "auth_required": covered, "auth_require_tls": covered}
    controller = Controller(box, hostname="127.0.0.1", port=port, ssl_context=tls, **options)
    controller.start()
    try:
        yield box
    finally:
        for server in box.met:  # a client that went away in the middle leaves its connection open
            controller.loop.call_soon_threadsafe(_hang_up, server)
        controller.stop()


def _hang_up(server: SMTP) -> None:
    if server.transport is not None:
        server.transport.abort()
