"""Mail over SMTP with TLS: an HTML and a text part, made by templates that escape everything (A4, A6)."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from lib.alerts import words
from lib.alerts.model import Notice, Receipt, Rendered
from lib.errors import DeliveryError
from lib.redact import redact_text

TIMEOUT_S = 10.0
MOST_ALERTS = 50
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)
_COLOURS = {"critical": "#dc3545", "warning": "#ffc107", "info": "#17a2b8"}
_OTHER = "#6c757d"
_INKS = {"#ffc107": "#664d03", "#17a2b8": "#0c5460"}
"""The guide's yellow and turquoise cannot be read as text on white: these carry the words, the bar has the colour."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(("html.j2",)),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes. `security`: starttls (must be offered), tls (from the first byte) or none. `ca` is a PEM file."""

    host: str
    port: int
    security: str
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    ca: str = ""


class EmailChannel:
    """Sends one mail to all recipients; who was refused for now is tried again alone."""

    name = "email"

    def __init__(self, server: MailServer, zone: str = "UTC", timeout_s: float = TIMEOUT_S) -> None:
        self._server = server
        self._zone = zone
        self._timeout_s = timeout_s

    def render(self, notice: Notice) -> Rendered:
        """See Channel."""
        told = self._told(notice)
        html = _TEMPLATES.get_template("mail.html.j2").render(told)
        text = _TEMPLATES.get_template("mail.txt.j2").render(told)
        message = self._message(notice, text, html)
        return Rendered(message.as_bytes(), "message/rfc822", html, str(message["Subject"]), notice.key)

    def send(self, rendered: Rendered) -> Receipt:
        """See Channel. Part of the recipients may be refused: see Receipt."""
        recipients = list(rendered.to or self._server.to)
        began, connected = time.monotonic(), False
        try:
            with self._session() as smtp:
                connected = True
                refused = smtp.sendmail(self._server.sender, recipients, rendered.body)
        except (smtplib.SMTPException, OSError) as error:
            raise _failed(error, connected) from None
        return _receipt(refused, len(recipients), (time.monotonic() - began) * 1000)

    def check(self) -> Receipt:
        """Connects, over TLS and signed in as the settings say, and sends nothing. Raises DeliveryError."""
        began = time.monotonic()
        try:
            with self._session() as smtp:
                smtp.ehlo_or_helo_if_needed()
                code, said = smtp.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise _failed(error) from None
        return Receipt(code, words.line(said.decode("utf-8", "replace")), (time.monotonic() - began) * 1000)

    def hint(self, code: int, reply: str) -> str:
        """See Channel."""
        return _hint(code)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Connected until the end of the block. What the server answers to our farewell changes nothing: a mail that it
        took stays taken, which smtplib's own block forgets."""
        smtp = self._connected()
        try:
            yield smtp
        finally:
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        """Signed in, over TLS unless the settings say none. Raises SMTPException and OSError."""
        server, name = self._server, socket.gethostname()
        context = ssl.create_default_context(cafile=server.ca or None)
        smtp: smtplib.SMTP
        if server.security == "tls":
            smtp = smtplib.SMTP_SSL(server.host, server.port, name, timeout=self._timeout_s, context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, name, timeout=self._timeout_s)
        try:
            if server.security == "starttls":
                smtp.starttls(context=context)  # raises where it is not offered: never downgraded
            if server.user:
                smtp.login(server.user, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _told(self, notice: Notice) -> dict[str, object]:
        severity = words.severity(notice)
        colour = _COLOURS.get(severity, _OTHER) if notice.firing else _OTHER
        shown = words.lines(notice, self._zone, MOST_ALERTS)
        links = (("View", notice.links.view), ("Silence", notice.links.silence), ("Runbook", notice.links.runbook))
        return {
            "headline": words.headline(notice), "severity": severity, "colour": colour, "ink": _INKS.get(colour, colour),
            "time": words.moment(notice.at, self._zone), "lines": shown,
            "links": [(name, link) for name, url in links if (link := words.web_link(url))],
            "footers": words.footers(notice, len(shown)),
        }  # fmt: skip

    def _message(self, notice: Notice, text: str, html: str) -> EmailMessage:
        """Headers hold only addresses of the settings and one cleaned line."""
        domain = self._server.sender.rpartition("@")[2]
        message = EmailMessage(policy=_POLICY)
        message["Subject"] = words.line(f"{words.sign(notice)} {words.in_short(notice)}", 240)
        message["From"] = Address("Halo Ops alerts", addr_spec=self._server.sender)
        message["To"] = [Address(addr_spec=one) for one in self._server.to]
        message["Date"] = format_datetime(notice.at)
        message["Message-ID"] = f"<{words.digest(notice.key)}@{domain}>"
        thread = f"<{words.digest(str(sorted(notice.group.items())))}.group@{domain}>"
        message["References"] = thread
        message["Auto-Submitted"] = "auto-generated"
        message["X-Halo-Ops-Key"] = words.digest(notice.key)
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        message.set_boundary(f"=_{words.digest(notice.key)}")
        return message


def _receipt(refused: dict[str, tuple[int, bytes]], asked: int, took_ms: float) -> Receipt:
    later = [who for who, (code, _) in refused.items() if 400 <= code < 500]
    reply = f"accepted for {asked - len(refused)} of {asked} recipients"
    if refused:
        reply += "; " + _told_of(refused.items())
    return Receipt(250, redact_text(reply)[0][:2000], took_ms, later)


def _told_of(refused: Iterable[tuple[str, tuple[int, bytes]]]) -> str:
    return "; ".join(f"{who}: {code} {words.line(said.decode('utf-8', 'replace'))}" for who, (code, said) in refused)


def _failed(error: Exception, connected: bool = False) -> DeliveryError:
    """`connected`: it may have taken the mail where it does not say otherwise."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        passing = any(400 <= code < 500 for code in codes)
        told = f"every recipient was refused: {_told_of(error.recipients.items())}"
        return _error(told, codes[0] if codes else 0, permanent=not passing)
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return _error(f"SMTP {error.smtp_code}: {words.line(text)}", error.smtp_code, error.smtp_code >= 500)
    permanent, told = _without_code(error)
    return _error(told, 0, permanent, unknown=connected and not permanent)


def _without_code(error: Exception) -> tuple[bool, str]:
    """Whether asking again cannot help, and what happened."""
    match error:
        case smtplib.SMTPNotSupportedError():
            return True, "the mail server does not offer what the settings ask for (STARTTLS or sign-in)"
        case ssl.SSLCertVerificationError():
            return True, f"the mail server's certificate is not trusted: {error.verify_message}"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return False, "the connection broke"
        case ssl.SSLError():
            return True, "the mail server does not speak TLS here: check HALO_OPS_SMTP_SECURITY and port"
        case TimeoutError():
            return False, "the mail server does not answer in time: it may have taken the mail or not"
        case _:
            return False, f"no mail server there or the connection broke: {words.line(error)}"


def _error(text: str, code: int, permanent: bool, unknown: bool = False) -> DeliveryError:
    return DeliveryError(redact_text(text)[0], permanent=permanent, code=code, unknown=unknown)


def _hint(code: int) -> str:
    known: Sequence[tuple[int, str]] = (
        (0, "The mail server was not reached or not trusted: check HALO_OPS_SMTP_HOST, port and security."),
        (530, "The server wants a sign-in: set HALO_OPS_SMTP_USER and HALO_OPS_SMTP_PASSWORD."),
        (535, "The server does not accept the sign-in: check HALO_OPS_SMTP_USER and HALO_OPS_SMTP_PASSWORD."),
        (550, "The server knows no such recipient or does not relay: check HALO_OPS_SMTP_TO."),
        (554, "The server refuses this mail: check the sender and its rights."),
    )
    passing = "The server asks to try again later; it is." if 400 <= code < 500 else ""
    return dict(known).get(code, passing)
