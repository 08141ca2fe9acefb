"""The settings of telling people: Slack, mail, a webhook, who gets what, and where notices may go."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from lib.setting_sources import setting

SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
SHORTEST_SIGNING_SECRET = 24
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?(?::\d{1,5})?")
_MAIL = re.compile(r"[!#$%&'*+./0-9=?A-Z^_`a-z{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def parts_of(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


class AlertChannels(BaseSettings):
    """A channel is used where its first setting is not empty."""

    slack_webhook_url: SecretStr = setting(
        SecretStr(""), "Slack incoming webhook that alerts are posted to.", name="SLACK_WEBHOOK_URL"
    )
    smtp_host: str = setting("", "Mail server that alerts are sent through. Empty: no mail.")
    smtp_port: int = setting(587, "Port of the mail server.", ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = setting(
        "starttls",
        "starttls (usual on 587), tls (usual on 465), or none, which sends in the clear. Never falls back to a weaker one.",
    )
    smtp_user: str = setting("", "User at the mail server. Empty: no sign-in.")
    smtp_password: SecretStr = setting(SecretStr(""), "Password at the mail server.")
    smtp_from: str = setting("", "Sender of alert mail: one address.")
    smtp_to: str = setting("", "Recipients of alert mail: comma-separated addresses.")
    smtp_ca: str = setting(
        "", "PEM file of the authority that signed the mail server's certificate. Empty: the usual ones."
    )
    webhook_url: SecretStr = setting(SecretStr(""), "Address that alerts are posted to as signed JSON.")
    webhook_secret: SecretStr = setting(
        SecretStr(""), "What the webhook's body is signed with (HMAC-SHA256), 24 characters or more."
    )
    alert_hosts: str = setting(
        "", "Hosts besides Slack's that webhook and dead-man ping may go to: comma-separated names, over https."
    )
    alert_private_hosts: str = setting(
        "",
        "Hosts of your own network that they may go to as well, at private addresses and over http: comma-separated "
        "host or host:port.",
    )
    alert_proxy: str = setting(
        "", "HTTP proxy for Slack, webhook and dead-man ping. Proxies of the environment are not used."
    )
    alert_ca: str = setting(
        "", "PEM file of an authority that Slack, webhook or proxy are trusted by, besides the usual ones."
    )
    routes: str = setting(
        "",
        "Who gets what: critical=slack,email; warning=slack; {team=\"billing\"}=webhook; *=email. The first that matches "
        "counts. Empty: every alert to every channel.",
    )  # fmt: skip
    inhibit: str = setting(
        "",
        "What keeps quiet while something else fires: severity=critical > severity=warning by alertname,instance; more "
        "after a semicolon. Empty: nothing.",
    )
    public_url: str = setting("", "Address people open the dashboard at, for the links in notices. Empty: no links.")
    deadman_url: SecretStr = setting(
        SecretStr(""), "Address asked now and then while alerting works; its owner warns you when that stops."
    )
    deadman_minutes: float = setting(5, "Time between two such pings.", unit="min", ge=1, le=1440)

    @field_validator("alert_hosts", "alert_private_hosts")
    @classmethod
    def _host_names(cls, text: str) -> str:
        if not all(_HOST.fullmatch(host) for host in parts_of(text.lower())):
            raise ValueError("each must be a host name such as alerts.example.com, without https://")
        return text.lower()

    @field_validator("smtp_from", "smtp_to")
    @classmethod
    def _addresses(cls, text: str) -> str:
        if not all(_MAIL.fullmatch(address) for address in parts_of(text)):
            raise ValueError("each must be a mail address such as ops@example.com, without a name")
        return text

    @field_validator("webhook_url", "deadman_url", "slack_webhook_url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not _is_address(text):
            raise ValueError("must be https:// and a host")
        return url

    @field_validator("public_url", "alert_proxy")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        if url and not _is_address(url):
            raise ValueError("must be http:// or https:// and a host")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.smtp_host and not (len(parts_of(self.smtp_from)) == 1 and parts_of(self.smtp_to)):
            raise ValueError("HALO_OPS_SMTP_HOST: needs one HALO_OPS_SMTP_FROM and at least one HALO_OPS_SMTP_TO")
        short = len(self.webhook_secret.get_secret_value()) < SHORTEST_SIGNING_SECRET
        if self.webhook_url.get_secret_value() and short:
            raise ValueError(
                f"HALO_OPS_WEBHOOK_SECRET: HALO_OPS_WEBHOOK_URL needs {SHORTEST_SIGNING_SECRET} characters or more"
            )
        return self


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
