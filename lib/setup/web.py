"""Asking addresses for a check: all at once, within a bound, with the server's clock and what to do about a failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lib.collect.fetch import Fetched, FetchError, fetch, instances, open_client
from lib.setup.base import Grade, Row

TIMEOUT_S = 8.0
"""Under the limit of a whole check, so that a target that hangs is named."""
SKEW_S = 5.0

_HINTS = (
    ("HTTP 401", "It wants credentials, which are not sent to targets: open the path to this host, or let Prometheus scrape it."),
    ("HTTP 403", "It refuses this host: allow it in the service's or the proxy's access list."),
    ("HTTP 404", "Nothing is at this path: is it /metrics, /health, or behind a prefix?"),
    ("HTTP 3", "Set the address that it redirects to: redirects are not followed."),
    ("HTTP 5", "The service itself fails: see its log."),
    ("text/html", "That is a page, not metrics: a proxy, a sign-in page, or a wrong path answers."),
    ("application/json", "That is JSON, not metrics: is this the /health address?"),
    ("certificate", "Its certificate is not signed by a known authority: there is no CA setting for targets. Use http inside "
     "the network, or let Prometheus scrape it (PROMETHEUS_URL, PROMETHEUS_CA)."),
    ("SSL", "It does not speak TLS as expected: is it http:// instead of https://?"),
    ("attempts failed", "Nothing listens there: is the service running, and is the port right?"),
    ("refused", "Nothing listens there: is the service running, and is the port right?"),
    ("Name or service not known", "The host name cannot be resolved: check its spelling and DNS."),
    ("name resolution", "The host name cannot be resolved: check its spelling and DNS."),
    ("no whole answer within", "It hangs or is behind a firewall that drops packets: try it with curl from this host."),
    ("closed in the middle", "What listens there may not speak HTTP, or a proxy cuts the answer off."),
    ("over", "The answer is too large: look for labels that hold ids (Contract page)."),
    ("format", "That is not Prometheus' text format: what answers there?"),
    ("breaks off", "The answer is cut off: look at proxies between here and there."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with how long it took and how far the server's clock is ahead of ours (None: it does not tell)."""

    instance: str
    fetched: Fetched
    took_s: float
    skew_s: float | None

    def facts(self) -> list[str]:
        """What to say of any answer."""
        parts = [f"HTTP {self.fetched.status_code} in {self.took_s * 1000:.0f} ms"]
        if self.skew_s is not None:
            far = abs(self.skew_s) > SKEW_S
            parts.append(f"its clock is {self.skew_s:+.0f} s off ours" if far else "clocks agree")
        return parts

    @property
    def skew_hint(self) -> str:
        """What to do about its clock; "" where it agrees."""
        far = self.skew_s is not None and abs(self.skew_s) > SKEW_S
        return "Set the clocks of both hosts by NTP: records and samples land at wrong times." if far else ""


def asked(urls: Sequence[str], accept: str, max_bytes: int, judge: Callable[[Answer], Row]) -> list[Row]:
    """A row per address: what `judge` makes of its answer (it may raise FetchError), or why none came."""
    return asyncio.run(_all(urls, accept, max_bytes, judge))


async def _all(urls: Sequence[str], accept: str, max_bytes: int, judge: Callable[[Answer], Row]) -> list[Row]:
    async with open_client() as client:

        async def one(url: str, instance: str) -> Row:
            began = time.monotonic()
            try:
                found = await fetch(client, url, timeout_s=TIMEOUT_S, max_bytes=max_bytes, accept=accept)
                return judge(Answer(instance, found, time.monotonic() - began, _skew_s(found.date)))
            except FetchError as error:
                return Row(instance, Grade.FAILED, str(error), hint_for(str(error)))

        return list(await asyncio.gather(*(one(url, instance) for url, instance in instances(urls).items())))


def hint_for(reason: str) -> str:
    """What to do about an answer that did not come or is of no use."""
    return next(
        (hint for sign, hint in _HINTS if sign.lower() in reason.lower()), "Try the address with curl from this host."
    )


def _skew_s(date: str) -> float | None:
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return (told - datetime.now(UTC)).total_seconds()
