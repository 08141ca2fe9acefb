"""Signing in by OpenID Connect, over Streamlit's own routes and its signed cookie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from streamlit.auth_util import encode_provider_token, get_cookie_with_chunks, get_secrets_auth_section
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from lib.errors import SettingsError
from lib.identity.sign_in import OpenIdConnect
from lib.settings import SHORTEST_SECRET, Settings

NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
PATHS = frozenset({"/auth/login", "/auth/logout", "/oauth2callback"})
_PROVIDER = "default"


def sign_in(settings: Settings) -> OpenIdConnect | None:
    """The page server's part of it, where the settings want it. Raises SettingsError for an incomplete [auth]."""
    if settings.sign_in != "oidc":
        return None
    given = get_secrets_auth_section()
    missing = [name for name in NEEDED if not given.get(name)]
    if missing:
        raise SettingsError(f"HALO_OPS_SIGN_IN: .streamlit/secrets.toml needs [auth] with {', '.join(missing)}")
    if len(str(given["cookie_secret"])) < SHORTEST_SECRET:
        raise SettingsError(f"HALO_OPS_SIGN_IN: cookie_secret needs {SHORTEST_SECRET} characters or more")
    if not str(given["redirect_uri"]).endswith("/oauth2callback"):
        raise SettingsError("HALO_OPS_SIGN_IN: redirect_uri must be the dashboard's address with /oauth2callback")
    return OpenIdConnect(lambda cookies: _claims(cookies, settings.sign_in_hours), _login_url, PATHS)


def _login_url() -> str:
    return f"/auth/login?provider={quote(encode_provider_token(_PROVIDER))}"


def _claims(cookies: Mapping[str, str], hours: float) -> Mapping[str, Any] | None:
    """What the provider said of the person, from a cookie that we signed within the last `hours`."""

    def one(name: str) -> bytes | None:
        value = cookies.get(name)
        return decode_signed_value(get_cookie_secret(), name, value, hours / 24) if value else None

    held = get_cookie_with_chunks(one, USER_COOKIE_NAME)
    claims = json.loads(held) if held else {}
    return claims if claims.get("is_logged_in") is True else None
