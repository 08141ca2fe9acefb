"""Why was I (not) told? One time line per alert: evaluated, pending, firing, held back, sent, answered, failed and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from lib.alerts.acts import PUSHED
from lib.alerts.model import AlertState
from lib.signals.looks import nearness
from lib.ui import cache, cards, clock, text
from lib.ui.alerts import asked, chart, words
from lib.ui.severity import LOOKS, Status
from lib.ui.time_range import time_window
from lib.window import DAY

BEFORE = timedelta(minutes=30)
"""So much of the story before an episode belongs to it: it was pending, or another one ended just then."""

LOOKED_BACK = 90 * DAY
MOST_LINES = 60

_SAYS = {
    Status.CRITICAL: ("firing", "failed", "channel_broken", "error", "no_route"),
    Status.WARNING: ("pending", "retry", "no-data", "recurred"),
    Status.OK: ("sent", "resolved", "acknowledged", "ok"),
    Status.INFO: ("cooldown", "grouped", "storm", "queued", "superseded", "deduplicated", "cleared", "kept"),
    Status.MAINTENANCE: ("silenced", "inhibited"),
}
_STATUS = {kind: status for status, kinds in _SAYS.items() for kind in kinds}
"""How a line of the story looks; one of another kind is grey."""


def of_alert(alert: Any, limit: dict[str, Any], muted: str) -> None:
    """The whole way of one episode, oldest first, and how it stands at this moment; `muted` says who silenced it, "" nobody."""
    start = min(alert.active_at, clock.now()) - BEFORE
    end = clock.now() + timedelta(minutes=1) if pd.isna(alert.resolved_at) else alert.resolved_at + DAY
    found = asked.story((alert.fingerprint,), _minute(start), _minute(end) + timedelta(minutes=1))
    frame = _told_of(_known(alert, found), found)
    if short := in_short(alert.id, found, over=alert.state == AlertState.RESOLVED):
        st.markdown(f"**In short**: {text.esc_md(short)}.")
    _lines(frame)
    if alert.state != AlertState.RESOLVED:
        _now(alert, limit)
    elif muted and "sent" in set(frame["kind"]):
        st.markdown(
            f"**Now**: it is silenced {text.esc_md(muted)}; that it has ended is told after that, unless it was already."
        )
    if len(frame) >= 20:
        cards.table(frame, key="story", topic=f"story of {alert.name}", columns=_COLUMNS)


def in_short(alert_id: int, found: pd.DataFrame, *, over: bool) -> str:
    """Which channels were told of this episode and which not: "email was told at 09:47, slack was not told yet"; "" where nothing is
    kept of it or no channel had to do with it yet. `found` is a story as `book.story` gives it."""
    own = found[(found["alert_id"] == alert_id) & (found["channel"] != "")]
    parts = []
    for channel, lines in own.groupby("channel", sort=True):
        first = lines.loc[lines["kind"] == "sent", "at"].min()
        knows = bool((lines["kind"] == "deduplicated").any())
        said = "knew already" if knows else "was not told" if over else "was not told yet"
        parts.append(f"{channel} {said if pd.isna(first) else f'was told at {clock.local(first):%H:%M:%S}'}")
    return ", ".join(parts)


def of_unknown(fingerprint: str) -> bool:
    """The story of an alert that is not kept: one that was only pending, or whose episodes are too old. Whether there is one."""
    end = _minute(clock.now()) + timedelta(minutes=1)
    found = asked.story((fingerprint,), end - LOOKED_BACK, end)
    if found.empty:
        return False
    _lines(_told_of([], found))
    return True


def _told_of(known: list[tuple[Any, str, str, str]], found: pd.DataFrame) -> pd.DataFrame:
    """All lines by time, their times of day on the viewer's clock: `at`, `channel`, `kind`, `words`."""
    rows = [*known, *((row.at, row.channel, row.kind, words.on_clock(row.words, row.at)) for row in words.each(found))]
    return pd.DataFrame(rows, columns=["at", "channel", "kind", "words"]).sort_values("at", kind="stable")


_COLUMNS = {
    "at": st.column_config.DatetimeColumn("When", format="D MMM HH:mm:ss", width=130),
    "channel": st.column_config.TextColumn("Channel", width=90),
    "kind": st.column_config.TextColumn("What", width=120),
    "words": st.column_config.TextColumn("In words", width="large"),
}


def _known(alert: Any, found: pd.DataFrame) -> list[tuple[Any, str, str, str]]:
    """What the alert itself says, where its story holds no such line (it may be older than what is kept)."""
    told = set(found["kind"]) | ({"pending", "firing"} if alert.origin in PUSHED else set())
    known = [
        (alert.active_at, "", "pending", "its condition came true"),
        (alert.fired_at, "", "firing", "it fires"),
        (alert.acked_at, "", "acknowledged", f"{alert.acked_by} took it up"),
        (alert.resolved_at, "", "resolved", f"it ended: {alert.resolved_why}" if alert.resolved_why else "it ended"),
    ]
    return [line for line in known if not pd.isna(line[0]) and line[2] not in told]


class _Line(NamedTuple):
    """One moment of the story, and every channel for which it is so."""

    at: datetime
    kind: str
    words: str
    channels: tuple[str, ...]


def _joined(frame: pd.DataFrame) -> list[_Line]:
    """The lines, those that say the same in the same second of several channels as one."""
    lines: dict[tuple[Any, str, str], _Line] = {}
    for row in words.each(frame):
        same = (row.at.floor("s"), row.kind, row.words)
        before = lines[same].channels if same in lines else ()
        lines[same] = _Line(row.at, row.kind, row.words, (*before, row.channel) if row.channel else before)
    return list(lines.values())


def _lines(frame: pd.DataFrame) -> None:
    """One line of plain text per moment; the words may hold anything."""
    day, every = None, _joined(frame)
    if len(every) > MOST_LINES:
        st.caption(f"The newest {MOST_LINES} of {text.number(len(every))}; all of them stand in the table below.")
    for number, line in enumerate(every[-MOST_LINES:]):
        local = clock.local(line.at)
        if local.date() != day:
            day = local.date()
            st.caption(f"{local:%A, %d %b %Y}")
        look = LOOKS[_STATUS.get(line.kind, Status.NO_DATA)]
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"line_{number}"):
            kind = text.esc_md(line.kind.replace("_", " ")[:32])
            channels = "".join(f" :gray-badge[{text.esc_md(channel)}]" for channel in line.channels)
            st.markdown(f"{local:%H:%M:%S} :{look.badge}-badge[{look.glyph} {kind}]{channels}", width="content")
            st.text(text.visible(line.words), width="stretch")


def _now(alert: Any, limit: dict[str, Any]) -> None:
    rules = asked.rules()
    own = rules[rules["rule"] == alert.rule]
    waited = words.since(alert, clock.now(), float(limit.get("for_s", 0.0)))
    value = words.against(alert.value, limit, chart.factor(alert.name))
    has_value = bool(limit) or not pd.isna(alert.value)
    st.markdown(f"**Now**: {text.esc_md(waited)}" + (f" · {text.esc_md(value)}" if has_value else ""))
    if len(own):
        st.caption(
            f"Its rule was evaluated {text.age(own['last_eval'].iloc[0], clock.now())}: {own['health'].iloc[0]}."
        )


def of_rule(name: str) -> None:
    """Why a rule told nobody: what it measured in the page's range, how near it came, and how it is itself."""
    window = time_window()
    limit = cache.frame("rule_limit", window, rule=name)
    found = asked.history(window)
    own = found[found["name"] == name]
    opened = asked.opened()
    waiting = opened[(opened["name"] == name) & (opened["state"] == AlertState.PENDING.value)]
    said = []
    if len(own):
        said.append(f"It fired {_times(len(own))} in this range, last at {clock.stamp(own['fired_at'].max())}.")
    elif len(waiting):
        said.append(f"It never fired in this range; pending now: {text.number(len(waiting))}.")
    else:
        said.append("It never fired in this range, and nothing of it is pending now.")
    st.markdown(" ".join([*said, *_measured(name, limit)]))


def _measured(name: str, limit: dict[str, Any]) -> list[str]:
    """The newest value and the one nearest to the limit: "lately 0.4 %, … it fires at > 5 %"."""
    window = time_window()
    if not limit:
        return ["It compares with no plain number, so there is no value to show."]
    frame = cache.frame("rule_series", window, rule=name)
    if frame.empty or not frame.shape[1]:
        return [f"It fires at {text.esc_md(words.limited(limit))}, but there was no sample of it in this range."]
    values, unit = frame.to_numpy(), str(limit["unit"])
    near = nearness(values, str(limit["operator"]), float(limit["value"]))
    last = int(np.flatnonzero(~np.isnan(values).all(axis=1))[-1])
    row, column = np.unravel_index(near.argmax(), near.shape)
    lately, most = (
        words.measured(float(one), unit) for one in (values[last, near[last].argmax()], values[row, column])
    )
    shown = f"Lately {lately}, nearest to the limit {most} at {clock.stamp(_moment(frame.index[row]))}; it fires at {words.limited(limit)}"
    held = f" for {text.span(limit['for_s'])}." if limit.get("for_s") else "."
    return [text.esc_md(shown + held)]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{text.number(count)} times"


def _moment(value: Any) -> datetime:
    return pd.Timestamp(value).to_pydatetime()


def _minute(moment: Any) -> datetime:
    """Whole minutes, so that viewers share the answer."""
    return pd.Timestamp(moment).floor("min").to_pydatetime()
