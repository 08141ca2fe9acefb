"""A small OpenID Connect provider that signs its tokens: whoever comes is the person it was told of."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "halo-ops", "client-secret"


@dataclass
class Provider:
    """`person` is what the next token says; `key` signs it, `published` is what it is checked with."""

    url: str
    person: dict[str, Any]
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    codes: dict[str, str] = field(default_factory=dict)
    published: RSAKey | None = None

    def metadata(self, _: Request) -> Response:
        """What a client reads first."""
        return JSONResponse(
            {
                "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/jwks",
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
            }
        )  # fmt: skip

    def authorize(self, request: Request) -> Response:
        """Nobody is asked for a password: the person is sent back with a code at once."""
        asked = request.query_params
        assert asked["client_id"] == CLIENT_ID and "openid" in asked["scope"].split()
        code = secrets.token_hex(8)
        self.codes[code] = asked["nonce"]
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def token(self, request: Request) -> Response:
        """A code, once, for a signed token."""
        form = await request.form()
        nonce = self.codes.pop(str(form["code"]), None)
        if nonce is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": signed})

    def jwks(self, _: Request) -> Response:
        """The keys that tokens are checked with."""
        return JSONResponse(KeySet([self.published or self.key]).as_dict(private=False))


@contextmanager
def provider(port: int, person: dict[str, Any]) -> Iterator[Provider]:
    """A provider on loopback until the end of the block."""
    running = Provider(f"http://127.0.0.1:{port}", person)
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", running.metadata),
            Route("/authorize", running.authorize),
            Route("/token", running.token, methods=["POST"]),
            Route("/jwks", running.jwks),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline, "the provider does not start"
            time.sleep(0.02)
        yield running
    finally:
        server.should_exit = True
        thread.join(20)


def secrets_toml(provider_url: str, app_url: str) -> str:
    """What a deployment writes into .streamlit/secrets.toml."""
    return f"""[auth]
redirect_uri = "{app_url}/oauth2callback"
cookie_secret = "{secrets.token_hex(32)}"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
server_metadata_url = "{provider_url}/.well-known/openid-configuration"
"""
