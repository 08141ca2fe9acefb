"""The evidence of the five monthly items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from lib.capacity.lines import NO_DATA, OK, retention_lines
from lib.checklists.evidence.base import Asked, Part, change_percent, changed, graded, link, signed, together, unknown
from lib.checklists.model import Evidence, RunState, Verdict
from lib.checklists.tables import RunRow
from lib.identity.roles import Action
from lib.logs.base import LogQuery
from lib.personal import hide_text
from lib.setup.base import Grade
from lib.setup.security import findings
from lib.signals import errors, performance
from lib.signals.base import reaches
from lib.signals.capacity import capacity_forecast
from lib.state.audit import SOURCE, AuditRow
from lib.window import DAY
from lib.words import NONE, duration_ms, number, ratio, size

FORECAST = 28 * DAY
MOST_TEXTS, SHOWN = 500, 10


def log_analysis(asked: Asked) -> Evidence:
    """Volume by level, texts, growth against the period before, and the share of lines that could not be read."""
    window, limits = asked.period, asked.limits
    normal = f"within {limits['growth_look_percent']:g} % of before, under {limits['unparsed_look_percent']:g} % unread"
    to = link("logs", window)
    if asked.stores.logs.oldest() is None:
        return unknown("the log is empty", normal, to)
    levels = asked.stores.logs.totals(LogQuery(window), ("level",))
    total = float(levels["records"].sum())
    if not total:
        return unknown("the log has no record from this period", normal, to)
    before, how = _before(asked, total_of=True)
    change = change_percent(total, before)
    unread = float(levels.loc[levels["level"].str.upper() == "UNPARSED", "records"].sum()) / total
    texts = asked.stores.logs.patterns(LogQuery(window), MOST_TEXTS)
    parts = [
        Part("", Verdict.NO_DATA, "nothing to compare the volume with: the log does not reach back so far")
        if change is None else Part(f"volume {signed(change)} {how}", graded(abs(change), limits["growth_look_percent"])),
        Part(f"{ratio(unread)} could not be read",
             graded(unread * 100, limits["unparsed_look_percent"], limits["unparsed_bad_percent"])),
    ]  # fmt: skip
    ordered = levels.sort_values("records", ascending=False)
    by_level = zip(ordered["level"].astype(str), ordered["records"].astype("float64"), strict=True)
    lines = [
        *(f"{level or '(no level)'}: {number(count)} ({ratio(count / total)})" for level, count in by_level),
        f"could not be read: {ratio(unread)}",
        *_texts(asked, texts),
    ]
    return together(parts, value=changed(f"{number(total)} records", change), normal=normal, link=to, number=total,
                    unit="records", detail=lines, fine=f"volume {signed(change)} {how}")  # fmt: skip


def _texts(asked: Asked, found: pd.DataFrame) -> Iterator[str]:
    """How many texts there were, how many of them were never there before, and the most frequent."""
    oldest = asked.stores.logs.oldest()
    known = oldest is not None and oldest < asked.period.start
    new = int((found["first_ever"] >= pd.Timestamp(asked.period.start)).sum())
    said = f"{number(new)} of them never seen before" if known else "which are new cannot be told: the log begins later"
    yield f"texts: {number(len(found))}{' or more' if len(found) >= MOST_TEXTS else ''}, {said}"
    for records, text in zip(found["records"].head(SHOWN), found["pattern"].head(SHOWN), strict=True):
        yield f"  {number(records)} × {hide_text(str(text))}"


def _before(asked: Asked, *, total_of: bool) -> tuple[float | None, str]:
    """What the same figure was in the period before: by the log where it reaches back, or as it was at the last tick."""
    window = asked.period
    if total_of and reaches(asked.stores, window.previous()):
        found = asked.stores.logs.totals(LogQuery(window.previous()))["records"].sum()
        return float(found), "against the period before"
    if asked.previous is not None and asked.previous.evidence.number is not None and _is_earlier(asked):
        return asked.previous.evidence.number, f"against the tick of {asked.previous.at:%Y-%m-%d}"
    return None, ""


def _is_earlier(asked: Asked) -> bool:
    """Whether the last tick was in a period of its own: a tick of an hour ago is no other month."""
    return asked.previous is not None and asked.previous.at < asked.window.start


def benchmark(asked: Asked) -> Evidence:
    """p95, failures and volume of the period against the one before."""
    window, limits = asked.period, asked.limits
    normal, to = f"p95 within {limits['change_look_percent']:g} % of the period before", link("performance", window)
    found = performance.latency_summary(asked.stores, window)
    p95, before, how = found["p95_ms"], found["p95_ms_before"], "against the period before"
    if p95 is None:
        return unknown("the log has no request from this period", normal, to)
    if before is None:
        before, how = _before(asked, total_of=False)
    change = change_percent(p95, before)
    failed = errors.error_summary(asked.stores, window)
    lines = [
        *(f"{name}: {duration_ms(found[f'{name}_ms'])}, before {duration_ms(found[f'{name}_ms_before'])}"
          for name in ("p50", "p95", "p99", "avg", "max")),
        f"failed (5xx): {ratio(failed['http_errors_ratio'])}, before {ratio(failed['http_errors_ratio_before'])}",
        f"requests: {number(found['requests'])}, before {number(found['requests_before'])}",
    ]  # fmt: skip
    part = (
        Part(
            "", Verdict.NO_DATA, "nothing to compare with: the log does not reach back so far, and no tick has a figure"
        )
        if change is None
        else Part(
            f"p95 {signed(change)} {how}", graded(change, limits["change_look_percent"], limits["change_bad_percent"])
        )
    )
    return together([part], value=changed(f"p95 {duration_ms(p95)}", change), normal=normal, link=to, number=p95, unit="ms",
                    detail=lines, fine=part.words)  # fmt: skip


def security(asked: Asked) -> Evidence:
    """What the checks of sign-in, TLS, secrets and versions find open."""
    normal, to = "no open finding", "setup"
    if asked.around.settings is None:
        return unknown("the settings are not known here", normal, to)
    rows = findings(asked.around.settings, now=asked.around.now)
    failed, warned = ([row for row in rows if row.grade is grade] for grade in (Grade.FAILED, Grade.WARNING))
    verdict = Verdict.OK
    if warned and len(warned) >= asked.limits["look"]:
        verdict = Verdict.LOOK
    if failed and len(failed) >= asked.limits["bad"]:
        verdict = Verdict.BAD
    count = len(failed) + len(warned)
    reason = "; ".join(f"{row.what}: {row.said}" for row in (*failed, *warned)) or "every check is ok"
    detail = "\n".join(f"{row.grade}: {row.what}: {row.said}" for row in rows)
    return Evidence(
        f"{count} open finding{'' if count == 1 else 's'}", count, "findings", normal, verdict, reason, to, detail
    )


def compliance(asked: Asked) -> Evidence:
    """Checklists done, retention kept, personal data masked, and every reveal of it."""
    limits, around = asked.limits, asked.around
    normal, to = (
        f"at least {limits['done_look_percent']:g} % of the items done or skipped for a reason",
        "checklists?view=Calendar",
    )
    if around.state is None or around.settings is None:
        return unknown("the state database is not known here", normal, to)
    total, settled = _items(asked)
    share = settled / total * 100 if total else None
    lines = retention_lines(around.settings, asked.stores, around.state, around.status, around.now)
    not_kept = [line for line in lines if line.verdict != OK]
    reveals = _reveals(asked)
    parts = [
        Part("", Verdict.NO_DATA, "no checklist run ended in this period") if share is None
        else Part(f"{number(total - settled)} of {number(total)} items were missed",
                  _done(share, limits["done_look_percent"], limits["done_bad_percent"])),
        *(Part("", Verdict.NO_DATA if line.verdict == NO_DATA else Verdict.LOOK, f"retention, {line.what}: {line.reason}")
          for line in not_kept),
    ]  # fmt: skip
    detail = [
        f"items done or skipped: {number(settled)} of {number(total)}",
        f"retention: {len(lines) - len(not_kept)} of {len(lines)} lines as declared",
        *(f"  {line.what}: {line.reason}" for line in not_kept),
        "personal data: masked on every page; shown only by a reveal, which is recorded",
        f"reveals: {sum(count for _, count in reveals)}" + (
            f" ({', '.join(f'{who}: {count}' for who, count in reveals)})" if reveals else ""),
    ]  # fmt: skip
    return together(parts, value="–" if share is None else f"{share:.0f} % done", normal=normal, link=to, number=share, unit="%",
                    detail=detail, fine="checklists done, retention kept")  # fmt: skip


def _done(percent: float, look: float, bad: float) -> Verdict:
    return Verdict.BAD if percent < bad else Verdict.LOOK if percent < look else Verdict.OK


def _items(asked: Asked) -> tuple[int, int]:
    """How many items the runs had that ended in the period, and how many of these were done or skipped."""
    assert asked.around.state is not None, "asked for only with a state"
    query = select(func.sum(RunRow.total), func.sum(RunRow.done + RunRow.skipped)).where(
        RunRow.ends_at > asked.period.start, RunRow.ends_at <= asked.end,
        RunRow.state != RunState.OPEN.value,
    )  # fmt: skip
    with asked.around.state.reading(SOURCE) as session:
        total, settled = session.execute(query).one()
    return int(total or 0), int(settled or 0)


def _reveals(asked: Asked) -> list[tuple[str, int]]:
    """Who made how many reveals in the period."""
    assert asked.around.state is not None, "asked for only with a state"
    window = asked.period
    query = (
        select(AuditRow.who, func.count())
        .where(AuditRow.action == Action.REVEAL.value, AuditRow.at >= window.start, AuditRow.at < window.end)
        .group_by(AuditRow.who)
        .order_by(func.count().desc())
    )
    with asked.around.state.reading(SOURCE) as session:
        return [(str(who), int(count)) for who, count in session.execute(query)]


def capacity(asked: Asked) -> Evidence:
    """What runs out first, by the last four weeks."""
    limits = asked.limits
    normal, to = f"no limit nearer than {limits['look_days']:g} days", "capacity"
    found = capacity_forecast(asked.stores, asked.last(FORECAST))
    limited = found[found["limit"].notna()]
    if limited.empty:
        return unknown("nothing that has a limit was measured in the last four weeks", normal, to)
    parts = [_runs_out(row, limits) for row in limited.itertuples()]
    nearest = float(limited["days"].min())
    value = _in_sight(parts) if np.isnan(nearest) else f"{nearest:.0f} days to the nearest limit"
    return together(parts, value=value, normal=normal, link=to, number=None if np.isnan(nearest) else nearest, unit="days",
                    detail=[_forecast_line(row) for row in found.itertuples()],
                    fine="nothing gets to its limit by its trend of four weeks")  # fmt: skip


def _in_sight(parts: Sequence[Part]) -> str:
    known = sum(part.verdict is not Verdict.NO_DATA for part in parts)
    if not known:
        return NONE
    return "no limit in sight" + (f" for {known} of {len(parts)}" if known < len(parts) else "")


def _runs_out(row: object, limits: object) -> Part:
    what, days, said = (getattr(row, name) for name in ("what", "days", "said"))
    soonest, latest = getattr(row, "soonest_days"), getattr(row, "latest_days")  # noqa: B009 - a row of a frame
    if str(said).startswith("too few days"):
        return Part("", Verdict.NO_DATA, f"{what}: {said}")
    if np.isnan(days):
        return Part(f"{what}: {said}", Verdict.OK)
    words = (
        f"{what}: at its limit" if not days else f"{what}: {days:.0f} days to its limit ({soonest:.0f} to {latest:.0f})"
    )
    bad, look = limits["bad_days"], limits["look_days"]  # type: ignore[index]
    return Part(words, Verdict.BAD if days < bad else Verdict.LOOK if days < look else Verdict.OK)


def _forecast_line(row: object) -> str:
    what, unit, now, limit, days, said = (getattr(row, n) for n in ("what", "unit", "now", "limit", "days", "said"))
    shown = size if unit == "bytes" else number
    of = "" if np.isnan(limit) or not limit else f" of {shown(limit)}"
    when = "" if np.isnan(days) else f", {days:.0f} days to its limit"
    return f"{what}: {shown(now)}{of}, {said}{when}"
