"""What a replay found: versions side by side, when they would have fired, and every notice that would have left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.alerts.model import Kind
from lib.alerts.replay import Outcome, Span
from lib.alerts.replay_run import Replayed
from lib.ui import cards, text
from lib.ui.charts import base as charts
from lib.ui.live_chart import live_chart
from lib.ui.rules.replaying import EDITED, NOW, Asked
from lib.window import Window

_SHOWN = {NOW: "In force now", EDITED: "Edited"}
_KINDS = {Kind.FIRING: ("firing", "triangle-up", "critical"), Kind.REPEAT: ("still firing", "diamond", "warning"),
          Kind.RESOLVED: ("resolved", "square", "ok")}  # fmt: skip
_HEIGHT = {Kind.FIRING: 0.48, Kind.REPEAT: 0.48, Kind.RESOLVED: 0.34}
_HELD = {
    "muted": "silenced alerts, nobody told", "cooldown": "alerts delayed by the cooldown", "unseen": "alerts over before anybody was told",
    "no route": "alerts without a route to a channel",
}  # fmt: skip
_MOST_DRAWN = 400


def result(asked: Asked, found: Replayed) -> None:
    """Everything about a finished replay."""
    if not found.outcomes:
        st.caption(f"Nothing to replay: {found.coverage}.")
        return
    names = [_SHOWN[name] for name in asked.names]
    _headline(names, found)
    _remarks(asked, found)
    covered = found.covered or found.task.window
    live_chart(
        timeline(names, found.outcomes, covered),
        key="replay_chart",
        height=90 + 70 * len(names),
        alt=_alt(names, found),
        marked=False,
    )
    st.table(compared(names, found.outcomes).set_index(""))
    _details(names, found.outcomes)


def _headline(names: Sequence[str], found: Replayed) -> None:
    counts = [
        f"{name}: **{_count(one.sent, 'notice') if one.seen else 'no data'}**"
        for name, one in zip(names, found.outcomes, strict=True)
    ]
    took = f"{found.took_s:.1f} s" if found.took_s >= 0.1 else "under 0.1 s"
    st.markdown("### " + " · ".join(counts))
    evaluated = text.number(found.outcomes[0].evaluations)
    st.caption(f"{evaluated} evaluations of each, {took}.")


def _count(number: int, what: str) -> str:
    return f"{text.number(number)} {what}{'' if number == 1 else 's'}"


def _remarks(asked: Asked, found: Replayed) -> None:
    """What the replay cannot know, as plainly as what it found."""
    said = []
    if found.coverage:
        said.append(found.coverage.capitalize() + ".")
    if asked.nobody:
        said.append("No channel is set up: the notices are those that one would get.")
    if found.task.telling.inhibitions:
        said.append("Other rules are not replayed, so nothing is kept quiet by them.")
    notes = dict.fromkeys(note for one in found.outcomes for note in one.notes)
    said += [text.esc_md(note) for note in list(notes)[:2]]
    for words in said:
        st.caption(f":orange-badge[◆ Note] {words}")


def compared(names: Sequence[str], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One line per figure, a column per version."""
    lines: list[tuple[str, list[str]]] = [
        ("alerts pending", [text.number(one.pending) for one in outcomes]),
        ("alerts fired", [text.number(one.fired) for one in outcomes]),
        ("alerts resolved", [text.number(one.resolved) for one in outcomes]),
        ("time firing, all alerts together", [text.span(one.firing_s) for one in outcomes]),
        ("notices", [text.number(one.sent) for one in outcomes]),
    ]
    kinds = sorted({key for one in outcomes for key in one.by_channel()})
    for channel, kind in kinds:
        words = f"… {channel}: {_KINDS[Kind(kind)][0]}"
        lines.append((words, [text.number(one.by_channel().get((channel, kind), 0)) for one in outcomes]))
    for why in [why for why in _HELD if any(one.held.get(why) for one in outcomes)]:
        lines.append((_HELD[why], [text.number(one.held.get(why, 0)) for one in outcomes]))
    figures = {
        name: [row[at] if one.seen else text.NONE for _, row in lines]
        for at, (name, one) in enumerate(zip(names, outcomes, strict=True))
    }
    return pd.DataFrame({"": [words for words, _ in lines]} | figures)


def timeline(names: Sequence[str], outcomes: Sequence[Outcome], window: Window) -> charts.Figure:
    """A lane per version: when alerts were pending and firing, and a mark for each notice, over the window."""
    figure: charts.Figure = {"data": [], "layout": charts.layout(window)}
    lanes = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": list(names)}
    figure["layout"]["yaxis"] |= lanes | {"range": [len(names) - 0.6, -0.65], "showgrid": False, "zeroline": False}
    figure["layout"]["hovermode"] = "closest"
    for lane, outcome in enumerate(outcomes):
        severity = outcome.rule.severity or "warning"
        for span in outcome.spans[-_MOST_DRAWN:]:
            figure["layout"]["shapes"] += _bars(span, lane, window, charts.severity_colour(severity))
    for kind in _KINDS:
        figure["data"] += _marks(kind, outcomes, window)
    return figure


def _bars(span: Span, lane: int, window: Window, colour: str) -> list[dict[str, Any]]:
    ended = span.ended_at or window.end
    parts = [(span.active_at, span.fired_at or ended, charts.MUTED, 0.1)]
    if span.fired_at is not None:
        parts.append((span.fired_at, ended, colour, 0.25))
    return [
        {
            "type": "rect", "xref": "x", "yref": "y", "layer": "below", "fillcolor": f"{fill}/0.5",
            "line": {"width": 1.5, "color": fill},
            "x0": charts.local_text(start, window.zone), "x1": charts.local_text(end, window.zone),
            "y0": lane - half, "y1": lane + half,
        }
        for start, end, fill, half in parts if end > start
    ]  # fmt: skip


def _marks(kind: Kind, outcomes: Sequence[Outcome], window: Window) -> list[dict[str, Any]]:
    words, symbol, status = _KINDS[kind]
    found = [(one, lane) for lane, outcome in enumerate(outcomes) for one in outcome.notices if one.kind is kind]
    found = found[-5 * _MOST_DRAWN :]
    if not found:
        return []
    marker = {"symbol": symbol, "size": 8, "color": charts.severity_colour(status)}
    return [
        {
            "type": "scatter", "mode": "markers", "name": f"told: {words}", "marker": marker,
            "x": [charts.local_text(one.at, window.zone) for one, _ in found], "y": [lane - _HEIGHT[kind] for _, lane in found],
            "text": [charts.plain(f"{one.channel}: {words}") for one, _ in found], "hovertemplate": "%{x}<br>%{text}<extra></extra>",
        }
    ]  # fmt: skip


def _alt(names: Sequence[str], found: Replayed) -> str:
    told = [
        f"{name} fired {one.fired} times" if one.seen else f"{name} had no data"
        for name, one in zip(names, found.outcomes, strict=True)
    ]
    return "When the rule would have fired: " + ", ".join(told)


def _details(names: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    chosen = names[-1]
    if len(names) > 1:
        chosen = (
            st.segmented_control("Details of", names, default=names[-1], key="replay_of", required=True) or names[-1]
        )
    outcome = outcomes[list(names).index(chosen)]
    if not outcome.seen:
        st.caption("○ Its metrics had no sample in this time, so it is not known whether it would have fired.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(f"Alerts, newest first: {_of(len(outcome.spans), outcome.pending)}")
        _spans(outcome)
    with right:
        st.caption(f"Notices, newest first: {_of(len(outcome.notices), outcome.sent)}")
        _notices(outcome)


def _of(shown: int, total: int) -> str:
    return text.number(shown) if shown >= total else f"{text.number(shown)} of {text.number(total)}"


def _spans(outcome: Outcome) -> None:
    if not outcome.spans:
        st.caption("✓ It would not have been pending once.")
        return
    frame = pd.DataFrame([_line(span, outcome) for span in reversed(outcome.spans)])
    for name in ("pending", "firing", "ended"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    moment = {name: st.column_config.DatetimeColumn(words, format="D MMM HH:mm:ss", width=125)
              for name, words in (("pending", "Pending"), ("firing", "Fired"), ("ended", "Ended"))}  # fmt: skip
    columns = {**moment, "lasted": st.column_config.TextColumn("Fired for", width=100), "labels": "Labels"}
    cards.table(frame, key="replay_alerts", topic="replayed alerts", columns=columns, height=_height(frame))


def _line(span: Span, outcome: Outcome) -> dict[str, Any]:
    about_it = ("alertname", outcome.rule.name) not in span.labels  # NoData and the like
    own = set() if about_it else {"alertname", *outcome.rule.labels}
    labels = ", ".join(f"{name}={value}" for name, value in span.labels if name not in own)
    lasted = ((span.ended_at or outcome.end) - span.fired_at) if span.fired_at else None
    return {
        "pending": span.active_at, "firing": span.fired_at, "ended": span.ended_at,
        "lasted": text.span(lasted) if lasted is not None else "did not fire", "labels": text.visible(labels) or text.NONE,
    }  # fmt: skip


def _notices(outcome: Outcome) -> None:
    if not outcome.notices:
        st.caption("✓ Nobody would have been told.")
        return
    frame = pd.DataFrame(
        {"at": one.at, "channel": one.channel, "kind": _KINDS[one.kind][0], "why": one.why,
         "firing": one.firing, "resolved": one.resolved}
        for one in reversed(outcome.notices)
    )  # fmt: skip
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    columns = {
        "at": st.column_config.DatetimeColumn("When", format="D MMM HH:mm:ss", width=125),
        "channel": st.column_config.TextColumn("Channel", width=90),
        "kind": st.column_config.TextColumn("Says", width=90),
        "why": st.column_config.TextColumn("Why", width=110),
        "firing": st.column_config.NumberColumn("Firing", width=65),
        "resolved": st.column_config.NumberColumn("Resolved", width=75),
    }
    cards.table(frame, key="replay_notices", topic="replayed notices", columns=columns, height=_height(frame))


def _height(frame: pd.DataFrame) -> int | None:
    """Few rows are shown whole."""
    return 320 if len(frame) > 8 else None
