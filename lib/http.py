"""The dashboard's own HTTP: health, metrics and assets beside Streamlit's routes, and the middleware around all of it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.identity.sign_in import OpenIdConnect, SignIn, recogniser
from lib.settings import Settings
from lib.status import WorkerStatus
from lib.status_metrics import StatusCollector

PLOTLY_URL = f"/assets/plotly.min.js?v={version('plotly')}"
"""Where the chart component loads Plotly from; the version makes it safe to cache for a year."""

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
_YEAR = "public, max-age=31536000, immutable"
_MANY_PORTS = frozenset(LOOPBACK)
"""Of these names every port may be somebody else's."""

_PLAIN_READS = ("GET", "HEAD", "OPTIONS")
_PORT = re.compile(r":\d+$")
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def routes(get_status: Callable[[], WorkerStatus], api: Sequence[BaseRoute] = ()) -> list[BaseRoute]:
    """`/livez`, `/readyz`, `/metrics`, `/assets/plotly.min.js`, `/api/health` and what `api` adds to `/api` (anything
    else there is a JSON 404).

    Liveness depends on nothing but this process; readiness fails while a loop of the worker is stuck.
    """
    registry = CollectorRegistry()
    for collector in (ProcessCollector(registry=None), StatusCollector(get_status)):
        registry.register(collector)
    GCCollector(registry=registry)

    def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    def readyz(_: Request) -> Response:
        stuck = get_status().stuck
        return PlainTextResponse(f"stuck: {', '.join(stuck)}" if stuck else "ok", 503 if stuck else 200)

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    def health(_: Request) -> Response:
        status = get_status().as_json()
        return _json(status, 503 if status["status"] == "failed" else 200)

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/assets/plotly.min.js", plotly),
        Mount("/api", routes=[Route("/health", health), *api, Route("/{rest:path}", _no_such_route)]),
    ]


def _no_such_route(request: Request) -> Response:
    return _json({"error": f"there is no {request.url.path}"}, 404)


def _json(content: Any, status_code: int) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, status_code, {"cache-control": "no-store"}, media_type="application/json")


def plotly(request: Request) -> Response:
    """Plotly's script from its wheel, compressed once per process: compressing 4.8 MB per visitor would stop the pages."""
    headers = {"cache-control": _YEAR if "v" in request.query_params else "no-cache", "vary": "accept-encoding"}
    plain, packed = _plotly_script()
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers=headers | {"content-encoding": "gzip"}, media_type="text/javascript")
    return Response(plain, headers=headers, media_type="text/javascript")


@cache
def _plotly_script() -> tuple[bytes, bytes]:
    plain = (_package("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return plain, gzip.compress(plain, compresslevel=6)


def _package(name: str) -> Path:
    """Where a package lies, found without importing it: pages alone import streamlit and plotly."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(name)
    return Path(spec.origin).parent


def middleware(settings: Settings, oidc: OpenIdConnect | None = None) -> list[Middleware]:
    """Outermost first: security headers on every answer, refusal of foreign hosts and origins, sign-in, compression.

    `oidc` is the page server's part of signing in, where the settings want that.
    """
    return [
        Middleware(SecurityHeaders),
        Middleware(AllowedHosts, hosts={*LOOPBACK, settings.address, *settings.hosts}),
        Middleware(SignIn, recognise=recogniser(settings, oidc), oidc=oidc),
        Middleware(GZipMiddleware, minimum_size=1024, compresslevel=5),
    ]


@cache
def content_security_policy() -> str:
    """Own scripts only, and the one inline script of Streamlit's page, by its hash (`blob:` is how it loads components)."""
    page = (_package("streamlit") / "static" / "index.html").read_bytes()
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(page))
    inline = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'self'; script-src 'self' {inline} blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
    )


class SecurityHeaders:
    """Adds the security headers to every HTTP answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": content_security_policy(),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; only the start of an HTTP answer is changed."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class AllowedHosts:
    """Refuses what does not call us by our name, and what a page of another site asks in its viewer's name.

    A foreign Host is a name that was made to resolve here; a foreign Origin on a websocket, or on anything that is not
    a plain read, is a page from elsewhere. Another port of our own machine is elsewhere. No Origin: no page asks.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._named = frozenset(hosts)
        self._allowed = frozenset(_PORT.sub("", host) for host in self._named)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """400 for a foreign HTTP host, 403 for a foreign origin and (a close before accept) for a foreign websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        known, ours = _PORT.sub("", host) in self._allowed, self._is_ours(scope, headers, host)
        if known and ours:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif known:
            await PlainTextResponse("a page of another site may not ask this\n", 403)(scope, receive, send)
        else:
            await PlainTextResponse("this host name is not served here\n", 400)(scope, receive, send)

    def _is_ours(self, scope: Scope, headers: Headers, host: str) -> bool:
        if scope["type"] == "http" and scope["method"] in _PLAIN_READS:
            return True
        origins = headers.getlist("origin")
        places = {_place(origin.lower()) for origin in origins}
        return not origins or places == {host} or (len(places) == 1 and places <= self._named - _MANY_PORTS)


def _place(origin: str) -> str:
    """Its host and port; "" for what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
