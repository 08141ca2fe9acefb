"""Where the demo's notices arrive: a Slack webhook and a mail server that keep what they are told, for people to read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from weakref import WeakSet

import orjson
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

HOOK = "/services/T0DEMO/B0DEMO/demo"
MOST_KEPT, MOST_BYTES = 200, 200_000


@dataclass(frozen=True, slots=True)
class Message:
    """One that arrived: `how` Slack or mail, `subject` its first line, `body` all of it."""

    at: str
    how: str
    subject: str
    body: str


class Inbox:
    """The newest MOST_KEPT messages, newest first."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=MOST_KEPT)

    def _keep(self, how: str, subject: str, body: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self.messages.appendleft(Message(at, how, " ".join(subject.split())[:200], body[:MOST_BYTES]))

    def routes(self) -> list[Route]:
        """The webhook, and `/inbox` to read what came: JSON, or text in a browser."""
        return [Route(HOOK, self._slack, methods=["POST"]), Route("/inbox", self._read)]

    async def _slack(self, request: Request) -> Response:
        """As Slack answers: `ok`, or 400 for what it cannot read."""
        try:
            told: Any = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return PlainTextResponse("invalid_payload", 400)
        if not isinstance(told, dict) or not (told.get("text") or told.get("blocks") or told.get("attachments")):
            return PlainTextResponse("no_text", 400)
        shown = orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
        self._keep("Slack", str(told.get("text") or ""), shown)
        return PlainTextResponse("ok")

    async def _read(self, request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"messages": [asdict(message) for message in self.messages]})
        blocks = [f"{m.at}  {m.how}: {m.subject}\n\n{m.body}" for m in self.messages]
        return PlainTextResponse(f"\n\n{'-' * 78}\n\n".join(blocks) or "Nothing has arrived yet.")

    async def handle_DATA(  # noqa: N802 - the library calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """A mail: its subject and its text part."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        part = mail.get_body(("plain", "html"))
        self._keep("mail", str(mail["subject"] or ""), str(part.get_content()) if part is not None else "")
        return "250 OK"

    async def serve_mail(self, port: int) -> Callable[[], Awaitable[None]]:
        """Listens on loopback; what is returned ends it."""
        loop, lines = asyncio.get_running_loop(), WeakSet[SMTP]()

        def answer() -> SMTP:
            line = SMTP(self, hostname="demo.invalid", ident="demo", loop=loop)
            lines.add(line)
            return line

        listening = await loop.create_server(answer, "127.0.0.1", port)

        async def end() -> None:
            listening.close()
            for line in lines:
                if line.transport is not None:
                    line.transport.close()
            await listening.wait_closed()
            await asyncio.sleep(0)  # the lines are closed by the loop's next turn

        return end
