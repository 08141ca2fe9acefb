"""The line on top of every page: how fresh the data is, what is missing, what time it is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from lib.errors import SourceError
from lib.status import GapStatus, SourceStatus, TargetStatus, WorkerStatus
from lib.ui import clock, header_alerts, loops, text
from lib.ui.live import UPDATED
from lib.ui.runtime import current
from lib.ui.severity import Status, look
from lib.window import DAY, Window

EVERY_S = 5
OLD_LOGS_S = 300
LATE_SCRAPES = 3
"""A target counts as late after this many scrape intervals."""


@st.fragment(run_every=EVERY_S)
def header() -> None:
    """Redraws itself every few seconds, apart from the page."""
    moment, status = clock.now(), current().status()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="header"):
        if current().settings.demo:
            st.badge("DEMO", icon=":material/science:", color="violet", help="The data comes from the simulator.")
        if status is None:
            st.badge(f"{look(Status.NO_DATA).glyph} No collection in this process", color="gray")
        else:
            if status.imports.running:
                _importing(status)
            _freshness(status, moment)
        header_alerts.alerts()
        st.caption(_times(moment), width="content")


def _freshness(status: WorkerStatus, moment: datetime) -> None:
    _mark(f"Logs {text.age(status.newest_log, moment)}", _logs_status(status))
    _metric_source(status)
    _targets("Scrape", status.scrapes, moment, current().settings.scrape_interval_s)
    _targets("Health probe", status.probes, moment, current().settings.probe_interval_s)
    for trouble in loops.troubles(status):
        _mark(trouble, Status.CRITICAL)
    if status.not_followed:
        st.badge("Log files not followed", icon=":material/info:", color="gray", help=text.esc_md(status.not_followed))
    _unreadable(status)
    _gaps(status.gaps)
    for store, moved in status.replaced.items():
        again = "" if store == "metrics" else ", the log files still there are read again"
        _mark(f"{store} store was damaged and began anew; the old file is {moved}{again}", Status.CRITICAL)


def _metric_source(status: WorkerStatus) -> None:
    """How old the newest sample of a remote metric store is, and why it cannot be asked."""
    source = status.metric_source
    if source is None:
        return
    words = "does not answer" if source.error else text.age(source.newest, status.at)
    shape = look(source_status(source, status.at, current().settings.scrape_interval_s))
    name = text.esc_md(source.name)
    with st.popover(f":{shape.badge}[{shape.glyph} {name} {words}]", type="tertiary", key="metric_source"):
        newest = text.age(source.newest, status.at)
        st.dataframe(
            pd.DataFrame([{"server": source.place, "newest sample": newest, "reason": source.error}]), hide_index=True
        )


def source_status(source: SourceStatus, moment: datetime, interval_s: float) -> Status:
    """Critical while it does not answer, no data while no sample is known, warning when the newest one is old."""
    if source.error:
        return Status.CRITICAL
    age_s = source.age_s(moment)
    if age_s is None:
        return Status.NO_DATA
    return Status.OK if age_s < LATE_SCRAPES * interval_s + 5 else Status.WARNING


def _unreadable(status: WorkerStatus) -> None:
    if not status.unreadable:
        return
    words = f":red[▲ {text.number(len(status.unreadable))} log files cannot be read]"
    with st.popover(words, type="tertiary", key="unreadable"):
        rows = [{"file": file, "reason": reason} for file, reason in status.unreadable.items()]
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def _mark(words: str, status: Status) -> None:
    shape = look(status)
    st.markdown(f":{shape.badge}[{shape.glyph} {text.esc_md(words)}]", width="content")


def _logs_status(status: WorkerStatus) -> Status:
    if status.log_age_s is None:
        return Status.NO_DATA
    return Status.OK if status.log_age_s < OLD_LOGS_S else Status.WARNING


def target_status(target: TargetStatus, moment: datetime, interval_s: float) -> Status:
    """No data before the first answer, critical while the last attempt failed, warning when the last answer is old."""
    if target.up is False or not target.stored:
        return Status.CRITICAL
    age_s = target.age_s(moment)
    if age_s is None:
        return Status.NO_DATA
    return Status.OK if age_s < LATE_SCRAPES * interval_s + 5 else Status.WARNING


_WORST = (Status.CRITICAL, Status.WARNING, Status.NO_DATA, Status.OK)


def _targets(name: str, targets: tuple[TargetStatus, ...], moment: datetime, interval_s: float) -> None:
    if not targets:
        return
    judged = [(target_status(t, moment, interval_s), t) for t in targets]
    worst = min((status for status, _ in judged), key=_WORST.index)
    failing = sum(status != Status.OK for status, _ in judged)
    oldest = max((t.age_s(moment) or 0 for t in targets), default=0)
    words = _failing_words(targets, failing) if failing else f"{text.span(oldest)} ago"
    shape = look(worst)
    with st.popover(f":{shape.badge}[{shape.glyph} {name} {words}]", type="tertiary", key=f"targets_{name}"):
        rows = [
            {
                "target": t.instance,
                "status": look(status).label if t.stored else "not stored",
                "last answer": text.age(t.last_success, moment),
                "took": text.duration_s(t.duration_s),
                "reason": text.visible(t.error),
                "samples refused": t.dropped,
            }
            for status, t in judged
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def _failing_words(targets: tuple[TargetStatus, ...], failing: int) -> str:
    """What fails: the targets, or only our own store, which did not take what they said."""
    unstored = sum(not target.stored and target.up is True for target in targets)
    if unstored == failing:
        return f"{unstored} of {len(targets)} not stored"
    return f"{failing} of {len(targets)} failing"


def _gaps(found: GapStatus) -> None:
    lost = f"▲ {text.size(found.lost_bytes) if found.lost_bytes else 'data'} lost" if found.lost else ""
    unread = f"◆ {text.number(found.unread)} lines unread" if found.unread else ""
    if not lost and not unread:
        return
    words = " ".join(f":{colour}[{said}]" for colour, said in (("red", lost), ("orange", unread)) if said)
    with st.popover(words, type="tertiary", key="gaps", on_change="rerun") as gaps:
        if gaps.open:
            _gap_table()


def _gap_table() -> None:
    """Asked only while somebody looks: the header redraws itself too often for a store question."""
    st.caption("What was lost, skipped or kept unread in the last 24 h, newest first.")
    moment = clock.now()
    try:
        gaps = current().stores.logs.gaps(Window(moment - DAY, moment + timedelta(minutes=1)))
    except SourceError as error:
        st.text(text.visible(error))
        return
    gaps["ts"] = pd.to_datetime(gaps["ts"], utc=True).dt.tz_convert(clock.display_zone())
    st.dataframe(gaps.head(200), hide_index=True)


def _times(moment: datetime) -> str:
    updated = st.session_state.get(UPDATED)
    fresh = f"updated {text.age(updated, moment)} · " if updated else ""
    return f"{fresh}**{clock.local(moment):%H:%M:%S}** {text.esc_md(clock.display_zone())}"


def _importing(status: WorkerStatus) -> None:
    share = min(1.0, status.imports.done / status.imports.total)
    st.progress(share, f"Taking in the past: {share:.0%}", width=220)
