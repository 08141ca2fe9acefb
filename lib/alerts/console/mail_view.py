"""A mail taken apart for a page: its headers and both of its parts, as a mail program would find them."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

SHUT = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'\">"
)
"""Stands first in a mail that is shown: it may load nothing at all, whatever is in it."""


@dataclass(frozen=True, slots=True)
class Mail:
    """`headers` are names and values; `text` and `html` the two parts."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str

    @property
    def shut(self) -> str:
        """The HTML part that can load nothing."""
        return SHUT + self.html


def opened(raw: bytes) -> Mail:
    """The parts of a whole mail."""
    message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    told = tuple(
        (name, str(message[name])) for name in ("Subject", "From", "To", "Date", "Message-ID") if message[name]
    )
    return Mail(told, _part(message, "plain"), _part(message, "html"))


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""
