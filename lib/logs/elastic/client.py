"""The one connection to Elasticsearch: its time-outs, its patience, and what its errors mean here."""

from __future__ import annotations

import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import elasticsearch
import orjson
from elastic_transport import ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from lib import retry_after
from lib.errors import SourceError, SourceRejected, SourceUnavailable
from lib.logs.elastic.bounded import TOO_LONG, BoundedNode
from lib.logs.elastic.joining import Joined
from lib.logs.elastic.wire import SERIALIZERS
from lib.notes import say, timed
from lib.shared_answers import Shared
from lib.tls_faults import tls_fault

NAME = "logs (Elasticsearch)"
TIMEOUT_S = 10.0
SEARCH_TIMEOUT = "8s"
"""When a search has to come back with what it has, so that its answer still arrives within TIMEOUT_S."""

ATTEMPTS = 3
LONGEST_PAUSE_S, LONGEST_WAIT_S = 60.0, 600.0
_JSON = {"accept": "application/json", "content-type": "application/json"}
_BUSY = (429, 502, 503, 504)
_MAX_REASON = 300
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """Where the cluster is and who asks. One of `api_key`, `bearer`, or `username` with `password`, or none of them."""

    hosts: tuple[str, ...]
    index: str = "halopsa-integration-*"
    username: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    ca_file: str = ""
    verify: bool = True


@dataclass(slots=True)
class Pauses:
    """Between questions that failed: 1 s, doubled each time up to a minute, with jitter, or what Retry-After says."""

    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    failures: int = 0
    until: float = 0.0
    reason: str = ""

    def refuse(self) -> None:
        """Raises SourceUnavailable, with the reason of the last failure, while a pause lasts."""
        left = self.until - self.monotonic()
        if left > 0:
            raise SourceUnavailable(f"{self.reason} (asked again in {left:.0f} s)", NAME)

    def failed(self, reason: str, retry_after_s: float = 0.0) -> None:
        """Begins the next pause."""
        pause = min(2.0**self.failures, LONGEST_PAUSE_S) * (0.5 + self.jitter() / 2)
        self.failures, self.reason = min(self.failures + 1, 10), reason
        self.until = self.monotonic() + max(pause, retry_after_s)

    def went_well(self) -> None:
        """Ends it."""
        self.failures, self.until = 0, 0.0


class Connection:
    """Asks the cluster; every error comes out as a SourceError, and a partial answer leaves a note.

    Opening it asks nothing; it raises OSError or ValueError for a CA file or an address that cannot be used.
    Equal searches under way share one answer, for `keep_s` longer; searches that wait go out together.
    """

    def __init__(
        self, access: Access, *, timeout_s: float = TIMEOUT_S, pauses: Pauses | None = None,
        sleep: Callable[[float], object] = time.sleep, keep_s: float = 0,
    ) -> None:  # fmt: skip
        self.index = access.index
        self._timeout_s = timeout_s
        self._pauses = pauses or Pauses()
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client = open_client(access, timeout_s)
        self._joined = Joined(self._msearch)
        self._shared: Shared[list[Body]] = Shared(keep_s)

    def field_caps(self, fields: Sequence[str]) -> Body:
        """Which index maps which of the fields how; `indices` is empty where the pattern matches none."""
        try:
            return self._ask(
                lambda client: client.field_caps(index=self.index, fields=list(fields), include_unmapped=True)
            )
        except SourceRejected as error:
            if isinstance(error.__cause__, elasticsearch.NotFoundError):
                return {"indices": [], "fields": {}}
            raise

    def search(self, searches: Sequence[tuple[Sequence[str] | None, Body]]) -> list[Body]:
        """The answers to several searches in one request; each is (index names, None for the whole pattern; body)."""
        if not searches:
            return []
        lines: list[Body] = []
        for indices, body in searches:
            index = self.index if indices is None else list(indices)
            lines += [{"index": index, "ignore_unavailable": True, "allow_no_indices": True}]
            lines += [{"timeout": SEARCH_TIMEOUT, **body}]
        return timed(
            NAME, _told(lines),
            lambda: [_whole(one) for one in self._shared.of(orjson.dumps(lines), lambda: self._joined.ask(lines))],
            lambda found: sum(map(_rows, found)),
        )  # fmt: skip

    def _msearch(self, lines: Sequence[Body]) -> list[Body]:
        found: list[Body] = self._ask(lambda client: client.msearch(searches=lines, max_concurrent_searches=4))[
            "responses"
        ]
        return found

    def sizes(self) -> Body:
        """Documents and bytes per index. Raises SourceError, SourceRejected where this user may not ask."""
        return self._ask(lambda client: client.indices.stats(index=self.index, metric=["docs", "store"]))

    def lifecycles(self) -> Body:
        """The lifecycle of each index. Raises SourceError, SourceRejected where this user or cluster has none to ask."""
        return self._ask(lambda client: client.ilm.explain_lifecycle(index=self.index))

    def page(self, body: Body) -> Body:
        """The next page of a search on a point in time."""
        return timed(
            NAME, f"GET /_search\n{orjson.dumps(body).decode()}",
            lambda: _whole(self._ask(lambda client: client.search(body={"timeout": SEARCH_TIMEOUT, **body}))), _rows,
        )  # fmt: skip

    def open_point(self, indices: Sequence[str] | None) -> str:
        """A point in time to page on; close it."""
        index = self.index if indices is None else list(indices)
        opened = self._ask(
            lambda client: client.open_point_in_time(index=index, keep_alive="1m", ignore_unavailable=True)
        )
        return str(opened["id"])

    def close_point(self, point: str) -> None:
        """Lets the cluster forget it. Raises SourceError."""
        self._ask(lambda client: client.close_point_in_time(id=point))

    def get(self, path: str) -> Body | None:
        """What is there under a path of the API; None where nothing is. Raises SourceError."""
        try:
            return self._ask(lambda client: client.perform_request("GET", path, headers=_JSON))
        except SourceRejected as error:
            if isinstance(error.__cause__, elasticsearch.NotFoundError):
                return None
            raise

    def put(self, path: str, body: Body) -> None:
        """Writes it there. Raises SourceError."""
        self._ask(lambda client: client.perform_request("PUT", path, headers=_JSON, body=body))

    def close(self) -> None:
        """Closes the sockets."""
        self._client.close()

    def _ask(self, question: Callable[[Elasticsearch], Any]) -> Body:
        with self._lock:
            self._pauses.refuse()
        deadline = time.monotonic() + self._timeout_s
        for attempt in range(1, ATTEMPTS + 1):
            left = deadline - time.monotonic()
            try:
                answer: Body = question(self._client if attempt == 1 else self._within(left)).body
            except (ApiError, TransportError) as error:
                translated, pause = self._failure(error, attempt)
                if pause is None or time.monotonic() + pause >= deadline:
                    self._remember(translated, error)
                    raise translated from error
                self._sleep(pause)
            else:
                with self._lock:
                    self._pauses.went_well()
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _within(self, left_s: float) -> Elasticsearch:
        """The client with what is left of the time-out; made anew it costs a third of a question, so not for the first."""
        return self._client.options(request_timeout=max(left_s, 0.5))

    def _failure(self, error: ApiError | TransportError, attempt: int) -> tuple[SourceError, float | None]:
        """What it means, and how long to wait until the next attempt; None: make no other."""
        translated = translate(error)
        if isinstance(translated, SourceRejected) or isinstance(error, ConnectionTimeout) or attempt == ATTEMPTS:
            return translated, None
        pause = 0.2 * 2**attempt * (0.5 + self._pauses.jitter() / 2)
        return translated, max(pause, retry_after_s(error))

    def _remember(self, translated: SourceError, error: Exception) -> None:
        if isinstance(translated, SourceUnavailable):
            with self._lock:
                self._pauses.failed(str(translated), retry_after_s(error))


def open_client(access: Access, timeout_s: float) -> Elasticsearch:
    """The client; nothing is asked yet. Raises OSError or ValueError for a CA file that cannot be used."""
    more: Body = {}
    if access.api_key:
        more["api_key"] = access.api_key
    elif access.bearer:
        more["bearer_auth"] = access.bearer
    elif access.username:
        more["basic_auth"] = (access.username, access.password)
    if any(host.startswith("https") for host in access.hosts):
        more |= {"verify_certs": access.verify, "ssl_show_warn": False}
        if access.ca_file and access.verify:
            ssl.create_default_context(cafile=access.ca_file)  # the client would find out at its first question only
            more["ca_certs"] = access.ca_file
    return Elasticsearch(
        [_with_port(host) for host in access.hosts], request_timeout=timeout_s, max_retries=len(access.hosts) - 1, retry_on_status=(),
        retry_on_timeout=False, http_compress=True, serializers=SERIALIZERS, node_class=BoundedNode, **more,
    )  # fmt: skip


def _with_port(host: str) -> str:
    """The client wants a port; without one it is the scheme's, as for every other program."""
    parts = urlsplit(host)
    if parts.port is not None:
        return host
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"))


def retry_after_s(error: Exception) -> float:
    """Seconds that the server asked to be left alone for; 0 where it did not. At most LONGEST_WAIT_S."""
    text = error.meta.headers.get("retry-after") if isinstance(error, ApiError) else None
    return min(retry_after.retry_after_s(text or "") or 0.0, LONGEST_WAIT_S)


def translate(error: ApiError | TransportError) -> SourceError:
    """The error as this product knows it; its text has no address and no credential."""
    if isinstance(error, UnsupportedProductError):
        return SourceRejected("what answers there is not Elasticsearch", NAME)
    if isinstance(error, ApiError):
        status = error.meta.status
        kind = SourceUnavailable if status in _BUSY or status >= 500 else SourceRejected
        return kind(f"HTTP {status}: {reason_of(error.body)}", NAME)
    if isinstance(error, TlsError):
        told = tls_fault(error.message, address="ELASTICSEARCH_NODE", authority="HALO_OPS_ES_CA_FILE")
        return SourceRejected(told, NAME)
    if isinstance(error, ConnectionTimeout):
        return SourceUnavailable("no answer in time", NAME)
    if isinstance(error, SerializationError):
        return SourceUnavailable("the answer is not JSON", NAME)
    found = _ERRNO.search(error.message)
    reason = f"no connection{f': {found[1].strip()}' if found else ''}"
    return SourceUnavailable(error.message if error.message.startswith(TOO_LONG) else reason, NAME)


def reason_of(body: Any) -> str:
    """The innermost reason that an error body gives, with the index it is about."""
    cause = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(cause, Mapping):
        return str(cause)[:_MAX_REASON] or "no reason given"
    shards = [failure.get("reason") for failure in cause.get("failed_shards") or ()]
    inner = next((r for r in (*shards, *(cause.get("root_cause") or ())) if isinstance(r, Mapping)), cause)
    said = str(inner.get("reason") or inner.get("type") or "no reason given")
    index = str(inner.get("index") or "")
    return f"{inner.get('type', 'error')}: {said}{f' ({index})' if index and index not in said else ''}"[:_MAX_REASON]


def _told(lines: Sequence[Body]) -> str:
    """The searches as Kibana's console takes them."""
    pairs = zip(lines[::2], lines[1::2], strict=True)
    named = (
        (head["index"] if isinstance(head["index"], str) else ",".join(head["index"]), body) for head, body in pairs
    )
    return "\n".join(f"GET /{index}/_search\n{orjson.dumps(body).decode()}" for index, body in named)


def _rows(answer: Body) -> int:
    """Hits, and the buckets of its aggregations."""
    groups = [found.get("buckets", ()) for found in answer.get("aggregations", {}).values()]
    return len(answer["hits"]["hits"]) + sum(map(len, groups))


def _whole(answer: Body) -> Body:
    """The answer, with a note where it is not whole. Raises SourceError where it is none at all."""
    if "error" in answer:
        status = int(answer.get("status", 500))
        kind = SourceUnavailable if status in _BUSY or status >= 500 else SourceRejected
        raise kind(f"HTTP {status}: {reason_of(answer)}", NAME)
    shards = answer.get("_shards", {})
    if failed := shards.get("failed", 0):
        why = reason_of({"failed_shards": shards.get("failures", ())})
        say(NAME, f"{failed} of {shards.get('total', failed)} shards did not answer ({why}): the figures are too low.")
    if answer.get("timed_out"):
        say(NAME, f"the search was cut off after {SEARCH_TIMEOUT.removesuffix('s')} s: the figures are too low.")
    return answer
