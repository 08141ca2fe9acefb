"""What is open: one card per rule, the worst first and what is silenced last, with its alerts, its chart, and what can be
done at once."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lib.alerts import acts
from lib.alerts.model import AlertState
from lib.identity.roles import Action
from lib.ui import address, cache, cards, clock, text
from lib.ui.alerts import acting, asked, chart, silenced, state, verdict, words
from lib.ui.identity import act, gate, lacking
from lib.ui.links import link
from lib.ui.panel import filtered_out, panel
from lib.ui.severity import LOOKS, Status
from lib.ui.time_range import time_window

MOST_CARDS, MOST_ALERTS, MOST_CHARTS = 15, 5, 4
MOST_ROWS = 1000
NOISY = 60
"""With so many alerts open the table of all of them says more than cards do, and is drawn as well."""

_SPOKEN = ("sent", "deduplicated", "queued", "cleared", "superseded")
"""After these the channel knows, or is just being told."""

_BADGED = ("silenced", "inhibited")
"""These stand beside the alert already."""

_SEVERITIES = ("critical", "warning", "info")


def board() -> None:
    """The verdict in one line, the filters, and the cards."""
    found = verdict.verdict()
    say(found)
    broken_channels()
    with st.container(horizontal=True, gap="small"):
        _rules_to_look_at(found)
        _silences_that_count()
    opened = asked.opened()
    if opened.empty:
        return
    shown = _filtered(opened)
    if shown.empty:
        filtered_out(len(opened), state.clear_filters)
        return
    if lacks := lacking(Action.ACKNOWLEDGE):
        st.caption(f"Acknowledge and Silence are off. {lacks}")
    quiet = silenced.muted(shown)
    groups = sorted(shown.groupby("name", sort=False), key=lambda one: bool(quiet[one[1].index].all()))
    for place, (name, alerts) in enumerate(groups[:MOST_CARDS]):
        _card(str(name), alerts, with_chart=place < MOST_CHARTS)
    if len(groups) > MOST_CARDS or len(shown) > NOISY:
        with panel(f"All {text.number(len(shown))} open alerts"):
            _table(shown)


def say(found: verdict.Verdict) -> None:
    """What fires and who looks, in a line; loudly where nobody looks."""
    if found.stalled:
        age = (
            f"Last evaluation: {text.age(found.checked, clock.now())}."
            if found.checked
            else "No rule was ever evaluated."
        )
        st.error(f"**The evaluator does not run.** {age} What is wrong now may not be shown, and nobody is told of it.",
                 icon=":material/heart_broken:")  # fmt: skip
    if not found.total:
        waiting = f", {text.number(found.pending)} pending" if found.pending else ""
        quiet = f", {text.number(found.silenced)} silenced" if found.silenced else ""
        st.markdown(f"{_calm(found)} **No alert fires**{waiting}{quiet}. {verdict.watched(found).capitalize()}.")
    else:
        more = [f"{text.number(count)} {word}" for count, word in (
            (found.acknowledged, "acknowledged"), (found.silenced, "silenced"), (found.pending, "pending")) if count]  # fmt: skip
        st.markdown(" · ".join([verdict.counted(found), *more, verdict.watched(found)]))


def _calm(found: verdict.Verdict) -> str:
    """How far nothing firing is good news, as a badge."""
    shape = LOOKS[found.quiet]
    words = {Status.NO_DATA: "Unknown", Status.WARNING: f"{text.number(found.unwell)} not judged"}
    return f":{shape.badge}-badge[{shape.glyph} {words.get(found.quiet, shape.word)}]"


def _rules_to_look_at(found: verdict.Verdict) -> None:
    """Which rules say nothing, and a way to see why: silence of a rule that cannot be judged is no good news."""
    parts = [f"{text.number(count)} {words}" for count, words in (
        (found.unwell, "cannot be judged"), (found.unseen, "wait for a metric that was never seen")) if count]  # fmt: skip
    if parts:
        st.button(f"Rules: {', '.join(parts)}", icon=":material/warning:" if found.unwell else ":material/info:", key="unwell",
                  type="tertiary", on_click=st.session_state.update, args=({state.SHOW: state.RULES},))  # fmt: skip


def _silences_that_count() -> None:
    """How many there are, and the way to them: what begins to fire under one is told to nobody, and nothing else says so."""
    if count := len(silenced.active()):
        words = f"{text.number(count)} {'silence' if count == 1 else 'silences'} in force"
        st.button(words, icon=":material/notifications_off:", key="silences_now", type="tertiary",
                  on_click=st.session_state.update, args=({state.SHOW: state.SILENCES},))  # fmt: skip


def broken_channels() -> None:
    """Loudly, which channels nobody can be told on, why, and the button for when that is mended."""
    for channel in asked.channels():
        if channel.broken_since is None:
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            since = clock.stamp(channel.broken_since)
            st.error(f"**{text.esc_md(channel.name)} is broken** since {since}: nothing is sent there. "
                     f"{text.esc_md(channel.broken_why)}", icon=":material/notifications_off:")  # fmt: skip
            if st.button(
                "It works again", key=f"rearm_{channel.name}",
                **gate(Action.REARM, "What is so now is decided anew and told."),
            ):  # fmt: skip
                acting.done(act(acts.rearm(channel.name, clock.now())), "Notices go there again")


def _filtered(opened: pd.DataFrame) -> pd.DataFrame:
    with st.container(horizontal=True, vertical_alignment="bottom", key="alert_filters"):
        wanted = st.pills("Severity", _SEVERITIES, selection_mode="multi", key=state.SEVERITY, bind="query-params",
                          label_visibility="collapsed")  # fmt: skip
        typed = st.text_input("Find", key=state.TEXT, bind="query-params", max_chars=120, width=280,
                              placeholder="Rule or label", label_visibility="collapsed")  # fmt: skip
    shown = opened[opened["severity"].isin(wanted)] if wanted else opened
    if name := address.value(state.NAME):
        shown = shown[shown["name"] == name]
        st.button(f"Only {text.esc_md(name)}", icon=":material/close:", key="only_name", on_click=state.clear_filters)
    part = str(typed or "").strip().lower()
    if part:
        shown = shown[[part in _searched(row) for row in words.each(shown)]]
    return shown


def _searched(alert: Any) -> str:
    return " ".join([alert.name, *(f"{name}={value}" for name, value in alert.labels.items())]).lower()


def _card(name: str, alerts: pd.DataFrame, *, with_chart: bool) -> None:
    """One rule: its alerts on the left, what it measures on the right."""
    limit = cache.frame("rule_limit", time_window(), rule=name)
    first = alerts.iloc[0]
    with panel(""), st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{words.badge(first['severity'])} **{text.esc_md(name)}** {_counts(alerts)}", width="content")
            links(name, first)
        left, right = st.columns([3, 2]) if with_chart and limit else (st.container(), None)
        with left:
            _alerts(name, alerts, limit)
        if right is not None:
            with right:
                chart.of_alerts(name, alerts, limit, key=f"mini_{name}")


def _counts(alerts: pd.DataFrame) -> str:
    firing = int((alerts["state"] == AlertState.FIRING.value).sum())
    parts = [f"{text.number(firing)} firing"] if firing else []
    parts += [f"{text.number(len(alerts) - firing)} pending"] if len(alerts) > firing else []
    oldest = alerts["active_at"].min().to_pydatetime()
    return f"{', '.join(parts)} · since {clock.stamp(oldest)}"


def links(name: str, first: Any) -> None:
    """To its runbook, and to the page that shows more of what it is about."""
    if runbook := words.runbook(name, first):
        st.link_button("Runbook", runbook, icon=":material/menu_book:", type="tertiary")
    if page := words.page_of(name, first.annotations):
        link(page, "Look closer")


def _alerts(name: str, alerts: pd.DataFrame, limit: dict[str, Any]) -> None:
    shared = _shared(alerts["labels"]) if len(alerts) > 1 else {}
    shown = alerts.head(MOST_ALERTS)
    told = asked.told(tuple(shown["fingerprint"]))
    held = asked.held_back(tuple(int(one) for one in shown["id"]))
    muted = silenced.names(shown)
    for row in words.each(shown):
        badges = flag_badges(row, muted.get(row.Index, ""), inhibited=_inhibited(held, row.id))
        own = held[held["alert_id"] == row.id]
        known = known_by(row.id, told[told["fingerprint"] == row.fingerprint], own[~own["kind"].isin(_BADGED)])
        _alert(row, limit, words.about(row, shared), known, badges)
    if len(alerts) > len(shown):
        st.caption(f"The worst {len(shown)} of {text.number(len(alerts))}.")


def _shared(labels: pd.Series[Any]) -> dict[str, str]:
    """The labels that all alerts of a rule have in common: they tell none from another."""
    found = dict(labels.iloc[0])
    for other in labels.iloc[1:]:
        found = {name: value for name, value in found.items() if other.get(name) == value}
        if not found:
            break
    return found


def _inhibited(held: pd.DataFrame, alert_id: int) -> bool:
    return bool(((held["alert_id"] == alert_id) & (held["kind"] == "inhibited")).any())


def _alert(row: Any, limit: dict[str, Any], about: str, known: str, badges: str) -> None:
    """One alert: what about, its value, how long, its flags, who knows, and the two things one does first."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"alert_{row.id}"):
        st.button(text.esc_md(about) or "Details", key=f"open_{row.id}", type="tertiary", icon=":material/chevron_right:",
                  on_click=state.open_alert, args=(row.fingerprint,), help="Everything about this alert")  # fmt: skip
        st.markdown(state_words(row, limit), width="content")
        if badges:
            st.markdown(badges, width="content")
        acting.quick(row)
        st.caption(known, width="content")


def state_words(row: Any, limit: dict[str, Any]) -> str:
    """As markdown: its value against the limit, where it has one, and how long it is what it is."""
    value = text.esc_md(words.against(row.value, limit, chart.factor(row.name)))
    waited = text.esc_md(words.since(row, clock.now(), float(limit.get("for_s", 0.0))))
    return f"**{value}** · {waited}" if limit or not pd.isna(row.value) else waited


def flag_badges(row: Any, muted: str = "", *, inhibited: bool = False) -> str:
    """An alert's flags as markdown badges; "" for none."""
    found = words.flags(row)
    if inhibited:
        found.insert(0, (Status.MAINTENANCE, "inhibited"))
    if muted:
        found.insert(0, (Status.MAINTENANCE, f"silenced {muted}"))
    return " ".join(
        f":{LOOKS[status].badge}-badge[{LOOKS[status].glyph} {text.esc_md(said)}]" for status, said in found
    )


def known_by(alert_id: int, told: pd.DataFrame, held: pd.DataFrame) -> str:
    """Who was told when that it fires, and why who was not: "told: slack 09:14 · email: kept quiet by …"."""
    said: dict[bool, list[str]] = {}
    for row in words.each(told):
        said.setdefault(row.episode == alert_id, []).append(f"{text.esc_md(row.channel)} {clock.stamp(row.sent_at)}")
    parts = [
        f"{'told' if this else 'the time before, told'}: {', '.join(said[this])}" for this in sorted(said, reverse=True)
    ]
    silent: dict[str, list[str]] = {}
    for row in words.each(held[~held["kind"].isin(_SPOKEN)]):
        silent.setdefault(words.on_clock(row.words, row.at), []).append(row.channel)
    for why, channels in silent.items():
        who = ", ".join(filter(None, channels))
        parts.append(text.esc_md((f"{who}: {why}" if who else why)[:160]))
    return " · ".join(parts) or "nobody was told yet"


def _table(shown: pd.DataFrame) -> None:
    rows = shown.head(MOST_ROWS)
    if len(shown) > MOST_ROWS:
        st.caption(f"The worst {text.number(MOST_ROWS)} of {text.number(len(shown))}.")
    moment = clock.now()
    frame = pd.DataFrame(
        {
            "severity": [words.shape(severity).label for severity in rows["severity"]],
            "rule": rows["name"], "about": [words.about(row) for row in words.each(rows)],
            "state": [words.since(row, moment) for row in words.each(rows)], "value": rows["value"],
            "acknowledged": rows["acked_by"], "since": rows["active_at"], "fingerprint": rows["fingerprint"],
        }
    )  # fmt: skip
    columns = {
        "severity": st.column_config.TextColumn("Severity", width=90), "rule": st.column_config.TextColumn("Rule", width=170),
        "about": st.column_config.TextColumn("About", width="large"), "state": st.column_config.TextColumn("State", width=130),
        "value": st.column_config.NumberColumn("Value", width=80, help="In the expression's own unit"),
        "acknowledged": st.column_config.TextColumn("Acknowledged by", width=130),
        "since": st.column_config.DatetimeColumn("Since", format="D MMM HH:mm:ss", width=130), "fingerprint": None,
    }  # fmt: skip
    chosen = cards.table(frame, key="open_table", topic="open alerts", columns=columns, select=True, height=420)
    if chosen is not None:
        st.button("Open it", icon=":material/chevron_right:", key="open_chosen", on_click=state.open_alert,
                  args=(str(chosen["fingerprint"]),))  # fmt: skip
