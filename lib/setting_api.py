"""The setting of the alert API: the token that programs and Alertmanager send."""

from __future__ import annotations

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

from lib.setting_sources import setting

SHORTEST_TOKEN = 24


class AlertApi(BaseSettings):
    """Without a token the API is off."""

    api_token: SecretStr = setting(
        SecretStr(""),
        f"Bearer token of the alert API (/api/alertmanager, /api/alerts), {SHORTEST_TOKEN} characters or more. "
        "Empty: the API is off.",
    )

    @field_validator("api_token")
    @classmethod
    def _token(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text and (len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text):
            raise ValueError(f"must be {SHORTEST_TOKEN} or more plain characters without a space: openssl rand -hex 24")
        return token
