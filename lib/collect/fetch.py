"""One GET of a monitored address, with a limit on its time and size and no secret in its errors."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from lib.redact import redact_text

_USERINFO = re.compile(r"(?<=//)[^/\s@]+@")
_QUERY = re.compile(r"(?<=[?&])([^=&\s]+)=[^&\s]*")


class FetchError(Exception):
    """No usable answer came. The text is for the page and holds no credentials."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer whose body came in whole; `body` is unpacked, `content_type` lower case without parameters, `date` the
    server's clock as it wrote it ("" where it did not)."""

    status_code: int
    content_type: str
    body: bytes
    date: str = ""


def open_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that follows no redirect and takes nothing from the environment (no proxy, no netrc)."""
    whole = None  # each fetch has one deadline for all of it, which a slow drip cannot stretch as it can httpx's own
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False, timeout=whole)


async def fetch(client: httpx.AsyncClient, url: str, *, timeout_s: float, max_bytes: int, accept: str) -> Fetched:
    """The answer of `url`. `timeout_s` covers all of it, `max_bytes` its packed and unpacked size. Raises FetchError."""
    headers = {"accept": accept, "accept-encoding": "gzip", "user-agent": "halo-ops"}
    try:
        async with asyncio.timeout(timeout_s), client.stream("GET", url, headers=headers) as answer:
            body = await _body(answer, max_bytes)
    except TimeoutError:
        raise FetchError(f"no whole answer within {timeout_s:g} s") from None
    except httpx.ConnectError as error:
        raise FetchError(f"cannot connect: {without_secrets(str(error)) or 'no reason given'}") from None
    except (httpx.RemoteProtocolError, httpx.ReadError):
        raise FetchError("the connection closed in the middle of the answer") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise FetchError(f"no usable answer: {type(error).__name__}") from None
    content_type = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    return Fetched(answer.status_code, content_type, body, answer.headers.get("date", ""))


async def _body(answer: httpx.Response, max_bytes: int) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity", ""):
        raise FetchError("the answer is packed in a way that was not asked for")
    unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    parts, size, packed = [], 0, 0
    async for raw in answer.aiter_raw():
        packed += len(raw)
        # The limit is handed to zlib, so that a small piece cannot swell far beyond it in memory.
        part = _unpack(unpacker, raw, max_bytes - size + 1) if unpacker else raw
        size += len(part)
        if max(size, packed) > max_bytes:
            raise FetchError(f"the answer is over {max_bytes / 1_000_000:g} MB")
        parts.append(part)
    if unpacker is not None and not unpacker.eof:
        raise FetchError("the packed answer breaks off")
    return b"".join(parts)


def _unpack(unpacker: zlib._Decompress, raw: bytes, limit: int) -> bytes:
    try:
        return unpacker.decompress(raw, limit)
    except zlib.error:
        raise FetchError("the packed answer is broken") from None


def without_secrets(text: str, limit: int = 300) -> str:
    """`text` without credentials, the user:password of any address and the values of its query, cut to `limit`."""
    return redact_text(_QUERY.sub(r"\1=…", _USERINFO.sub("", text)))[0][:limit]


def instances(urls: Sequence[str]) -> dict[str, str]:
    """The `instance` label of each address: host:port, with the path where several share host and port."""
    places = {url: _place(url) for url in urls}
    shared = [place for place in places.values() if list(places.values()).count(place) > 1]
    return {url: place + urlsplit(url).path if place in shared else place for url, place in places.items()}


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
