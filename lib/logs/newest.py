"""The newest records that a query selects: first where they stand, from few columns; then the wide ones of these alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from lib.logs.base import LogQuery
from lib.logs.conditions import Sql, naive
from lib.logs.questions import selected, window_ends

Ask = Callable[[Sql], dict[str, Any]]
"""Puts one question of several that are about the same moment, so that a row keeps its place; columns by name."""


def search(
    ask: Ask, query: LogQuery, columns: Sequence[str], limit: int, before: tuple[datetime, str] | None
) -> dict[str, Any]:
    """At most `limit` records of exactly the window that come after `before` in the order newest first.

    A word that few records have is looked for in a million texts; reading twenty columns of all of them, or their ids
    to tell the records of one moment apart, would cost several times as much.
    """
    places = _places(ask, query, limit, before)
    wanted = " ".join(("SELECT", ", ".join(columns), "FROM records WHERE rowid IN (SELECT unnest(?))"))
    return ask(Sql(wanted, (places,)) + Sql("ORDER BY ts DESC, id DESC LIMIT ?", (limit,)))


def _places(ask: Ask, query: LogQuery, limit: int, before: tuple[datetime, str] | None) -> list[int]:
    """The rows to read: all that are wanted, and those of the oldest moment that there is no more room for."""
    start, end = window_ends(query.window)
    places = list[int]()
    if before is not None:
        moment = naive(before[0])
        if start <= moment < end:
            places += _of_moment(ask, query, moment, before[1])
        end = min(end, moment)
    held = Sql("SELECT rowid, ts FROM records WHERE ts >= ? AND ts < ? AND", (start, end)) + selected(query)
    found = ask(held + Sql("ORDER BY ts DESC LIMIT ?", (limit + 1,)))
    places += found["rowid"].tolist()
    if len(found["ts"]) > limit and found["ts"][limit] == found["ts"][limit - 1]:
        places += _of_moment(ask, query, found["ts"][limit].item())
    return places


def _of_moment(ask: Ask, query: LogQuery, moment: datetime, below: str | None = None) -> list[int]:
    """All records of one moment, or those whose ids come before `below`: only these are in the order of their ids."""
    found = Sql("SELECT rowid FROM records WHERE ts = ? AND", (moment,)) + selected(query)
    if below is not None:
        found += Sql("AND id < ?", (below,))
    return list(ask(found)["rowid"].tolist())
