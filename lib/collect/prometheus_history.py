"""A range of a Prometheus server's samples, read as they were stored: raw, day by day and metric by metric."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import stamina

from lib.collect.fetch import without_secrets
from lib.collect.prometheus_range import READ_S, PrometheusRange
from lib.errors import SourceRejected, SourceUnavailable
from lib.metrics.ingest import Samples
from lib.metrics.promql.parse import parse_selector
from lib.metrics.promql.values import Matcher, Op

NAME = "Prometheus"
MOST_BYTES = 32 << 20
"""An answer that would be longer is asked for in halves."""
SHORTEST_MS = 1000
ATTEMPTS, PATIENCE_S = 8, 120.0
QUERY_S = 30
_log = logging.getLogger(__name__)
_TOO_MUCH = ("too many samples", "timed out", "timeout", "limit", "exceeded")


class _TooMuchError(Exception):
    """The server or we do not take this much at once."""


class Journal:
    """Which pieces of a range are in the spool already, so that an import that was ended goes on there.

    It is only a short cut: a piece that is read again adds nothing twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()

    def has(self, piece: str) -> bool:
        """Whether the piece was read."""
        return piece in self._done

    def note(self, piece: str) -> None:
        """The piece is whole in the spool."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(piece + "\n")

    def remove(self) -> None:
        """The range is read to its end."""
        self._path.unlink(missing_ok=True)


class History:
    """Reads a range. `problems` collects what a person should know. Raises SourceError."""

    def __init__(self, wanted: PrometheusRange, journal: Journal, transport: httpx.BaseTransport | None = None) -> None:
        self._wanted, self._journal = wanted, journal
        self._client = wanted.access.client(transport)
        self._length_ms: dict[str, int] = {}
        self.problems: list[str] = []

    def portions(self) -> Iterator[tuple[Samples | None, int]]:
        """Samples (None: nothing there), newest day first, each with how many seconds of the range are done.

        A portion must be in the spool before the next one is asked for.
        """
        with self._client:
            done_s, found = 0, False
            for start_ms, end_ms in self._wanted.days():
                length_s = (end_ms - start_ms) // 1000
                pieces = [(one, name) for one in self._wanted.match for name in self._names(one, start_ms, end_ms)]
                found = found or bool(pieces)
                for number, (selector, name) in enumerate(pieces):
                    piece = json.dumps([start_ms, end_ms, selector, name])
                    if self._journal.has(piece):
                        continue
                    for samples in self._samples(_narrowed(selector, name), start_ms, end_ms):
                        yield samples, done_s + length_s * number // len(pieces)
                    self._journal.note(piece)
                done_s += length_s
                yield None, done_s
        if not found:
            self._tell(
                f"{self._wanted.name} holds no series of {' or '.join(self._wanted.match)} in that range; --match selects others"
            )
        self._journal.remove()

    def _names(self, selector: str, start_ms: int, end_ms: int) -> list[str]:
        names = self._ask("api/v1/label/__name__/values", {
            "match[]": selector, "start": f"{start_ms / 1000:.3f}", "end": f"{end_ms / 1000:.3f}",
        })  # fmt: skip
        return sorted(map(str, names))

    def _samples(self, selector: str, start_ms: int, end_ms: int) -> Iterator[Samples]:
        """Those in [start, end), in slices that the server takes."""
        at, unit = start_ms, max(SHORTEST_MS, self._wanted.step_s * 1000)
        while at < end_ms:
            length = self._length_ms.get(selector, end_ms - start_ms)
            until = min(at + length, end_ms)
            try:
                answer = self._raw(selector, at, until)
            except _TooMuchError as error:
                if until - at <= unit:
                    raise SourceRejected(f"{selector}: not even {unit / 1000:g} s can be read: {error}", NAME) from None
                self._length_ms[selector] = max(unit, (until - at) // 2 // unit * unit)
                continue
            samples = self._decoded(answer, at, until)
            if samples.values.size:
                yield samples
            at = until

    def _raw(self, selector: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        range_s = (
            -(-(end_ms - start_ms) // 1000) + 1
        )  # in Prometheus 3 a range begins behind its first moment, in 2 with it
        asked = {"query": f"{selector}[{range_s}s]", "time": f"{end_ms / 1000:.3f}", "timeout": f"{QUERY_S}s"}
        data = self._ask("api/v1/query", asked)
        if not isinstance(data, dict) or data.get("resultType") != "matrix":
            raise SourceRejected("the answer holds no samples: is this the address of a Prometheus?", NAME)
        return list(data["result"])

    def _decoded(self, found: Sequence[Mapping[str, Any]], start_ms: int, end_ms: int) -> Samples:
        labels, series, ts_ms, values = [], [], [], []
        for one in found:
            points = one.get("values", ())
            if one.get("histograms"):
                self._tell(f"{one['metric'].get('__name__')}: native histograms are left out")
            labels.append({name: str(value) for name, value in one["metric"].items() if value})
            series.append(np.full(len(points), len(labels) - 1, dtype=np.int32))
            ts_ms.append(np.array([round(ts * 1000) for ts, _ in points], dtype=np.int64))
            values.append(np.array([float(value) for _, value in points], dtype=np.float64))
        if not labels:
            return Samples((), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))
        samples = Samples(tuple(labels), np.concatenate(series), np.concatenate(ts_ms), np.concatenate(values))
        kept = (samples.ts_ms >= start_ms) & (samples.ts_ms < end_ms)
        if self._wanted.step_s:
            kept &= _first_of_step(samples, self._wanted.step_s * 1000)
        return Samples(samples.labels, samples.series[kept], samples.ts_ms[kept], samples.values[kept])

    def _ask(self, path: str, asked: Mapping[str, str]) -> Any:
        """The `data` of an answer; where none comes it is asked for again for a while."""
        for attempt in stamina.retry_context(
            on=SourceUnavailable, attempts=ATTEMPTS, timeout=PATIENCE_S, wait_initial=0.2, wait_max=20
        ):
            with attempt:
                try:
                    return self._ask_once(path, asked)
                except SourceUnavailable as error:
                    if attempt.num < ATTEMPTS:
                        _log.warning("%s; it is asked again (%d of %d)", error, attempt.num, ATTEMPTS - 1)
                    raise
        raise AssertionError("unreachable: the last attempt raises")

    def _ask_once(self, path: str, asked: Mapping[str, str]) -> Any:
        try:
            with self._client.stream("GET", path, params=asked) as answer:
                body = _body(answer)
        except httpx.HTTPError as error:
            told = without_secrets(str(error)) or type(error).__name__
            raise SourceUnavailable(f"{self._wanted.name} does not answer: {told}", NAME) from None
        return self._checked(answer.status_code, body)

    def _checked(self, code: int, body: bytes) -> Any:
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = {}
        told = told if isinstance(told, dict) else {}
        reason = without_secrets(str(told.get("error") or f"HTTP {code}"))
        if code == 200 and told.get("status") == "success":
            for warning in told.get("warnings") or ():
                self._tell(f"{self._wanted.name} warns: {without_secrets(str(warning))}")
            return told.get("data")
        if told and any(words in reason.lower() for words in _TOO_MUCH) and code in (422, 400, 503):
            raise _TooMuchError(reason)
        if code >= 500 or code in (408, 429):
            raise SourceUnavailable(f"{self._wanted.name} says: {reason}", NAME)
        raise SourceRejected(f"{self._wanted.name} says: {reason}{_hint(code, is_api=bool(told))}", NAME)

    def _tell(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 20:
            self.problems.append(problem)


def _hint(code: int, *, is_api: bool) -> str:
    """What to do about a refusal."""
    if code in (401, 403):
        return ": the credentials are not accepted (PROMETHEUS_USERNAME and _PASSWORD, or PROMETHEUS_BEARER_TOKEN)"
    if 300 <= code < 400:
        return ": it sends us elsewhere, to a sign-in perhaps; give the address where the API answers"
    return "" if is_api else ": no Prometheus answers there; give its address with the path prefix that it has"


def _body(answer: httpx.Response) -> bytes:
    """All of it. Raises _TooMuchError, httpx.ReadTimeout where it drips."""
    kept, deadline = bytearray(), time.monotonic() + 2 * READ_S
    for part in answer.iter_bytes(1 << 16):
        kept += part
        if len(kept) > MOST_BYTES:
            raise _TooMuchError(f"an answer of over {MOST_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout(f"no whole answer within {2 * READ_S:g} s")
    return bytes(kept)


def _narrowed(selector: str, name: str) -> str:
    """The selector for one metric only."""
    matchers = [Matcher("__name__", Op.EQUAL, name), *parse_selector(selector)]
    return "{" + ",".join(f"{one.name}{one.op}{_quoted(one.value)}" for one in matchers) + "}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _first_of_step(samples: Samples, step_ms: int) -> Any:
    """True for the first sample of a series in each step."""
    step = samples.ts_ms // step_ms
    kept = np.ones(len(step), dtype=bool)
    kept[1:] = (step[1:] != step[:-1]) | (samples.series[1:] != samples.series[:-1])
    return kept
