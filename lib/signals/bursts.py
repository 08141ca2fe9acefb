"""New kinds of error that come often: what the worker counts for the rule that watches them."""

from __future__ import annotations

from datetime import datetime, timedelta

from lib.signals.errors import new_error_patterns
from lib.stores import Stores
from lib.window import Window

BURST = timedelta(minutes=15)
BURST_RECORDS = 10


def bursts(stores: Stores, now: datetime) -> int | None:
    """How many kinds of error came BURST_RECORDS times or more in the last BURST and were never there before.

    None where nobody can say: the log does not reach back before that, or the store does not know when one came first.
    Raises SourceError.
    """
    oldest = stores.logs.oldest()
    if oldest is None or oldest > now - 2 * BURST:
        return None
    many = new_error_patterns(stores, Window(now - BURST, now + timedelta(minutes=1)))
    many = many[many["records"] >= BURST_RECORDS]
    return int(many["sure"].sum()) if many.empty or many["sure"].any() else None
