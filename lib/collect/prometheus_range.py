"""Which samples of which Prometheus server an import takes, and how the server is reached."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import ClassVar
from urllib.parse import urlsplit

import httpx

from lib.errors import QueryError, SettingsError
from lib.metrics.promql.parse import parse_selector

READ_S = 60.0
_DAY_MS = 86_400_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server: `url` with its path prefix; a user and password, or a bearer token; `ca_file` "": the usual."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    ca_file: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise SettingsError("--prometheus: must be http:// or https:// and a host, at most with a port and a path")
        if "@" in parts.netloc:
            raise SettingsError(
                "--prometheus: set PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD, not credentials in the address"
            )

    def client(self, transport: httpx.BaseTransport | None = None) -> httpx.Client:
        """A client for it that follows no redirect and takes nothing else from the environment."""
        bearer = {"authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        return httpx.Client(
            base_url=self.url.rstrip("/") + "/", transport=transport, trust_env=False, verify=self.ca_file or True,
            timeout=httpx.Timeout(READ_S, connect=10), headers={"user-agent": "halo-ops", **self.headers, **bearer},
            auth=httpx.BasicAuth(self.user, self.password) if self.user else None,
        )  # fmt: skip


@dataclass(frozen=True)
class PrometheusRange:
    """The samples in [start, end) of the series that any of `match` selects; `step_s` keeps one sample per step, 0 all.

    Whole steps make up a day. Raises SettingsError, and QueryError for what is no selector.
    """

    access: Access
    start: datetime
    end: datetime
    match: tuple[str, ...]
    step_s: int = 0
    kind: ClassVar[str] = "samples"

    def __post_init__(self) -> None:
        if self.step_s < 0 or (self.step_s and 86_400 % self.step_s):
            raise SettingsError("--step: must divide a day, such as 15s, 60s or 5m")
        if not self.start < self.end:
            raise SettingsError(
                f"--since: must be before --until ({self.start:%Y-%m-%dT%H:%MZ} is not before {self.end:%Y-%m-%dT%H:%MZ})"
            )
        for selector in self.match:
            try:
                parse_selector(selector)
            except QueryError as error:
                raise QueryError(f"--match {selector}: {error}", error.position) from None

    @property
    def name(self) -> str:
        """The server, for people."""
        return urlsplit(self.access.url).netloc

    @property
    def size(self) -> int:
        """Seconds, as what there is to do."""
        return int((self.end - self.start).total_seconds())

    def days(self) -> Iterator[tuple[int, int]]:
        """Its UTC days as [start, end) in ms, newest first."""
        step_ms = self.step_s * 1000 or 1
        first, end = round(self.start.timestamp() * 1000), math.ceil(self.end.timestamp() * 1000)
        first = first // step_ms * step_ms
        while end > first:
            start = max(first, (end - 1) // _DAY_MS * _DAY_MS)
            yield start, end
            end = start

    @property
    def digest(self) -> str:
        """What tells this server and these series from others."""
        told = [self.access.url, self.match, self.step_s]
        return blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()


def length_of(text: str, option: str) -> timedelta:
    """A length such as 15s, 90m, 36h or 7d. Raises SettingsError."""
    try:
        return timedelta(seconds=float(text[:-1]) * _UNITS[text[-1:]])
    except (ValueError, KeyError, OverflowError):
        raise SettingsError(f"{option}: must be a length such as 15s, 90m, 36h or 7d") from None


def moment_of(text: str, option: str, now: datetime) -> datetime:
    """A time such as 2026-11-24T10:00Z (no zone: UTC), or how long ago, such as 7d. Raises SettingsError."""
    try:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return now - length_of(text, option)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (SettingsError, OverflowError):
        raise SettingsError(
            f"{option}: must be a time such as 2026-11-24T10:00Z, or an age such as 36h or 7d"
        ) from None
