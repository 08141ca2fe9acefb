"""Every way to tell people, in one table, each in a folder of its own: to add one, write its folder and its line here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from lib.alerts.channels.email import EmailChannel, MailServer
from lib.alerts.channels.outbound import Allowed, Outbound
from lib.alerts.channels.slack import SlackChannel
from lib.alerts.channels.webhook import WebhookChannel
from lib.alerts.model import Channel
from lib.setting_channels import SLACK_HOSTS, parts_of
from lib.settings import Settings


@dataclass(frozen=True, slots=True)
class Entry:
    """A channel: how it is made of the settings, and the fields that it is made of; empty `switch`: it is not set up."""

    name: str
    switch: str
    fields: tuple[str, ...]
    make: Callable[[Settings, Outbound], Channel]


def _slack(settings: Settings, outbound: Outbound) -> Channel:
    return SlackChannel(settings.slack_webhook_url.get_secret_value(), outbound, settings.zone)


def _email(settings: Settings, outbound: Outbound) -> Channel:
    server = MailServer(
        settings.smtp_host, settings.smtp_port, settings.smtp_security, parts_of(settings.smtp_from)[0],
        parts_of(settings.smtp_to), settings.smtp_user, settings.smtp_password.get_secret_value(), settings.smtp_ca,
    )  # fmt: skip
    return EmailChannel(server, settings.zone)


def _webhook(settings: Settings, outbound: Outbound) -> Channel:
    return WebhookChannel(settings.webhook_url.get_secret_value(), settings.webhook_secret.get_secret_value(), outbound)


_WAY = ("alert_hosts", "alert_private_hosts", "alert_proxy", "alert_ca")
CHANNELS = (
    Entry("slack", "slack_webhook_url", ("slack_webhook_url", *_WAY), _slack),
    Entry(
        "email", "smtp_host",
        ("smtp_host", "smtp_port", "smtp_security", "smtp_user", "smtp_password", "smtp_from", "smtp_to", "smtp_ca"),
        _email,
    ),
    Entry("webhook", "webhook_url", ("webhook_url", "webhook_secret", *_WAY), _webhook),
)  # fmt: skip
NAMES = tuple(entry.name for entry in CHANNELS)


def open_outbound(settings: Settings) -> Outbound:
    """The way out for Slack, webhook and dead-man ping, as the settings allow it."""
    hosts = frozenset((*SLACK_HOSTS, *parts_of(settings.alert_hosts)))
    private = frozenset(parts_of(settings.alert_private_hosts))
    outbound = Outbound(Allowed(hosts, private, settings.alert_proxy))
    if settings.alert_ca:
        outbound.trust(settings.alert_ca)
    return outbound


def open_channels(settings: Settings, outbound: Outbound | None = None) -> dict[str, Channel]:
    """The channels that are set up, by name."""
    way = outbound or open_outbound(settings)
    return {entry.name: entry.make(settings, way) for entry in CHANNELS if _told(settings, entry.switch)}


def digests(settings: Settings) -> dict[str, str]:
    """Per channel what changes when its settings do; no secret can be read back from it."""
    return {entry.name: _digest([_told(settings, name) for name in entry.fields]) for entry in CHANNELS}


def _told(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def _digest(values: list[str]) -> str:
    return hashlib.sha256("\xff".join(values).encode()).hexdigest()[:32]
