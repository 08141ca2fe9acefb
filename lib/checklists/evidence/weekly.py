"""The evidence of the five weekly items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from lib.alerts.rules import Rule, threshold
from lib.alerts.tables import RuleVersionRow
from lib.capacity.lines import OK, Line, retention_lines
from lib.checklists.evidence.base import (
    Asked,
    Part,
    change_percent,
    changed,
    graded,
    link,
    signed,
    together,
    unknown,
    worst,
)
from lib.checklists.model import Evidence, Verdict
from lib.contract.listening import series_in
from lib.errors import OpsError
from lib.logs.base import LogQuery
from lib.personal import hide_text
from lib.signals import errors, security
from lib.signals.base import reaches
from lib.signals.fit import fit
from lib.state.audit import SOURCE, AuditRow
from lib.window import DAY, Window
from lib.words import duration_ms, number, ratio

WEEK = 7 * DAY
FEW = 10
"""A change of fewer errors than this is no change."""

_GROWN = 3
MOST_SAMPLES, MOST_FINE = 700, 12
WEEKS = 4


def top_errors(asked: Asked) -> Evidence:
    """The most frequent error texts of the last week, and how all of them and each changed against the week before."""
    window, limits = asked.period, asked.limits
    normal, to = f"no more than {limits['change_look_percent']:g} % above the week before", link("errors", window)
    found = errors.error_patterns(asked.stores, window, limit=100)
    all_of_them = errors.error_summary(asked.stores, window)
    count, before = all_of_them["errors"], all_of_them["errors_before"]
    if count is None:
        return unknown("the log has no record from this period", normal, to)
    change = change_percent(count, before)
    value = changed(f"{number(count)} errors", change)
    lines = [_type_line(row) for row in found.head(10).itertuples()]
    if before is None:
        reason = "the log does not reach back through the period before: the change is not known"
        return unknown(reason, normal, to, "\n".join(lines), value, number=count, unit="errors")
    if before == 0 and count:
        parts = [Part(f"{number(count)} errors, none in the period before", graded(count, FEW))]
    else:
        grown = change if change is not None and count - before >= FEW else 0.0
        parts = [
            Part(f"errors {signed(change)}", graded(grown, limits["change_look_percent"], limits["change_bad_percent"]))
        ]
    parts += [_grown(row, limits) for row in found.head(_GROWN).itertuples()]
    return together(parts, value=value, normal=normal, link=to, number=count, unit="errors", detail=lines,
                    fine="about as many as in the period before")  # fmt: skip


def _type_line(row: Any) -> str:
    was = "before: unknown" if np.isnan(row.before) else "new" if row.is_new else f"before: {number(row.before)}"
    return f"{number(row.records)} × {hide_text(str(row.pattern))} ({ratio(row.share)}; {was})"


def _grown(row: Any, limits: Any) -> Part:
    """One of the most frequent types; one that is new has no change, and is seen in the daily check."""
    if np.isnan(row.before) or not row.before or row.records - row.before < FEW:
        return Part("", Verdict.OK)
    change = (row.records / row.before - 1) * 100
    verdict = Verdict.LOOK if change >= limits["change_look_percent"] else Verdict.OK
    return Part(f"{hide_text(str(row.pattern))[:60]}: {signed(change)}", verdict)


def performance_trend(asked: Asked) -> Evidence:
    """p95, failures and requests of each of the last four weeks; this week's p95 against the weeks before, and its trend."""
    limits = asked.limits
    weeks = [_week(asked, n) for n in range(WEEKS)]
    whole = asked.last(WEEKS * WEEK)
    normal, to = f"p95 within {limits['change_look_percent']:g} % of the weeks before", link("performance", whole)
    known = [week for week in weeks if week is not None]
    if not known or weeks[0] is None:
        return unknown("the log has no request from this week", normal, to)
    lines = [
        week[1] if week is not None else f"{n} week{'s' if n > 1 else ''} before: not kept"
        for n, week in enumerate(weeks)
    ]
    p95 = weeks[0][0]
    if len(known) < 2:
        reason = "the log reaches back less than two weeks: there is nothing to compare with"
        return unknown(reason, normal, to, "\n".join(lines), f"p95 {duration_ms(p95)}", number=p95, unit="ms")
    change = change_percent(p95, float(np.median([week[0] for week in known[1:]])))
    change = 0.0 if change is None else change
    verdict = graded(change, limits["change_look_percent"], limits["change_bad_percent"])
    return together([Part(f"p95 {signed(change)} against the weeks before", verdict)],
                    value=f"p95 {duration_ms(p95)}, {signed(change)}", normal=normal, link=to, number=p95, unit="ms",
                    detail=[*lines, _slope(asked, whole)], fine=f"p95 {signed(change)} against the weeks before")  # fmt: skip


def _week(asked: Asked, number_back: int) -> tuple[float, str] | None:
    """A week's p95 (ms) and its line; None where the log does not hold (nearly) all of it, or no request."""
    window = Window(asked.end - (number_back + 1) * WEEK, asked.end - number_back * WEEK, asked.window.zone)
    if not reaches(asked.stores, window):
        return None
    found = asked.stores.logs.requests(LogQuery(window), ("status",))
    whole = asked.stores.logs.durations(LogQuery(window))
    if whole.empty:
        return None
    requests, p95 = float(whole["requests"].iloc[0]), float(whole["p95_ms"].iloc[0])
    failed = float(found.loc[found["status"].str.startswith("5"), "requests"].sum())
    name = "this week" if not number_back else f"{number_back} week{'s' if number_back > 1 else ''} before"
    return p95, f"{name}: p95 {duration_ms(p95)}, {ratio(failed / requests)} failed, {number(requests)} requests"


def _slope(asked: Asked, whole: Window) -> str:
    daily = asked.stores.logs.durations(LogQuery(whole), step=DAY)
    days = pd.DatetimeIndex(daily["ts"]).as_unit("ns").asi8 / 86_400e9
    found = fit(days, daily["p95_ms"].to_numpy(dtype="float64"))
    if found is None:
        return "trend: too few days"
    if not found.is_trend:
        return f"trend: none that is more than noise ({found.days} days)"
    low, high = sorted((found.low * 7, found.high * 7))
    return f"trend: p95 {found.slope * 7:+.0f} ms a week (surely between {low:+.0f} and {high:+.0f}; {found.days} days)"


def retention(asked: Asked) -> Evidence:
    """What is kept against what the settings say: the worst line of the page on retention and capacity."""
    settings = asked.around.settings
    normal, to = "everything that is kept is within its declared age", "capacity"
    if settings is None:
        return unknown("the settings are not known here", normal, to)
    lines = retention_lines(settings, asked.stores, asked.around.state, asked.around.status, asked.around.now)
    parts = [Part(line.said, Verdict(line.verdict), f"{line.what}: {line.reason}") for line in lines]
    fine = sum(part.verdict is Verdict.OK for part in parts)
    return together(parts, value=f"{fine} of {len(parts)} as declared", normal=normal, link=to,
                    number=len(parts) - fine, unit="findings", detail=_kept(lines), fine="retention is kept")  # fmt: skip


def _kept(lines: Sequence[Line]) -> list[str]:
    """What is not as declared first; of many that are, how many."""
    wrong = [f"{one.what}: {one.said}, {one.reason}" for one in lines if one.verdict != OK]
    fine = [f"{one.what}: {one.said}, {one.reason}" for one in lines if one.verdict == OK]
    return wrong + (fine if len(fine) <= MOST_FINE else [f"{len(fine)} others are as declared"])


def thresholds(asked: Asked) -> Evidence:
    """In how much of the period each rule's expression was over its threshold, and which rules are due for a review."""
    window, limits = asked.period, asked.limits
    normal = f"over its threshold in less than {limits['over_look_percent']:g} % of the time; reviewed when due"
    rules = [(rule, found) for rule in asked.stores.rules if (found := threshold(rule)) is not None]
    if not rules:
        return unknown("no rule has a plain threshold", normal, link("rules", window))
    shares = {rule.name: _over(asked, window, rule) for rule, _ in rules}
    parts = [_rule_part(name, share, limits) for name, share in shares.items()]
    parts += _reviews(asked)
    known = {name: share for name, share in shares.items() if share is not None}
    most = max(known, key=lambda name: known[name], default="")
    value = f"most often over: {most}, {ratio(known[most])} of the time" if most and known[most] else "never over"
    return together(parts, value=value if known else "–", normal=normal,
                    link=link("rules", window, **({"rule": most} if most and known[most] else {})),
                    number=max(known.values(), default=0.0) * 100 if known else None, unit="%",
                    detail=[f"{name}: {'no data' if s is None else ratio(s)}" for name, s in shares.items()],
                    fine="no threshold is crossed too often, none is due for a review")  # fmt: skip


def _over(asked: Asked, window: Window, rule: Rule) -> float | None:
    """The share of moments (every 5 minutes, or as far apart as 700 of them need) at which the rule's condition held, of
    those at which its expression had a value; None where it never had one."""
    found = threshold(rule)
    assert found is not None, "only rules with a threshold are asked for"
    step = window.step(MOST_SAMPLES, floor=timedelta(minutes=5))
    values = asked.stores.metrics.range(found.expression, window, step).values
    if not values.size:
        return 0.0 if _measured(asked, window, rule) else None
    with np.errstate(invalid="ignore"):
        held = np.asarray(_COMPARE[found.operator](values, found.value)).any(axis=0)
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return 0.0 if _measured(asked, window, rule) else None
    return float((held & known).sum() / known.sum())


def _measured(asked: Asked, window: Window, rule: Rule) -> bool:
    """Whether every metric of the expression was there: what never failed has no failed series, and was not over."""
    step = window.step(60, floor=timedelta(minutes=5))
    names = series_in(rule.expression)
    counts = (asked.stores.metrics.range(f"count({name})", window, step).values for name in names)
    return bool(names) and all(np.isfinite(values).any() for values in counts)


_COMPARE = {
    ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


def _rule_part(name: str, share: float | None, limits: Mapping[str, float]) -> Part:
    if share is None:
        return Part("", Verdict.NO_DATA, f"{name}: its expression had no value in the period")
    verdict = graded(share * 100, limits["over_look_percent"], limits["over_bad_percent"])
    return Part(f"{name} over its threshold in {ratio(share)} of the time", verdict)


def _reviews(asked: Asked) -> list[Part]:
    """Rules whose newest version in the app was to be reviewed by now."""
    if asked.around.state is None:
        return []
    newest = select(func.max(RuleVersionRow.id)).group_by(RuleVersionRow.name)
    query = select(RuleVersionRow).where(RuleVersionRow.id.in_(newest), RuleVersionRow.removed.is_(False))
    with asked.around.state.reading("rules") as session:
        due = [(row.name, row.review_by) for row in session.scalars(query) if row.review_by is not None]
    until = _today(asked) + timedelta(days=int(asked.limits["review_look_days"]))
    return [Part(f"{name} was to be reviewed by {day}", Verdict.LOOK) for name, day in due if day <= until]


def _today(asked: Asked) -> date:
    return asked.end.astimezone(ZoneInfo(asked.window.zone)).date()


def security_events(asked: Asked) -> Evidence:
    """Requests refused in bursts, failed sign-ins, credentials that had to be taken out of the log, new user agents, and
    what admins did."""
    window, limits = asked.period, asked.limits
    normal, to = "no burst of refused requests, no failed sign-in", link("logs", window, q="status:(401 OR 403)")
    found = security.refused(asked.stores, window)
    if found["refused"] is None:
        return unknown("the log has no request from this period", normal, to)
    notable = found["in_bursts"] + found["failed_logins"]
    parts = [
        Part(f"{number(found['in_bursts'])} refused in {number(found['bursts'])} bursts",
             graded(found["in_bursts"], limits["look"], limits["bad"])),
        Part(f"{number(found['failed_logins'])} failed sign-ins", graded(found["failed_logins"], limits["look"], limits["bad"])),
        *_redacted(asked),
    ]  # fmt: skip
    lines = [
        f"401 and 403: {number(found['refused'])} in all, {number(found['in_bursts'])} of them in {number(found['bursts'])} bursts",
        f"failed sign-ins: {number(found['failed_logins'])}", *(part.words for part in parts[2:]),
        *_agents(asked, window), *_admin_actions(asked, window),
    ]  # fmt: skip
    return together(parts, value=f"{number(notable)} events", normal=normal, link=to, number=notable, unit="events",
                    detail=lines, fine=f"{number(found['refused'])} refused requests, none in bursts")  # fmt: skip


def _redacted(asked: Asked) -> list[Part]:
    """The tail counts since the collection began: a service that logs credentials has to be mended."""
    status = asked.around.status
    if status is None or "redacted" not in status.tail or not asked.is_current:
        return []
    count = status.tail["redacted"]
    words = f"{number(count)} credentials were taken out of log lines since the collection began"
    return [Part(words, worst([Verdict.OK, Verdict.LOOK] if count else [Verdict.OK]))]


def _agents(asked: Asked, window: Window) -> list[str]:
    try:
        new = security.new_user_agents(asked.stores, window)
    except OpsError as error:
        return [f"user agents: {error}"]
    if new.empty:
        return ["no new user agent" if new.attrs.get("known") else "user agents: nothing to compare with"]
    newest = zip(new["agent"].head(5), new["records"].head(5), strict=True)
    shown = [f"new user agent: {hide_text(str(agent))[:120]} ({number(records)})" for agent, records in newest]
    return [*shown, *([f"and {len(new) - 5} more new user agents"] if len(new) > 5 else [])]


def _admin_actions(asked: Asked, window: Window) -> list[str]:
    """What was done with the role of admin, by the audit."""
    if asked.around.state is None:
        return []
    query = (
        select(AuditRow.action, func.count())
        .where(AuditRow.at >= window.start, AuditRow.at < window.end, AuditRow.role == "admin")
        .group_by(AuditRow.action)
        .order_by(func.count().desc())
    )
    try:
        with asked.around.state.reading(SOURCE) as session:
            done = [f"{action} ({count})" for action, count in session.execute(query)]
    except OpsError as error:
        return [f"admin actions: {error}"]
    return [f"admin actions: {', '.join(done) or 'none'}"]
