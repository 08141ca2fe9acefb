"""Prometheus' text format 0.0.4 into samples, quick on series that were seen before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lib.metrics.base import Labels
from lib.metrics.ingest import Samples
from lib.redact import REDACTED, is_secret_name, redact_text

SeriesCache = dict[bytes | frozenset[tuple[str, str]], Labels]
"""Label sets by the text that names them, and by their content: equal sets are one object. One per target."""

MOST_LABEL_BYTES = 65_536
"""Bytes of one series' name and labels: a hundred thousand labels are no series, and must not cost seconds."""

_CACHED_AT_MOST = 200_000
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_QUOTED = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_LINE = re.compile(
    rf"""[ \t]*(?P<key>{_NAME}(?:[ \t]*\{{(?:[^"{{}}\n]|{_QUOTED})*\}})?)
    (?:[ \t]+|(?<=\}}))(?P<value>[^\s"{{}}]+)
    (?:[ \t]+(?P<stamp>-?\d+(?:\.\d+)?))?
    (?:[ \t]+\#[ \t]*\{{.*)?[ \t\r]*""".encode(),
    re.VERBOSE,
)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*(,|$)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_LATEST_MS = 1 << 60
_SECONDS_BELOW = 100_000_000_000  # as ms that is 1973: an OpenMetrics stamp, which is in seconds


@dataclass(slots=True)
class _Found:
    """Parallel lists, one entry per sample; stamps are ms."""

    labels: list[Labels] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Context:
    extra: Mapping[str, str]
    default_ts_ms: int
    cache: SeriesCache
    seconds: bool
    errors: list[str] | None
    lines_before: int = 0


def parse_exposition(
    text: bytes,
    *,
    extra: Mapping[str, str],
    default_ts_ms: int,
    max_samples: int,
    cache: SeriesCache,
    errors: list[str] | None = None,
    past: bool = False,
    lines_before: int = 0,
) -> Samples:
    """Every sample of a /metrics answer or of an exported history, in its order.

    `extra` labels are added to every series; a scraped label of that name is kept as `exported_<name>`. A sample
    without its own ms time stamp gets `default_ts_ms`. `cache` belongs to one `extra` and is reused from call to call.
    Exemplars are dropped. A text that ends with `# EOF` is OpenMetrics, whose stamps are in seconds; those of a `past`, of
    which this may be any portion, `lines_before` lines behind its beginning, are taken for either by their size.
    Raises ValueError that names line and text for the first malformed line (nothing of the text counts then), or says
    that there are over `max_samples`; with an `errors` list malformed lines go there instead.
    """
    if len(cache) > _CACHED_AT_MOST:
        cache.clear()
    lines = text.split(b"\n")
    seconds = past or text.rstrip().endswith(b"# EOF")
    context = _Context(extra, default_ts_ms, cache, seconds, errors, lines_before)
    try:
        found, values = _known(lines, context)
    except ValueError:  # something is unusual: read line by line, which is slower and knows every form
        found, values = _careful(lines, context)
    if len(found.values) > max_samples:
        raise ValueError(f"more than {max_samples} samples: {len(found.values)}")
    return _samples(found, values)


def _known(lines: list[bytes], context: _Context) -> tuple[_Found, list[float]]:
    """The quick way: `key value` and `key value stamp`, the key already in the cache. ValueError: go the other way."""
    found, cache, default = _Found(), context.cache, context.default_ts_ms
    add, value_of, stamp_of = found.labels.append, found.values.append, found.stamps.append
    for line in lines:
        head, _, tail = line.rpartition(b" ")
        labels = cache.get(head)
        if labels is not None:
            add(labels), value_of(tail), stamp_of(default)
            continue
        head, _, value = head.rpartition(b" ")
        labels = cache.get(head)
        if labels is not None:
            add(labels), value_of(value), stamp_of(int(tail))
        elif line and line[0] != 35:  # "#"
            labels, value, stamp = _read(line, context)
            add(labels), value_of(value), stamp_of(stamp)
    earliest = _SECONDS_BELOW if context.seconds else -_LATEST_MS
    if found.stamps and not earliest < min(found.stamps) <= max(found.stamps) < _LATEST_MS:
        raise ValueError("needs the careful way")
    return found, _floats(found.values)


def _floats(values: list[bytes]) -> list[float]:
    if b"_" in b"".join(values):  # Python reads 1_0 as ten, the format does not
        raise ValueError("needs the careful way")
    return list(map(float, values))


def _careful(lines: list[bytes], context: _Context) -> tuple[_Found, list[float]]:
    found, values = _Found(), []
    for number, line in enumerate(lines, start=context.lines_before + 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        try:
            labels, value, stamp = _read(line, context)
            values.append(_number(value))
        except ValueError as error:
            _report(f"line {number}: {error}: {_shown(line)}", context)
            continue
        found.labels.append(labels)
        found.values.append(value)
        found.stamps.append(stamp)
    return found, values


def _report(problem: str, context: _Context) -> None:
    if context.errors is None:
        raise ValueError(problem) from None
    context.errors.append(problem)


def _shown(line: bytes) -> str:
    return ascii(redact_text(line[:4096].decode("utf-8", "replace"))[0][:120])


def _number(text: bytes) -> float:
    if b"_" in text:
        raise ValueError("not a number")
    try:
        return float(text)
    except ValueError:
        raise ValueError("not a number") from None


def _read(line: bytes, context: _Context) -> tuple[Labels, bytes, int]:
    if line.lstrip()[:1] in (b"", b"#", b"\r"):
        raise ValueError("a comment or blank line with leading blanks")
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError('not “name{label="value"} number [ms]”')
    key = match["key"]
    labels = context.cache.get(key)
    if labels is None:
        labels = _labels(key, context)
    return labels, match["value"], _stamp(match["stamp"], context)


def _stamp(text: bytes | None, context: _Context) -> int:
    if text is None:
        return context.default_ts_ms
    if context.seconds and float(text) < _SECONDS_BELOW:
        return round(float(text) * 1000)
    if b"." in text or len(text) > 19 or not -_LATEST_MS < int(text) < _LATEST_MS:
        raise ValueError("not a time in ms")
    return int(text)


def _labels(key: bytes, context: _Context) -> Labels:
    """The label set that `key` names, kept in the cache. Raises ValueError."""
    if len(key) > MOST_LABEL_BYTES:
        raise ValueError(f"labels of over {MOST_LABEL_BYTES // 1024} KiB")
    name, _, inner = key.decode("utf-8").partition("{")
    labels = {"__name__": name.rstrip()} | dict(context.extra)
    scraped: set[str] = set()
    position, inner = 0, (inner.rstrip("}") if not inner.endswith('"}') else inner[:-1]).rstrip()
    while position < len(inner):
        match = _LABEL.match(inner, position)
        if match is None or match[1] in scraped or match[1] == "__name__":
            raise ValueError("labels are not well formed" if match is None else f"label {match[1]} twice")
        scraped.add(match[1])
        if value := _ESCAPE.sub(_unescape, match[2][1:-1]):
            labels[_free_name(match[1], context.extra, labels)] = _public(match[1], value)
        position = match.end()
    one = context.cache.setdefault(frozenset(labels.items()), labels)
    context.cache[key] = one
    return one


def _public(name: str, value: str) -> str:
    return REDACTED if is_secret_name(name) else redact_text(value)[0]


def _free_name(name: str, extra: Mapping[str, str], taken: Mapping[str, str]) -> str:
    while name in extra or name in taken:
        name = "exported_" + name
    return name


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])


def _samples(found: _Found, values: list[float]) -> Samples:
    ids = np.fromiter(map(id, found.labels), np.int64, len(found.labels))
    _, first, series = np.unique(ids, return_index=True, return_inverse=True)
    return Samples(
        labels=tuple(found.labels[i] for i in first),
        series=series.astype(np.int32).reshape(-1),
        ts_ms=np.array(found.stamps, dtype=np.int64),
        values=np.array(values, dtype=np.float64),
    )
