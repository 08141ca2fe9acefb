"""The HTTP session under the Prometheus client: one time-out for a whole question, a size limit, one tree of errors."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

import orjson
import requests
import stamina
import urllib3

from lib import notes
from lib.alarms import Alarms
from lib.breaker import Breaker
from lib.errors import QueryError, SourceRejected, SourceUnavailable
from lib.metrics.prometheus_refusal import NAME, GaveUp, PassingFault, refusal
from lib.notes import Note
from lib.tls_faults import tls_fault

TIMEOUT_S = 10.0
LARGEST_ANSWER = 50_000_000
ATTEMPTS = 3
WORTH_TRYING_S = 0.5
"""A question is not asked again when less time than this is left."""

_ALARMS = Alarms()
_BLOCK = 65_536
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")


class Answer(requests.Response):
    """A whole answer in Prometheus' form, parsed once."""

    def __init__(self, first: requests.Response, body: bytes, parsed: dict[str, Any]) -> None:
        super().__init__()
        self.status_code, self.headers, self.url = first.status_code, first.headers, first.url
        self.raw = io.BytesIO(body)
        self._parsed = parsed

    def json(self, **_: Any) -> Any:
        """The answer as it came, `warnings` and all."""
        return self._parsed


class Session(requests.Session):
    """What the client asks through. `timeout_s` covers a question with all its attempts, the reading of it included.

    Every answer that comes back is a success in Prometheus' form; its warnings have been said as notes. Raises
    QueryError, SourceRejected, SourceUnavailable, and nothing of `requests`. Threads may share it.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.trust_env = False  # ~/.netrc would replace our credentials
        self.headers.update({"accept": "application/json", "accept-encoding": "gzip", "user-agent": "halo-ops"})
        self.headers.update(headers or {})
        self._timeout_s = timeout_s
        self._breaker = Breaker(NAME, answers=(GaveUp,))

    def request(self, method: str | bytes, url: str | bytes, **options: Any) -> Answer:  # type: ignore[override]
        """Asks until an answer comes or the time is used up; redirects are not followed."""
        deadline = time.monotonic() + self._timeout_s
        if method == "POST":  # the client would put a long question into the address, which proxies cut off
            options["data"] = options.pop("params", None)
        retries = stamina.retry_context(
            on=lambda error: _wait(error, deadline),
            attempts=ATTEMPTS, timeout=None, wait_initial=0.1, wait_max=2.0, wait_jitter=0.1,
        )  # fmt: skip
        with self._breaker.question():
            for attempt in retries:
                with attempt:
                    answer = self._once(method, url, options, deadline)
        return answer

    def _once(self, method: str | bytes, url: str | bytes, options: Mapping[str, Any], deadline: float) -> Answer:
        left = max(deadline - time.monotonic(), 0.01)
        asked = options.get("params") or options.get("data") or {}
        late = f"no whole answer within {self._timeout_s:g} s"
        once = {**options, "timeout": (left, left), "stream": True, "allow_redirects": False}
        try:
            first = super().request(method, url, **once)
            body = _read(first, deadline)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise SourceUnavailable(late, NAME) from None
        except requests.exceptions.SSLError as error:
            told = tls_fault(str(error), address="PROMETHEUS_URL", authority="PROMETHEUS_CA")
            raise SourceRejected(told, NAME) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if time.monotonic() >= deadline:
                raise SourceUnavailable(late, NAME) from None
            raise _broken(error) from None
        parsed = _parsed(first, body, str(asked.get("query") or asked.get("match[]") or ""))
        _tell(parsed)
        return Answer(first, body, parsed)


def _tell(parsed: Mapping[str, Any]) -> None:
    """Says what came with an answer."""
    for kind, doubtful in (("warnings", True), ("infos", False)):
        for text in parsed.get(kind) or ():
            notes.add(Note(NAME, str(text)[:300], doubtful))
    if parsed.get("isPartial") is True:  # VictoriaMetrics' cluster has no other words for it
        notes.add(Note(NAME, "the answer is partial: a part of the storage did not answer"))


def _wait(error: Exception, deadline: float) -> bool | float:
    """Whether to ask again, or after how many seconds: only what may pass, and only while the time lasts."""
    if not isinstance(error, PassingFault):
        return False
    left = deadline - time.monotonic()
    if error.after_s is not None:
        return error.after_s if error.after_s < left - WORTH_TRYING_S else False
    return left > WORTH_TRYING_S


def _read(answer: requests.Response, deadline: float) -> bytes:
    """The whole body. An alarm ends a read that would outlast the deadline: the socket's own time-out starts anew with each byte."""
    parts, size = [], 0
    with closing(answer), _ALARMS.at(deadline, lambda: _cut(answer)):
        while part := answer.raw.read1(_BLOCK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:
                raise QueryError(
                    f"the answer is larger than {LARGEST_ANSWER // 1_000_000} MB: choose a shorter range or fewer series"
                )
    if time.monotonic() >= deadline:
        raise requests.Timeout
    return b"".join(parts)


def _cut(answer: requests.Response) -> None:
    with suppress(OSError, ValueError, RuntimeError):  # it ended by itself meanwhile
        answer.raw.shutdown()


def _parsed(first: requests.Response, body: bytes, query: str) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        if first.status_code == 200 and body.startswith(b"{"):  # an archive that is cut off tells nobody
            raise PassingFault("its answer breaks off", NAME) from None
        parsed = None
    if first.status_code == 200 and isinstance(parsed, dict) and parsed.get("status") == "success" and "data" in parsed:
        return parsed
    raise refusal(first.status_code, parsed if isinstance(parsed, dict) else None, first.headers, query)


def _broken(error: Exception) -> PassingFault:
    """Why no answer came, without the address: its query and host belong to nobody's screen."""
    found = _ERRNO.search(str(error))
    if isinstance(error, requests.ConnectionError) and found:
        return PassingFault(f"cannot connect: {found[1].strip()}", NAME)
    return PassingFault("the connection closed before the answer was whole", NAME)
