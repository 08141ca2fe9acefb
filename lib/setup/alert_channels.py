"""Checks that alerts can leave: each channel's host is reached and trusted, and signed in to; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from lib.alerts.channels import open_channels, open_outbound
from lib.alerts.channels.email import EmailChannel
from lib.alerts.channels.outbound import Outbound
from lib.alerts.console import hints
from lib.alerts.console.desk import TITLES, WHAT_TO_SET
from lib.alerts.model import Channel, Receipt
from lib.errors import DeliveryError
from lib.settings import Settings
from lib.setup.base import Check, Grade, Row
from lib.stores import Stores


def alert_channels(settings: Settings, stores: Stores) -> Check:
    """A row per channel: whether its host answers as it should. Whether a message arrives is for the Alert test page."""
    del stores

    def ask() -> list[Row]:
        channels = open_channels(settings)
        return [_row(name, channels.get(name), settings) for name in TITLES]

    about = "Slack, mail and webhook: name, TLS and sign-in. Nothing is sent: for that there is the Alert test page."
    return Check("alert_channels", "Alert channels", about, ask)


def _row(name: str, channel: Channel | None, settings: Settings) -> Row:
    if channel is None:
        return Row(TITLES[name], Grade.OFF, "not set up", WHAT_TO_SET[name])
    try:
        return Row(TITLES[name], Grade.OK, _ASK[name](channel, settings))
    except DeliveryError as error:
        hint = hints.hint(channel, error.code, str(error))
        return Row(TITLES[name], Grade.FAILED, str(error), hint or "Try it with curl from this host.")


def _mail(channel: Channel, settings: Settings) -> str:
    assert isinstance(channel, EmailChannel), "the channel named email is one"
    receipt = channel.check()
    how = {"starttls": "STARTTLS", "tls": "TLS", "none": "no TLS"}[settings.smtp_security]
    signed = f", signed in as {settings.smtp_user}" if settings.smtp_user else ", without sign-in"
    return f"answers with {receipt.code} over {how}{signed}, in {receipt.took_ms:.0f} ms"


def _slack(_: Channel, settings: Settings) -> str:
    return _reached(settings.slack_webhook_url.get_secret_value(), open_outbound(settings))


def _webhook(_: Channel, settings: Settings) -> str:
    return _reached(settings.webhook_url.get_secret_value(), open_outbound(settings))


def _reached(url: str, outbound: Outbound) -> str:
    """Asks for the root of the host: the path of a webhook is a secret and stays out of it. Any answer will do."""
    parts = urlsplit(url)
    try:
        receipt = outbound.get(f"{parts.scheme}://{parts.netloc}/")
    except DeliveryError as error:
        if not error.code:
            raise
        receipt = Receipt(error.code, "", 0.0)
    took = f" in {receipt.took_ms:.0f} ms" if receipt.took_ms else ""
    return f"{parts.hostname} is reached and trusted{took} (its root answers {receipt.code})"


_ASK: dict[str, Callable[[Channel, Settings], str]] = {"slack": _slack, "email": _mail, "webhook": _webhook}
