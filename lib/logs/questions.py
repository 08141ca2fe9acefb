"""The SQL of each question to the embedded log store, over minute sums and, for whole past hours, hour sums."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from lib.errors import QueryError
from lib.logs.base import FOLLOWED, GROUP_FIELDS, MEASURES, NEAR, LogQuery
from lib.logs.conditions import Sql, contains_text, joined, matches, minute_range, naive
from lib.logs.lucene import EVERYTHING, Kind, kind_of
from lib.logs.lucene_parse import parse
from lib.logs.lucene_sql import lucene, value
from lib.logs.rollup import RESOLVED_LATENCY
from lib.logs.schema import LATENCY_GROUPS, SUMS, total
from lib.window import DAY, Window

_REQUESTS = "CAST(coalesce(sum(requests), 0) AS BIGINT) AS requests"
_HOUR = timedelta(hours=1)
_FEWEST_HOURS = 3  # below that the minutes are quicker than a second scan


def totals(
    query: LogQuery, by: Sequence[str], step: timedelta | None, measures: Sequence[str], rolled_until: int
) -> Sql:
    """Sums of `measures` per bucket (`ts`: minute since 1970) and group."""
    _allowed(by, GROUP_FIELDS, "grouped by")
    _allowed(measures, MEASURES, "added up as")
    wanted = ", ".join(("minute", *dict.fromkeys((*by, *measures))))
    if _needs_records(query):
        parts = [_records(query, wanted)]
    else:
        where = matches(query.where)
        parts = [_sums_of(size, wanted, first, last) + where for size, first, last in _spans(query, step, rolled_until)]
    sums = [f"CAST(coalesce({total(name)}, 0) AS {SUMS[name]}) AS {name}" for name in measures]
    return _grouped(joined("UNION ALL", parts), by, sums, query.window, step)


def latency(query: LogQuery, by: Sequence[str], step: timedelta | None, rolled_until: int) -> Sql:
    """Requests, summed and largest duration per bucket, group and latency bucket, sorted by these."""
    _allowed(by, LATENCY_GROUPS, "grouped by")
    sums = (_REQUESTS, "CAST(sum(sum_ms) AS DOUBLE) AS sum_ms", "max(max_ms) AS max_ms")
    return _of_requests(query, (*by, "bucket"), sums, step, rolled_until)


def requests(query: LogQuery, by: Sequence[str], step: timedelta | None, rolled_until: int) -> Sql:
    """Requests per bucket and group."""
    _allowed(by, LATENCY_GROUPS, "grouped by")
    return _of_requests(query, by, (_REQUESTS,), step, rolled_until)


def _of_requests(
    query: LogQuery, by: Sequence[str], sums: Sequence[str], step: timedelta | None, rolled_until: int
) -> Sql:
    fields = {match.field for match in query.where}
    in_sums = fields <= set(LATENCY_GROUPS) and not _needs_records(query)
    source = _rolled_latency(query, step, rolled_until) if in_sums else _raw_latency(query)
    return _grouped(source, by, sums, query.window, step)


def _rolled_latency(query: LogQuery, step: timedelta | None, rolled_until: int) -> Sql:
    where = matches(query.where)
    parts = []
    for size, first, last in _spans(query, step, rolled_until):
        if size == "hour":
            source = Sql("SELECT * FROM hour_latency WHERE minute >= ? AND minute < ?", (first, last))
        else:
            source = Sql(RESOLVED_LATENCY, (first, last, first, last))
        parts.append(joined("", (Sql("SELECT * FROM ("), source, Sql(") WHERE"), where)))
    return joined("UNION ALL", parts)


def _raw_latency(query: LogQuery) -> Sql:
    """The same rows from the records themselves, for a match that the latency sums do not carry."""
    first, last = minute_range(query)
    where = matches(query.where, raw=True) + "AND" + lucene(query.lucene)
    return (
        Sql(
            "SELECT minute, service, version, method, route, status, bucket, 1 AS requests, duration_ms AS sum_ms, "
            "duration_ms AS max_ms FROM (SELECT CAST(epoch_ms(ts) // 60000 AS BIGINT) AS minute, * REPLACE "
            "(coalesce(CAST(status AS VARCHAR), '') AS status) FROM records WHERE bucket IS NOT NULL "
            "AND epoch_ms(ts) >= ? AND epoch_ms(ts) < ? AND",
            (first * 60_000, last * 60_000),
        )
        + where
        + Sql(
            ") AS found WHERE message = 'HTTP Request' OR NOT EXISTS (SELECT 1 FROM minute_latency AS better "
            "WHERE better.minute >= ? AND better.minute < ? AND better.http "
            "AND better.minute = found.minute AND better.service = found.service)",
            (first, last),
        )
    )


def patterns(query: LogQuery, limit: int, rolled_until: int) -> Sql:
    """The patterns with most records: their main level, count, first and last minute here and first minute ever."""
    where = matches(query.where)
    spans = _spans(query, None, rolled_until)
    parts = []
    if _needs_records(query):
        ends = "minute AS first_minute, minute AS last_minute"
        parts, spans = [_records(query, ", ".join(("pattern_id", "level", "records", ends)))], []
    for size, first, last in spans:
        ends = "first_minute, last_minute" if size == "hour" else "minute AS first_minute, minute AS last_minute"
        parts.append(_sums_of(size, ", ".join(("pattern_id", "level", "records", ends)), first, last) + where)
    return (
        Sql(
            "SELECT pattern_id, coalesce(pattern, '') AS pattern, level, records, first_seen, last_seen, "
            "first_minute AS first_ever FROM (SELECT pattern_id, arg_max(level, counted) AS level, "
            "CAST(sum(counted) AS BIGINT) AS records, min(first_seen) AS first_seen, max(last_seen) AS last_seen "
            "FROM (SELECT pattern_id, level, sum(records) AS counted, min(first_minute) AS first_seen, "
            "max(last_minute) AS last_seen FROM ("
        )
        + joined("UNION ALL", parts)
        + Sql(
            ") WHERE pattern_id <> '' GROUP BY pattern_id, level) GROUP BY pattern_id "
            "ORDER BY records DESC, pattern_id LIMIT ?) LEFT JOIN patterns USING (pattern_id) "
            "ORDER BY records DESC, pattern_id",
            (limit,),
        )
    )


def record(record_id: str, columns: Sequence[str]) -> Sql:
    """The record of that id: no row or one."""
    return Sql(" ".join(("SELECT", ", ".join(columns), "FROM records WHERE id = ? LIMIT 1")), (record_id,))


def count(query: LogQuery) -> Sql:
    """How many records of exactly the window `search` would find."""
    return Sql("SELECT count(*) FROM records WHERE ts >= ? AND ts < ? AND", window_ends(query.window)) + selected(query)


def top(query: LogQuery, field: str, limit: int) -> Sql:
    """The `limit` most frequent values, how often, and how many records there are in all."""
    if kind_of(field) is Kind.TIME:
        raise QueryError("times are not counted by value: look at the chart")
    held = Sql("SELECT coalesce(") + value(field) + Sql(", '') AS value FROM records WHERE ts >= ? AND ts < ? AND",
                                                        window_ends(query.window)) + selected(query)  # fmt: skip
    counted = "SELECT value, count(*) AS records, CAST(sum(count(*)) OVER () AS BIGINT) AS counted FROM ("
    return Sql(counted) + held + Sql(") GROUP BY value ORDER BY records DESC, value LIMIT ?", (limit,))


def anchor(record_id: str) -> Sql:
    """Where a record stands: its time, service and file; no row or one."""
    return Sql("SELECT ts, service, file FROM records WHERE id = ? LIMIT 1", (record_id,))


def beside(
    at: tuple[datetime, str], columns: Sequence[str], limit: int, near: tuple[str, str] | None, *, newer: bool
) -> Sql:
    """The `limit` records next to one at (ts, id), nearest first, within a day; `near` is a field and its value."""
    end, less, order = (at[0] + DAY, ">", "") if newer else (at[0] - DAY, "<", "DESC")
    place = f"FROM records WHERE ts {less}= ? AND ts {'<' if newer else '>'}= ? AND (ts {less} ? OR id {less} ?)"
    found = Sql(" ".join(("SELECT", ", ".join(columns), place)), (at[0], end, at[0], at[1]))
    if near is not None:
        _allowed((near[0],), NEAR, "kept within")
        found += Sql(f"AND {near[0]} = ?", (near[1],))
    return found + Sql(f"ORDER BY ts {order}, id {order} LIMIT ?", (limit,))


def trace(field: str, text: str, columns: Sequence[str], limit: int) -> Sql:
    """Every kept record with this value, oldest first."""
    _allowed((field,), FOLLOWED, "followed by")
    wanted = " ".join(("SELECT", ", ".join(columns), "FROM records WHERE", field, "= ? ORDER BY ts, id LIMIT ?"))
    return Sql(wanted, (text, limit))


def selected(query: LogQuery) -> Sql:
    """What the records table must hold besides the window."""
    return matches(query.where, raw=True) + "AND" + contains_text(query.text) + "AND" + lucene(query.lucene)


def _needs_records(query: LogQuery) -> bool:
    """Whether the sums cannot answer: they have no texts."""
    return parse(query.lucene) != EVERYTHING


def _records(query: LogQuery, columns: str) -> Sql:
    """The rows of the sums made from the records themselves, one each."""
    first, last = minute_range(query)
    head = " ".join((
        "SELECT", columns, "FROM (SELECT CAST(epoch_ms(ts) // 60000 AS BIGINT) AS minute, 1 AS records,",
        "* REPLACE (coalesce(CAST(status AS VARCHAR), '') AS status) FROM records",
        "WHERE epoch_ms(ts) >= ? AND epoch_ms(ts) < ? AND",
    ))  # fmt: skip
    found = Sql(head, (first * 60_000, last * 60_000)) + matches(query.where, raw=True)
    return found + "AND" + lucene(query.lucene) + ")"


def gaps(window: Window) -> Sql:
    """What was noted in exactly the window, newest first."""
    return Sql(
        "SELECT ts, file, kind, records, bytes, reason FROM gaps WHERE ts >= ? AND ts < ? ORDER BY ts DESC, file",
        window_ends(window),
    )


def ever_seen(field: str) -> str:
    """One row with true or false."""
    _allowed((field,), (*GROUP_FIELDS, "duration_ms", *MEASURES), "asked for")
    if field == "duration_ms":
        return "SELECT EXISTS (SELECT 1 FROM minute_latency)"
    held = f"{field} <> ''" if field in GROUP_FIELDS else f"{field} IS NOT NULL"
    return " ".join(("SELECT EXISTS (SELECT 1 FROM minute_totals WHERE", held, ")"))


def _sums_of(size: str, columns: str, first: int, last: int) -> Sql:
    table = {"minute": "minute_totals", "hour": "hour_totals"}[size]
    return Sql(" ".join(("SELECT", columns, "FROM", table, "WHERE minute >= ? AND minute < ? AND")), (first, last))


def window_ends(window: Window) -> tuple[datetime, datetime]:
    """Exactly the window, [start, end), as the records' `ts` has it."""
    return naive(window.start), naive(window.end)


def _grouped(source: Sql, by: Sequence[str], sums: Sequence[str], window: Window, step: timedelta | None) -> Sql:
    """`source` summed per bucket and group. From one day up the buckets are the zone's days."""
    key, joining = _bucket(window, step)
    keys = (*((f"{key.text} AS ts",) if step else ()), *by)
    order = " ".join(("GROUP BY ALL ORDER BY", ", ".join((*(("ts",) if step else ()), *by)))) if keys else ""
    head = Sql(" ".join(("SELECT", ", ".join((*keys, *sums)), "FROM (")), key.params)
    return head + source + ")" + joining + order


def _bucket(window: Window, step: timedelta | None) -> tuple[Sql, Sql]:
    if step is None:
        return Sql(""), Sql("")
    if step < DAY:
        seconds = int(step.total_seconds())
        return Sql("CAST(CAST(minute AS BIGINT) * 60 // ? * ? // 60 AS BIGINT)", (seconds, seconds)), Sql("")
    return Sql("day_start"), Sql(
        "AS counted ASOF JOIN (SELECT unnest(CAST(? AS BIGINT[])) AS day_start) AS days "
        "ON counted.minute >= days.day_start",
        (_starts(window, step).tolist(),),
    )


def _starts(window: Window, step: timedelta) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return window.buckets(step).as_unit("s").asi8 // 60


def _spans(query: LogQuery, step: timedelta | None, rolled_until: int) -> list[tuple[str, int, int]]:
    """Which table answers for which minutes: whole rolled hours where the buckets allow it, minutes at the edges."""
    first, last = minute_range(query)
    from_hour, to_hour = -(-first // 60) * 60, min(last, rolled_until) // 60 * 60
    if to_hour - from_hour < _FEWEST_HOURS * 60 or not _whole_hours(query.window, step):
        return [("minute", first, last)]
    spans = [("minute", first, from_hour), ("hour", from_hour, to_hour), ("minute", to_hour, last)]
    return [span for span in spans if span[1] < span[2]]


def _whole_hours(window: Window, step: timedelta | None) -> bool:
    if step is None:
        return True
    return step % _HOUR == timedelta(0) and (step < DAY or bool((_starts(window, step) % 60 == 0).all()))


def _allowed(names: Sequence[str], allowed: Sequence[str], what: str) -> None:
    for name in names:
        if name not in allowed:
            raise QueryError(f"records cannot be {what} “{name}”: use one of {', '.join(allowed)}")
