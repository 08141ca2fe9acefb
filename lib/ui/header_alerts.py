"""What the top of every page, the menu and the browser's tab say of alerts: what fires, who looks, who can be told."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from lib.errors import SourceError
from lib.ui import clock, runtime, text
from lib.ui.alerts import asked, verdict
from lib.ui.alerts.verdict import Verdict
from lib.ui.pages import entry
from lib.ui.severity import LOOKS, Status, look

TITLE, ICON = "Halo Ops", "🩺"
MENU_EVERY_S = 10
_MOST_SHOWN = 99


def alerts() -> None:
    """Firing alerts, the evaluator's heartbeat and the channels, in the header; sets title and icon of the tab."""
    if runtime.current().state is None:
        return
    try:
        found = verdict.verdict()
    except SourceError as error:
        _mark(Status.CRITICAL, f"Alerts unknown: {error}")
        return
    _tab(found)
    _firing(found)
    _heart(found, clock.now())
    _channels()


def menu_words() -> str:
    """The menu's words for the Alerts page: with the number of those that fire."""
    if runtime.current().state is None:
        return "Alerts"
    try:
        found = verdict.verdict()
    except SourceError:
        return "Alerts"
    if not found.total:
        return "Alerts"
    worst = next(iter(found.firing))
    return f"Alerts :{LOOKS[worst].badge}-badge[{LOOKS[worst].glyph} {text.number(found.total)}]"


def _tab(found: Verdict) -> None:
    """The tab's title and icon: seen while another tab is in front."""
    if not found.total:
        st.set_page_config(TITLE, ICON)
        return
    shown = str(found.total) if found.total <= _MOST_SHOWN else f"{_MOST_SHOWN}+"
    st.set_page_config(f"({shown}) {TITLE}", icon(shown, next(iter(found.firing))))


def icon(shown: str, status: Status) -> str:
    """A small picture: the number on the colour of the worst that fires."""
    size = {1: 44, 2: 38}.get(len(shown), 28)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<rect width="64" height="64" rx="14" fill="{LOOKS[status].light}"/>'
        f'<text x="32" y="34" fill="#fff" font-family="sans-serif" font-weight="bold" font-size="{size}" '
        f'text-anchor="middle" dominant-baseline="central">{shown}</text></svg>'
    )


def _firing(found: Verdict) -> None:
    if found.total:
        words = " ".join(
            f":{LOOKS[one].badge}[{LOOKS[one].glyph} {text.number(count)}]" for one, count in found.firing.items()
        )
        said = ", ".join(f"{text.number(count)} {LOOKS[one].word.lower()}" for one, count in found.firing.items())
        words, said = f"{words} firing", f"Alerts that fire: {said}"
    else:
        words = ":gray[○ Alerts unknown]" if found.stalled else ":green[✓ No alert]"
        said = "What fires, and what to do about it"
    st.page_link(str(entry("alerts").path), label=words, help=said, width="content")


def _heart(found: Verdict, moment: datetime) -> None:
    if found.checked is None:
        _mark(Status.CRITICAL, "Rules never evaluated")
        return
    status = Status.CRITICAL if found.stalled else Status.WARNING if found.unwell else Status.OK
    unwell = f", {found.unwell} not judged" if found.unwell else ""
    words = "Rules not evaluated since" if found.stalled else "Rules"
    _mark(status, f"{words} {text.age(found.checked, moment)}{unwell}")


def _mark(status: Status, words: str) -> None:
    shape = look(status)
    st.markdown(f":{shape.badge}[{shape.glyph} {text.esc_md(words)}]", width="content")


def _channels() -> None:
    """The newest notice that a channel accepted, and the channels that are broken."""
    try:
        found = standing(asked.channels())
    except SourceError:
        return  # said already
    if found.empty:
        return
    broken = list(found.loc[found["status"] == Status.CRITICAL.value, "channel"])
    newest = found["last good"].max()
    if broken:
        status, words = Status.CRITICAL, f"{', '.join(broken)} broken"
    else:
        status, words = Status.OK, f"Told {text.age(newest, clock.now())}"
    shape = look(status)
    with st.popover(f":{shape.badge}[{shape.glyph} {text.esc_md(words)}]", type="tertiary", key="channels"):
        shown = found.assign(**{"last good": found["last good"].dt.tz_convert(clock.display_zone())})
        shown["status"] = [look(one).label for one in shown["status"]]
        st.dataframe(shown, hide_index=True)


def standing(found: pd.DataFrame) -> pd.DataFrame:
    """Per channel: `status` (critical: its newest notice failed for good), `last good`, `sent` and `failed` notices."""
    rows = []
    for name, part in found.groupby("channel"):
        counts = part.set_index("state")["notices"]
        newest = part.loc[part["state"].isin(["sent", "failed"])].sort_values("newest")
        bad = len(newest) > 0 and newest["state"].iloc[-1] == "failed"
        status = Status.CRITICAL if bad else Status.OK if counts.get("sent", 0) else Status.NO_DATA
        rows.append({"channel": str(name), "status": status.value, "last good": part["sent_at"].max(),
                     "sent": int(counts.get("sent", 0)), "failed": int(counts.get("failed", 0))})  # fmt: skip
    return pd.DataFrame(rows, columns=["channel", "status", "last good", "sent", "failed"])
