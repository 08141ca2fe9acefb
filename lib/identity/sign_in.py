"""Who is behind a connection, found out once for HTTP and websocket alike, before anything else sees it."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lib.identity.roles import Actor, Role, Via
from lib.settings import Settings

ACTOR_HEADER = "x-halo-ops-actor"
"""How the actor is handed on to the pages. What a client sends under this name never gets past here."""

SECRET_HEADER = "x-halo-ops-proxy-secret"  # noqa: S105 - its name
OPEN = frozenset({"/livez", "/readyz"})
WITH_A_TOKEN = frozenset({"/api/alertmanager", "/api/alerts"})
"""Machines come here with a token of their own, which the route checks."""

HEARTBEAT = re.compile(r"/api/heartbeat/[a-z0-9_-]{1,64}")
"""And here, likewise."""

FROM_THIS_MACHINE = frozenset({"/metrics", "/api/health"})
"""Open to whoever asks on loopback without a proxy between."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-user", "x-forwarded-email", "x-forwarded-host", "x-real-ip")
_LOOPBACK = ("127.0.0.1", "::1", "testclient")
_NEXT = "halo_ops_next"
_GROUP = "group:"

Recognise = Callable[[HTTPConnection], Actor | None]
"""Gives the actor of a connection; None where it may not come in."""


@dataclass(frozen=True, slots=True)
class OpenIdConnect:
    """The part of signing in that the page server does: `claims` of a request's cookies (None: not signed in), the
    address that begins a sign-in, and the `paths` that it goes over."""

    claims: Callable[[Mapping[str, str]], Mapping[str, Any] | None]
    login_url: Callable[[], str]
    paths: frozenset[str]


def role_of(settings: Settings, name: str, groups: Iterable[str]) -> Role:
    """The highest role that the settings give to this mail address or to one of these groups."""
    known = {f"{_GROUP}{group}".casefold() for group in groups}
    if not name.casefold().startswith(_GROUP):  # a person may not pass for a group
        known.add(name.casefold())
    for role, listed in ((Role.ADMIN, settings.admins), (Role.OPERATOR, settings.operators)):
        if known & {entry.casefold() for entry in listed}:
            return role
    return Role(settings.default_role or Role.VIEWER)


def recogniser(settings: Settings, oidc: OpenIdConnect | None = None) -> Recognise:
    """How the settings have people recognised; `oidc` is needed where they say so."""
    if settings.sign_in == "proxy":
        return lambda asked: _by_proxy(settings, asked)
    if settings.sign_in == "oidc":
        assert oidc is not None, "signing in by OpenID Connect needs the page server's part"
        return lambda asked: _by_claims(settings, asked, oidc.claims(asked.cookies))
    return lambda asked: _on_this_machine(settings, asked)


def _on_this_machine(settings: Settings, asked: HTTPConnection) -> Actor:
    """Nobody signs in. Who comes through a proxy does not sit here, and no header of theirs is believed."""
    role = settings.default_role or (Role.VIEWER if _came_by_proxy(asked) else Role.ADMIN)
    return Actor("", Role(role), Via.NAME, _peer(asked))


def _by_proxy(settings: Settings, asked: HTTPConnection) -> Actor | None:
    if not _is_the_proxy(settings, asked):
        return None
    name = _only(asked, settings.proxy_user_header)
    if not name:
        return None
    groups = _only(asked, settings.proxy_groups_header) if settings.proxy_groups_header else ""
    through = (asked.headers.get("x-forwarded-for") or _peer(asked)).rpartition(",")[2].strip()
    return Actor(name, role_of(settings, name, _names(groups.split(","))), Via.PROXY, through)


def _is_the_proxy(settings: Settings, asked: HTTPConnection) -> bool:
    given = asked.headers.getlist(SECRET_HEADER)
    expected = settings.proxy_secret.get_secret_value().encode()
    return len(given) == 1 and hmac.compare_digest(given[0].encode(), expected)


def _by_claims(settings: Settings, asked: HTTPConnection, claims: Mapping[str, Any] | None) -> Actor | None:
    """A mail address that the provider calls unverified is anybody's: such a person goes by the provider's own number."""
    if claims is None:
        return None
    mail = "" if claims.get("email_verified") is False else str(claims.get("email") or "")
    name = (mail or str(claims.get("sub") or "")).strip()
    groups = claims.get("groups") or ()
    listed = groups if isinstance(groups, list | tuple) else (groups,)
    role = role_of(settings, name, _names(map(str, listed)))
    return Actor(name[:255], role, Via.OIDC, _peer(asked)) if name else None


def _only(asked: HTTPConnection, header: str) -> str:
    """The header's value; "" where it is there twice: one of the two may be the viewer's own."""
    values = asked.headers.getlist(header)
    text = values[0].encode("latin-1").decode("utf-8", "replace").strip() if len(values) == 1 else ""
    return text[:255] if text.isprintable() else ""


def _names(parts: Iterable[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def _came_by_proxy(asked: HTTPConnection) -> bool:
    return any(name in asked.headers for name in _FORWARDED)


def _peer(asked: HTTPConnection) -> str:
    return asked.client.host if asked.client else ""


class SignIn:
    """Lets in whom `recognise` knows and hands the actor on; sends a browser to `login_url`, refuses everything else."""

    def __init__(self, app: ASGIApp, recognise: Recognise, oidc: OpenIdConnect | None = None) -> None:
        self._app, self._recognise, self._oidc = app, recognise, oidc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """401 for HTTP and 403 (a close before accept) for a websocket, where nobody may come in."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        actor = self._recognise(asked)
        if actor is not None and (place := _way_back(asked)):
            back = RedirectResponse(place, 302)
            back.delete_cookie(_NEXT)
            await back(scope, receive, send)
        elif actor is not None or self._is_open(asked):
            await self._app(_handed_on(scope, actor), receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._refusal(asked)(scope, receive, send)

    def _is_open(self, asked: HTTPConnection) -> bool:
        path = asked.scope["path"]
        if asked.scope["type"] != "http":
            return False
        if path in FROM_THIS_MACHINE and _peer(asked) in _LOOPBACK and not _came_by_proxy(asked):
            return True
        if path in OPEN | WITH_A_TOKEN or HEARTBEAT.fullmatch(path):
            return True
        return self._oidc is not None and path in self._oidc.paths

    def _refusal(self, asked: HTTPConnection) -> Response:
        reads = asked.scope["method"] == "GET" and "text/html" in asked.headers.get("accept", "")
        if self._oidc is None or not reads:
            return PlainTextResponse("sign in first\n", 401, {"cache-control": "no-store"})
        answer = RedirectResponse(self._oidc.login_url(), 302, {"cache-control": "no-store"})
        wanted = asked.scope["path"] + (f"?{asked.url.query}" if asked.url.query else "")
        answer.set_cookie(_NEXT, quote(wanted)[:2000], max_age=600, httponly=True, samesite="lax")
        return answer


def _way_back(asked: HTTPConnection) -> str:
    """Where a person wanted to go before signing in; only from the first page, and only to one of ours."""
    if asked.scope["type"] != "http" or asked.scope["method"] != "GET" or asked.scope["path"] != "/":
        return ""
    place = unquote(asked.cookies.get(_NEXT, ""))
    ours = place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable()
    return quote(place, safe="/?&=%+:,-._~") if ours and place != "/" else ""


def _handed_on(scope: Scope, actor: Actor | None) -> Scope:
    kept = [
        (name, value) for name, value in scope["headers"] if name.decode("latin-1") not in (ACTOR_HEADER, SECRET_HEADER)
    ]
    if actor is not None:
        kept.append((ACTOR_HEADER.encode(), packed(replace(actor, session=secrets.token_hex(4))).encode()))
    return {**scope, "headers": kept}


def packed(actor: Actor) -> str:
    """The actor as ASCII text for a header."""
    return json.dumps([actor.name, actor.role, actor.via, actor.address, actor.session])


def unpacked(text: str) -> Actor:
    """The actor that `packed` wrote."""
    name, role, via, address, session = json.loads(text)
    return Actor(name, Role(role), Via(via), address, session)
