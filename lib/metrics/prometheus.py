"""The grown-up metric store: a Prometheus server, or one that speaks its API (Thanos, Mimir, VictoriaMetrics)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.util.retry import Retry

from lib import notes
from lib.at_once import MOST
from lib.errors import SourceRejected
from lib.metrics.base import Result, epoch_ms, grid
from lib.metrics.prometheus_answer import instant_result, range_result
from lib.metrics.prometheus_refusal import NAME
from lib.metrics.prometheus_session import TIMEOUT_S, Session
from lib.metrics.promql.parse import check_length, milliseconds
from lib.shared_answers import Shared
from lib.window import DAY, LONGEST, Window

T = TypeVar("T")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FAR_STEP = 240
"""Seconds between two looks for the newest sample of the last day: under the look-back, so that none is missed."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a server: `url` with its path prefix and no credentials; `user` or `bearer`, or neither.

    `ca_file` is the authority that signed its certificate ("": the system's), `headers` go with every question.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    ca_file: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class PrometheusMetrics:
    """MetricStore on a Prometheus server; nothing is asked before the first question. Threads may share it.

    `job` names the scrape job whose freshness counts ("" or unknown to the server: any job's). Equal questions under way
    share one answer, for `keep_s` longer.
    """

    name = NAME

    def __init__(
        self,
        access: Access,
        *,
        job: str = "",
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        keep_s: float = 0,
    ) -> None:
        self._session = Session(timeout_s=timeout_s, headers=access.headers)
        if access.ca_file:
            self._session.verify = access.ca_file
        if access.user:
            self._session.auth = HTTPBasicAuth(access.user.encode(), access.password.encode())
        elif access.bearer:
            self._session.headers["Authorization"] = f"Bearer {access.bearer}"
        once = Retry(0, redirect=0, raise_on_status=False)  # the session asks again by itself, within one time-out
        self._client = PrometheusConnect(access.url.rstrip("/"), session=self._session, retry=once, method="POST")
        self._shared: Shared[Result] = Shared(keep_s)
        self._url = access.url.rstrip("/")
        self._session.mount(self._url, HTTPAdapter(max_retries=once, pool_maxsize=MOST + 1))  # a connection per thread
        # Its own time-out is the shorter one: then it can say that the question was too much, not the server too slow.
        # `nocache` has VictoriaMetrics evaluate at the times asked for; the others do not know it.
        self._always = {"timeout": f"{round(900 * timeout_s)}ms", "nocache": "1"}
        mine = f'up{{job="{_quoted(job)}"}}'
        self._signs_of_life = ([mine] if job else []) + ["up", '{__name__=~".+"}']
        self._clock = clock

    def instant(self, expression: str, at: datetime) -> Result:
        """The expression's value at one moment. Raises QueryError, SourceError."""
        check_length(expression)
        at_ms = epoch_ms(at)

        def ask() -> Result:
            asked = self._always | {"time": _seconds(at_ms)}
            return instant_result(self._client.custom_query(expression, params=asked), at_ms)

        return self._told((expression, at_ms), ask)

    def range(self, expression: str, window: Window, step: timedelta) -> Result:
        """The expression at window.start, start + step, … ≤ window.end. Raises QueryError, SourceError."""
        check_length(expression)
        ts_ms = grid(window, step)
        exact = {"start": _seconds(int(ts_ms[0])), "end": _seconds(int(ts_ms[-1]))}  # the client rounds to seconds
        width = f"{milliseconds(step) / 1000:.3f}"

        def ask() -> Result:
            found = self._client.custom_query_range(
                expression, window.start, window.end, width, params=self._always | exact
            )
            return range_result(found, ts_ms)

        return self._told((expression, exact["start"], exact["end"], width), ask)

    def label_values(self, label: str, matcher: str = "") -> list[str]:
        """Every value of a label (``__name__``: metric names), sorted; `matcher` is a series selector."""
        if not _LABEL.fullmatch(label):
            return []
        asked = {"match[]": matcher} if matcher else {}
        found = _answered(lambda: self._client.get_label_values(label, params=asked) or ())
        return sorted(str(value) for value in found if value)

    def newest(self) -> datetime | None:
        """The time of the newest sample: of `up` of the service's job if it was there in the last day, else of any `up`,
        else of any series; None where there was none in the last day."""
        now = self._clock()
        for series in self._signs_of_life:
            day = f"max(max_over_time(timestamp({series})[1d:{_FAR_STEP}s]))"
            for expression in (f"max(timestamp({series}))", day):
                found = self.instant(expression, now).scalar()
                if found is not None:
                    return _moment(found)
        return None

    def oldest(self) -> datetime | None:
        """The time of the oldest sample, looked for in the same series as the newest and 92 days back; None: none there."""
        now = self._clock()
        for series in self._signs_of_life:
            day = self._first_kept(series, Window(now - LONGEST, now), DAY)
            hour = day and self._first_kept(series, Window(day, day + DAY), timedelta(hours=1))
            if hour:
                return self._first_sample(f"{series}[1h]", hour + timedelta(hours=1))
        return None

    def _first_kept(self, series: str, window: Window, step: timedelta) -> datetime | None:
        """The start of the first step in which a sample is kept."""
        seen = f"count(present_over_time({series}[{int(step.total_seconds())}s]))"
        found = self.range(seen, Window(window.start + step, window.end + step), step)
        if not found.present.any():
            return None
        return _moment(int(found.ts_ms[np.nonzero(found.present.any(axis=0))[0][0]]) / 1000) - step

    def _first_sample(self, raw: str, at: datetime) -> datetime:
        found = _answered(
            lambda: self._client.custom_query(raw, params=self._always | {"time": _seconds(epoch_ms(at))})
        )
        return _moment(min(series["values"][0][0] for series in found))

    def rules(self) -> list[dict[str, Any]]:
        """The server's rule groups, as its API has them (`name`, `file`, `interval`, `rules` with `health` and `alerts`)."""
        return _answered(lambda: list(self._data("rules")["groups"]))

    def alerts(self) -> list[dict[str, Any]]:
        """The server's own pending and firing alerts (`labels`, `annotations`, `state`, `activeAt`, `value`)."""
        return _answered(lambda: list(self._data("alerts")["alerts"]))

    def version(self) -> str:
        """The server's own version; not every compatible server tells."""
        return _answered(lambda: str(self._data("status/buildinfo")["version"]))

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes (`labels`, `scrapeUrl`, `health`, `lastError`, `lastScrape`); not every compatible server tells."""
        return _answered(lambda: list(self._client.get_targets("active")["activeTargets"]))

    def _told(self, question: tuple[str, *tuple[object, ...]], ask: Callable[[], Result]) -> Result:
        return notes.timed(
            self.name,
            question[0],
            lambda: self._shared.of(question, lambda: _result(ask)),
            lambda found: len(found.labels),
        )

    def _data(self, what: str) -> Any:
        return self._session.request("GET", f"{self._url}/api/v1/{what}").json()["data"]

    def close(self) -> None:
        """Lets the connections go."""
        self._client.close()


def _result(ask: Callable[[], Result]) -> Result:
    """The answer with the warnings that came with it."""
    with notes.collected() as said:
        result = _answered(ask)
    return replace(result, warnings=tuple(note.text for note in said if note.doubtful))


def _answered(ask: Callable[[], T]) -> T:
    """What `ask` gives; a success in another form than it was asked for is a refusal."""
    try:
        return ask()
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise SourceRejected(f"its answer is not in Prometheus' form ({type(error).__name__})", NAME) from None


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(ts_ms: int) -> str:
    return f"{ts_ms / 1000:.3f}"


def _moment(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(seconds * 1000))
