"""Leads: created, converted, won, and where they are lost on the way."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.logs.base import LogQuery, Match
from lib.signals.base import before, by_label, counts, empty_if_unknown, reaches, share, tidy, trend, whole
from lib.stores import Stores
from lib.window import Window

STAGES = {"created": "lead.created", "converted": "lead.converted", "opportunities": "opportunity.created"}
VALUE_RANGES = ("0-25k", "25k-50k", "50k-100k", "100k-250k", "250k+")
_SUMMED = (*STAGES, "value", "conversion_ratio")
EVENTS = Match("event", tuple(STAGES.values()))


def leads_trend(stores: Stores, window: Window) -> pd.DataFrame:
    """Business events per bucket, from the log: index `ts`, columns `created`, `converted`, `opportunities`.

    Quiet buckets are 0; unknown ones NaN; no log: no rows. Raises SourceError.
    """
    found = counts(stores, window, (EVENTS,), by="event", columns=STAGES.values())
    return found[list(STAGES.values())].set_axis(list(STAGES), axis=1)


def leads_by_source(stores: Stores, window: Window) -> pd.DataFrame:
    """Leads created per bucket and source, from the log: index `ts`, a column per source; quiet 0, unknown NaN."""
    return counts(stores, window, (Match("event", (STAGES["created"],)),), by="source")


def lead_totals(stores: Stores, window: Window) -> dict[str, float | None]:
    """Events of the window from the log: `created`, `converted`, `opportunities`, `value` (of the opportunities, in
    their currency), `conversion_ratio` (converted of created in the window), and each with `_before` for the period before.

    None where the log does not reach. Raises SourceError.
    """
    now, then = stores.at_once(lambda: _totals(stores, window), lambda: _before(stores, window.previous()))
    return now | {f"{name}_before": number for name, number in then.items()}


def _before(stores: Stores, past: Window) -> dict[str, float | None]:
    return _totals(stores, past) if reaches(stores, past) else dict.fromkeys(_SUMMED)


def _totals(stores: Stores, window: Window) -> dict[str, float | None]:
    oldest = stores.logs.oldest()
    if oldest is None or oldest >= window.end:
        return dict.fromkeys(_SUMMED)
    found = stores.logs.totals(LogQuery(window, (EVENTS,)), ("event",), measures=("records", "value"))
    rows = found.set_index("event")
    events = {name: float(rows["records"].get(event, 0)) for name, event in STAGES.items()}
    worth = float(rows["value"].get(STAGES["opportunities"], 0.0))
    return events | {"value": worth, "conversion_ratio": share(events["converted"], events["created"])}


def lead_funnel(stores: Stores, window: Window) -> pd.DataFrame:
    """The way of a lead through the window's events: `stage`, `count`, `of_first` (0-1 of leads created), `of_previous`
    (0-1), `lost` (fewer than the stage before; below 0: leads of earlier days were converted). NaN = unknown.

    Stages are always there. It compares events of one period, not one cohort of leads. Raises SourceError.
    """
    totals = _totals(stores, window)
    numbers = [np.nan if totals[name] is None else float(totals[name] or 0) for name in STAGES]
    found = pd.DataFrame({"stage": list(STAGES), "count": numbers})
    above = found["count"].shift()
    found["of_first"] = found["count"] / found["count"].where(found["count"] > 0).iloc[0]
    found["of_previous"] = found["count"] / above.where(above > 0)
    found["lost"] = above - found["count"]
    return found


def conversion_trend(stores: Stores, window: Window) -> pd.DataFrame:
    """The service's own conversion rate: index `ts`, a column per `timeframe` ("30d"), 0-1, averaged over instances.

    No rows without the metric. Raises SourceError.
    """
    return trend(stores, window, "avg by (timeframe) (lead_conversion_rate)", "timeframe")


def conversion_by_events(stores: Stores, window: Window) -> pd.DataFrame:
    """Converted per created from the window's start up to each bucket: index `ts`, `value` (a ratio; over 1 where leads
    of earlier days were converted; NaN before the first lead). No lead at all: no rows. Raises SourceError."""
    found = leads_trend(stores, window).cumsum()
    ratio = found["converted"] / found["created"].where(found["created"] > 0)
    return empty_if_unknown(tidy(ratio.to_frame("value")))


def opportunities_by_value(stores: Stores, window: Window) -> pd.DataFrame:
    """Opportunities of the window per value range, from the counters: `value_range` (the five of the guide, smallest
    first), `count` (estimated by `increase`, so not always whole; NaN = range never seen), `share` (0-1)."""
    expression = f"sum by (value_range) (increase(opportunities_created_total[{whole(window)}]))"
    found = by_label(stores, window, expression, "value_range")
    names = [*VALUE_RANGES, *sorted(set(found) - set(VALUE_RANGES))]
    frame = pd.DataFrame({"value_range": names, "count": [found.get(name, np.nan) for name in names]})
    total = frame["count"].sum()
    frame["share"] = frame["count"] / (total or np.nan)
    return frame


def lead_sources(stores: Stores, window: Window) -> pd.DataFrame:
    """Each source of leads, most leads first: `source`, `created`, `before` (preceding period; NaN where the log does not
    reach), `share` (0-1), and the technical cause beside the figure: `not_synced` (records that failed in its sync runs;
    NaN = no run) and `errors` (operation errors that name the source, as a field or as the operation's first word).

    A source that synced, or had leads in the preceding period, is listed though it has none now. None at all: no rows,
    same columns. Raises SourceError.
    """
    made, sync, wrong = (Match("event", (event,)) for event in (STAGES["created"], "sync.completed", "operation.error"))
    found, past, synced, failed = stores.at_once(
        lambda: stores.logs.totals(LogQuery(window, (made,)), ("source",)),
        lambda: stores.logs.totals(LogQuery(window.previous(), (made,)), ("source",)),
        lambda: stores.logs.totals(LogQuery(window, (sync,)), ("source",), measures=("failed",)),
        lambda: stores.logs.totals(LogQuery(window, (wrong,)), ("source", "operation")),
    )
    names = pd.Index(sorted({*found["source"], *past["source"], *synced["source"]}), name="source", dtype=object)
    created = found.set_index("source")["records"].reindex(names).fillna(0).astype("int64")
    earlier = past.set_index("source")["records"].reindex(names)
    owner = failed["source"].mask(failed["source"] == "", failed["operation"].str.split(".").str[0])
    table = pd.DataFrame(
        {
            "created": created,
            "before": before(stores, window, earlier),
            "share": created / (created.sum() or np.nan),
            "not_synced": synced.set_index("source")["failed"].reindex(names).astype("float64"),
            "errors": [int(failed.loc[owner == name, "records"].sum()) for name in names],
        },
        index=names,
    )
    return table.reset_index().sort_values("created", ascending=False, ignore_index=True, kind="stable")
