"""One alert, whole: what it says, how far over the limit, who was told, what to do, and its episodes before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from lib.alerts.delivery.story import Told
from lib.alerts.model import AlertState
from lib.ui import cache, cards, clock, text
from lib.ui.alerts import acting, asked, board, chart, silenced, state, why, words
from lib.ui.panel import panel
from lib.ui.severity import LOOKS, Status
from lib.ui.time_range import time_window


def detail(fingerprint: str) -> None:
    """The newest episode of an alert, and those before it."""
    st.button("All alerts", icon=":material/arrow_back:", key="all_alerts", on_click=state.open_alert, type="tertiary")
    found = asked.episodes(fingerprint)
    if found.empty:
        _unknown(fingerprint)
        return
    alert = next(iter(words.each(found.head(1))))
    limit = cache.frame("rule_limit", time_window(), rule=alert.name)
    muted = silenced.names(found.head(1)).get(found.index[0], "")
    _head(alert, limit, muted)
    left, right = st.columns(2)  # on a phone the columns stand below each other: first what to do, and who knows
    with left:
        with panel("What to do"):
            acting.whole(alert)
        with panel("Who was told"):
            _told(alert)
    with right, panel("What it measures" if limit else "What it says", height=260 if limit else 0):
        _measures(alert, found, limit)
    with panel("Why was I (not) told?", help="Everything that happened to it, oldest first. Times are on your clock."):
        why.of_alert(alert, limit, muted)
    if len(found) > 1:
        with panel("Episodes", help="Each time its condition came true, the newest first."):
            _episodes(found)
    with panel("Labels and annotations"):
        _labels(alert)


def _unknown(fingerprint: str) -> None:
    """An alert that has no episode here: what is kept of its story, or that nothing is."""
    with panel("Why was I (not) told?"):
        st.markdown(
            "○ **There is no such alert now.** One that was only pending leaves nothing but these lines: it ended before it "
            "was due, so nobody was told."
        )
        if not why.of_unknown(fingerprint):
            st.caption("Nothing is kept of it either: it is older than what is kept, or the address is not whole.")
        st.caption(text.esc_md(f"Looked for: {fingerprint[:64]}"))


def _head(alert: Any, limit: dict[str, Any], muted: str) -> None:
    moment = clock.now()
    with st.container(gap="xsmall", key="alert_head"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"## {words.badge(alert.severity)} {text.esc_md(alert.name)} {_state_badge(alert)}", width="content"
            )
            board.links(alert.name, alert)
        for said in dict.fromkeys((alert.annotations.get("summary", ""), words.about(alert))):
            if said:
                st.text(text.visible(said))
        began = clock.stamp(alert.active_at, seconds=True)
        st.markdown(
            f"{board.state_words(alert, limit)} · since {began} · last seen {text.age(alert.last_seen, moment)}"
        )
        if badges := board.flag_badges(alert, muted):
            st.markdown(badges)


def _state_badge(alert: Any) -> str:
    status = {AlertState.FIRING: Status.CRITICAL, AlertState.PENDING: Status.WARNING}.get(alert.state, Status.OK)
    glyph = LOOKS[Status.OK].glyph if status is Status.OK else "●"
    return f":{LOOKS[status].badge}-badge[{glyph} {text.esc_md(alert.state.upper())}]"


def _measures(alert: Any, found: pd.DataFrame, limit: dict[str, Any]) -> None:
    description, details = alert.annotations.get("description", ""), alert.annotations.get("details")
    stands_above = description == words.about(alert)
    if description and not (stands_above and (limit or details)):
        st.text(text.visible(description))
    if limit:
        chart.of_alerts(alert.name, found.head(1), limit, key="alert_chart", height=230)
    elif details:
        st.code(text.visible(details), language=None, wrap_lines=True)
    elif not description:
        st.caption("No rule here measures this alert: it was told by somebody else, or its rule is gone.")


def _told(alert: Any) -> None:
    """Per channel when it was told last, and what became of it since."""
    told, held = asked.told((alert.fingerprint,)), asked.held_back((alert.id,))
    if told.empty and held.empty:
        st.markdown("○ Nobody was told that it fires. The time line below says why.")
        return
    last = {row.channel: row for row in words.each(told)}
    due = {one.name: one.next_try for one in asked.channels()}
    now = {row.channel: row for row in words.each(held)}
    for channel in sorted({*last, *now}):
        when = _when(last[channel], alert.id) if channel in last else "not told that it fires"
        st.markdown(f"**{text.esc_md(channel) or 'every channel'}** · {when}")
        if channel in now:
            st.text(text.visible(_newest(now[channel], due.get(channel))))


def _when(row: Any, alert_id: int) -> str:
    """When a channel was told that the alert fires, and what the cooldown kept back since."""
    which = "" if row.episode == alert_id else ", the time before"
    times = "once" if row.suppressed == 1 else f"{text.number(row.suppressed)} times"
    held = f" · held back {times} since" if row.suppressed else ""
    return f"told {clock.stamp(row.sent_at, seconds=True)}{which}{held}"


def _newest(row: Any, due: datetime | None) -> str:
    again = f"; next try at {clock.local(due):%H:%M:%S}" if row.kind == Told.RETRY and due else ""
    kind, said = row.kind.replace("_", " "), words.on_clock(row.words, row.at)
    return f"{said if said.startswith(kind) else f'{kind}: {said}'}{again}"


def _labels(alert: Any) -> None:
    rows = [
        {"name": name, "value": value}
        for name, value in [*sorted(alert.labels.items()), *sorted(alert.annotations.items())]
    ]
    columns = {
        "name": st.column_config.TextColumn("Name", width=160),
        "value": st.column_config.TextColumn("Value", width=900),
    }
    cards.table(pd.DataFrame(rows), key="labels", topic=f"labels of {alert.name}", columns=columns)
    st.caption(f"Fingerprint {alert.fingerprint}, rule {text.esc_md(alert.rule)}")


def _episodes(found: pd.DataFrame) -> None:
    moment = clock.now()
    shown = pd.DataFrame(
        {
            "since": found["active_at"],
            "state": [words.since(row, moment) for row in words.each(found)],
            "lasted": [text.span((moment if pd.isna(row.resolved_at) else row.resolved_at) - row.active_at) for row in words.each(found)],
            "acknowledged": found["acked_by"], "noise": found["noise"], "why": found["resolved_why"],
        }
    )  # fmt: skip
    columns = {
        "since": st.column_config.DatetimeColumn("Since", format="D MMM HH:mm:ss", width=130), "state": "State",
        "lasted": "Lasted", "acknowledged": "Acknowledged by", "noise": "Judged", "why": "Ended why",
    }  # fmt: skip
    cards.table(shown, key="episodes", topic="episodes", columns=columns)
