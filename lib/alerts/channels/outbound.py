"""The one way out over HTTP: only to named hosts, only over https, and to the very address that was checked (A1)."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx

from lib.alerts.model import Receipt
from lib.collect.fetch import without_secrets
from lib.errors import DeliveryError
from lib.redact import redact_text
from lib.retry_after import retry_after_s

TIMEOUT_S = 10.0
MOST_BYTES = 65_536
LONGEST_REPLY = 2000
LONGEST_WAIT_S = 3600.0
_AGAIN = frozenset({408, 425, 429})
_WRAPPED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"), ipaddress.ip_network("::/96"))
Resolve = Callable[[str, int], Sequence[str]]


def resolved(host: str, port: int) -> list[str]:
    """Every address of a host. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where notices may go. `hosts` are reached over https at public addresses; `private` (host or host:port) at any, over
    http too. `proxy` is the only one used, and then it alone decides where the connection goes."""

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()
    proxy: str = ""

    def is_private(self, host: str, port: int) -> bool:
        """Whether this host is named as one in our own network."""
        return host in self.private or f"{host}:{port}" in self.private


class Outbound:
    """Sends to addresses from the settings. `resolve` gives a name's addresses; it is asked anew each time."""

    def __init__(self, allowed: Allowed, resolve: Resolve = resolved, timeout_s: float = TIMEOUT_S) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context()

    def trust(self, authority: str) -> None:
        """Also trusts the authority of this PEM file."""
        self._tls.load_verify_locations(authority)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Hands `body` over. Raises DeliveryError: permanent for a refused address, a redirect or a "no"."""
        return self._send("POST", url, body, headers)

    def get(self, url: str) -> Receipt:
        """Asks for `url`; as `post`."""
        return self._send("GET", url, b"", {})

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Receipt:
        parts, host, port = self._checked(url)
        place = host if self._allowed.proxy else self._address(host, port)
        began = time.monotonic()
        target = httpx.URL(url).copy_with(host=place)
        told = {"user-agent": "halo-ops", "accept-encoding": "identity", **headers, "host": parts.netloc.lower()}
        try:
            with (
                httpx.Client(
                    follow_redirects=False, trust_env=False, timeout=self._timeout_s, verify=self._tls,
                    proxy=self._allowed.proxy or None,
                ) as client,
                client.stream(
                    method, target, content=body, headers=told, extensions={"sni_hostname": host}
                ) as answer,
            ):  # fmt: skip
                raw = self._read(answer, began)
        except httpx.HTTPError as error:
            raise _failed(error) from None
        took_ms = (time.monotonic() - began) * 1000
        reply = redact_text(raw.decode("utf-8", "replace"))[0][:LONGEST_REPLY]
        return _judged(answer, reply, took_ms)

    def _checked(self, url: str) -> tuple[SplitResult, str, int]:
        try:
            parts = urlsplit(url)
            port = parts.port or (80 if parts.scheme == "http" else 443)
        except ValueError:
            raise _refused("its address is no address") from None
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in ("http", "https") or not host:
            raise _refused("its address must start with https:// and name a host")
        if "@" in parts.netloc or "\\" in url or not url.isascii() or any(ord(c) <= 0x20 for c in url):
            raise _refused("its address must hold neither credentials nor characters outside ASCII")
        private = self._allowed.is_private(host, port)
        if parts.scheme == "http" and not private:
            raise _refused("its address must be https://")
        if not private and host not in self._allowed.hosts:
            raise _refused(f"the host {host} is not named in HALO_OPS_ALERT_HOSTS")
        return parts, host, port

    def _address(self, host: str, port: int) -> str:
        """One address of the host, after a look at all of them: none may lead inside unless the settings say so."""
        try:
            found = list(self._resolve(host, port))
        except (OSError, UnicodeError):
            raise DeliveryError(f"the host {host} has no address now", permanent=False) from None
        if not found:
            raise DeliveryError(f"the host {host} has no address now", permanent=False)
        if not self._allowed.is_private(host, port) and not all(map(is_public, found)):
            raise _refused(f"the host {host} leads to an address that is not public")
        return found[0]

    def _read(self, answer: httpx.Response, began: float) -> bytes:
        raw = b""
        for part in answer.iter_raw():
            raw += part
            if time.monotonic() - began > 2 * self._timeout_s:
                raise httpx.ReadTimeout("the answer drips")
            if len(raw) > MOST_BYTES:
                break
        return raw[:MOST_BYTES]


def is_public(address: str) -> bool:
    """Whether an address is in the open internet, also where it is wrapped in IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if any(found in network for network in _WRAPPED):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _refused(why: str) -> DeliveryError:
    return DeliveryError(f"nothing was sent: {why}", permanent=True)


def _failed(error: httpx.HTTPError) -> DeliveryError:
    if isinstance(error, httpx.ConnectTimeout):
        return DeliveryError("cannot connect in time", permanent=False)
    if isinstance(error, httpx.TimeoutException):
        return DeliveryError("no answer in time: it may have arrived or not", permanent=False, unknown=True)
    said = without_secrets(str(error)) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return DeliveryError(f"its certificate is not trusted: {said}", permanent=True)
    if isinstance(error, httpx.ConnectError):
        return DeliveryError(f"cannot connect: {said}", permanent=False)
    return DeliveryError(f"the connection broke: {said}", permanent=False, unknown=True)


def _judged(answer: httpx.Response, reply: str, took_ms: float) -> Receipt:
    code = answer.status_code
    if answer.is_success:
        return Receipt(code, reply, took_ms)
    told = f"HTTP {code}" + (f": {' '.join(reply.split())[:300]}" if reply.strip() else "")
    if 300 <= code < 400:
        raise DeliveryError(f"HTTP {code}: redirects are not followed", permanent=True, code=code)
    again = code in _AGAIN or code >= 500
    wait = (retry_after_s(answer.headers.get("retry-after", "")) or 0.0) if again else 0.0
    raise DeliveryError(told, permanent=not again, code=code, retry_after_s=min(wait, LONGEST_WAIT_S))
